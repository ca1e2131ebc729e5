"""`agentgauge sink`: show the results outside Kafka."""

from functools import partial
from typing import Annotated

import typer

from agentgauge_cli.settings import (
    DEFAULT_DATA_DIR,
    DEFAULT_KAFKA,
    DEFAULT_PREFIX,
    DataDirOption,
    KafkaOption,
    PrefixOption,
    StorageOption,
    storage_url,
)
from agentgauge_schemas.topics import Topic

app = typer.Typer(help="Bring results to Prometheus or to storage.", no_args_is_help=True)


@app.command()
def prometheus(
    port: Annotated[int, typer.Option(min=1, max=65_535, metavar="PORT", help="Of /metrics.")] = 9464,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="To listen on; 0.0.0.0 is every network.")
    ] = "127.0.0.1",
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
) -> None:
    """Serve the results to Prometheus at /metrics until SIGTERM or Ctrl-C."""
    from agentgauge_cli.kafka import opened_log
    from agentgauge_sinks.prometheus import run_prometheus

    raise typer.Exit(run_prometheus(partial(opened_log, kafka, prefix, Topic.SERIES), host, port))


@app.command()
def storage(
    storage: StorageOption = None,
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
    data_dir: DataDirOption = DEFAULT_DATA_DIR,
) -> None:
    """Write events, runs, windows and producers to the storage until SIGTERM or Ctrl-C."""
    from agentgauge_cli.kafka import opened_log
    from agentgauge_sinks.storage import run_storage

    url = storage_url(storage, data_dir)
    raise typer.Exit(run_storage(partial(opened_log, kafka, prefix, Topic.EVENTS), url))
