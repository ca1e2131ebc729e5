"""`agentgauge up`: the pipeline on this machine, in this process or on a Kafka broker."""

from functools import partial
from typing import Annotated

import typer

from agentgauge_cli.errors import CliError
from agentgauge_cli.settings import (
    DEFAULT_DATA_DIR,
    DEFAULT_PREFIX,
    DataDirOption,
    PrefixOption,
    kafka_address,
)

KafkaPortOption = Annotated[
    int, typer.Option("--kafka-port", min=0, max=65_535, help="Where agents publish, on 127.0.0.1.")
]
MetricsPortOption = Annotated[
    int, typer.Option("--metrics-port", min=0, max=65_535, help="Where Prometheus scrapes, on 127.0.0.1.")
]
StatusPortOption = Annotated[
    int, typer.Option("--status-port", min=0, max=65_535, help="The status page, on 127.0.0.1.")
]


def _kafka(text: str | None) -> str | None:
    return text and kafka_address(text)


OtherKafkaOption = Annotated[
    str | None,
    typer.Option(
        "--kafka",
        metavar="HOST:PORT",
        callback=_kafka,
        help="Use this Kafka broker instead of the one built in: for what must last, and for many machines.",
    ),
]


def up(
    kafka: OtherKafkaOption = None,
    data_dir: DataDirOption = DEFAULT_DATA_DIR,
    reset: Annotated[bool, typer.Option("--reset", help="Forget all totals and start empty.")] = False,
    prefix: PrefixOption = DEFAULT_PREFIX,
    kafka_port: KafkaPortOption = 9092,
    metrics_port: MetricsPortOption = 9464,
    status_port: StatusPortOption = 3002,
) -> None:
    """Run the whole pipeline until Ctrl-C or SIGTERM; totals go on after a restart.

    Without --kafka it needs nothing but this package. It listens on 127.0.0.1 only.
    """
    from agentgauge_cli.embedded.pipeline import EmbeddedSettings
    from agentgauge_cli.embedded.serve import serve, serve_on, until_signal

    if kafka is not None:
        if reset:
            raise CliError("--reset empties the built-in pipeline only: what is on a Kafka broker stays")
        until_signal(partial(serve_on, kafka, data_dir, prefix, metrics_port))
        return
    settings = EmbeddedSettings(
        data_dir=data_dir,
        kafka_port=kafka_port,
        metrics_port=metrics_port,
        status_port=status_port,
        prefix=prefix,
        reset=reset,
    )
    until_signal(partial(serve, settings))
