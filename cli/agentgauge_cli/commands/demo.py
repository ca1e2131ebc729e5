"""`agentgauge demo`: real recorded sessions through a whole pipeline."""

from functools import partial
from typing import Annotated

import typer

from agentgauge_cli.commands.up import (
    KafkaPortOption,
    MetricsPortOption,
    OtherKafkaOption,
    StatusPortOption,
)
from agentgauge_cli.settings import DEFAULT_PREFIX, JsonOption, PrefixOption


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the report, as it does when stdout is no terminal.")
    ] = False,
    kafka: OtherKafkaOption = None,
    prefix: PrefixOption = DEFAULT_PREFIX,
    kafka_port: KafkaPortOption = 9092,
    metrics_port: MetricsPortOption = 9464,
    status_port: StatusPortOption = 3002,
    json: JsonOption = False,
) -> None:
    """Replay recorded sessions of a coding agent, as if they ended now, and count them live.

    It starts a pipeline of its own with an empty directory, which is deleted at the end. With
    --kafka it publishes to the pipeline that runs there; repeating that counts nothing twice.
    """
    import sys

    from agentgauge_cli.embedded.demo import show_here, show_on
    from agentgauge_cli.embedded.serve import until_signal
    from agentgauge_cli.errors import EXIT_INTERRUPTED

    if kafka is not None:
        finished = until_signal(partial(show_on, kafka, prefix, json))
    else:
        stay = not once and sys.stdout.isatty()
        ports = (kafka_port, metrics_port, status_port)
        finished = until_signal(partial(show_here, ports, prefix, json, stay))
    if not finished:
        raise typer.Exit(EXIT_INTERRUPTED)
