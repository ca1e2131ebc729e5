"""`agentgauge worker`: run stages of the pipeline on a Kafka broker."""

from enum import StrEnum
from typing import Annotated, Final, Literal

import typer

from agentgauge_cli.settings import (
    DEFAULT_DATA_DIR,
    DEFAULT_KAFKA,
    DEFAULT_PREFIX,
    DataDirOption,
    KafkaOption,
    PrefixOption,
)


class Stages(StrEnum):
    """What a worker does."""

    REDUCE = "reduce"
    MERGE = "merge"
    ALL = "all"


STAGES: Final[dict[Stages, tuple[Literal["reduce", "merge"], ...]]] = {
    Stages.REDUCE: ("reduce",),
    Stages.MERGE: ("merge",),
    Stages.ALL: ("reduce", "merge"),
}


def worker(
    stages: Annotated[
        Stages, typer.Argument(help="Blocks to partial aggregates, those to results, or both.")
    ],
    slot: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="A number of its own for each worker of a stage: back 1-4 s after a kill, not 10 s.",
        ),
    ] = None,
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
    data_dir: DataDirOption = DEFAULT_DATA_DIR,
) -> None:
    """Run a worker of the pipeline on a Kafka broker.

    It runs until SIGTERM or Ctrl-C. Start as many as you like: Kafka shares the work out. Exit
    codes from 70 on ask to be restarted: the work goes on from the last checkpoint.
    """
    from agentgauge_cli.kafka import require_broker
    from agentgauge_processors.engine.kafka import WorkerSettings, run_worker

    require_broker(kafka)
    settings = WorkerSettings(kafka=kafka, prefix=prefix, stages=STAGES[stages], slot=slot, data_dir=data_dir)
    raise typer.Exit(run_worker(settings))
