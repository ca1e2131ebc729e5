"""What `agentgauge up` does: run until a signal says stop."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from agentgauge_cli.embedded.datadir import DataDir
from agentgauge_cli.embedded.pipeline import EmbeddedPipeline, EmbeddedSettings
from agentgauge_cli.embedded.supervisor import supervise
from agentgauge_cli.rendering import console
from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.kafka.topics import create_topics, partition_counts
from agentgauge_schemas.topics import DEFAULT_EVENTS_PARTITIONS, DEFAULT_MERGE_PARTITIONS, Topic


def until_signal(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run `work` in a new event loop; SIGINT and SIGTERM set the event that it is given."""

    async def main() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        await work(stopping)

    asyncio.run(main())


async def serve(settings: EmbeddedSettings, stopping: asyncio.Event) -> None:
    """The embedded pipeline, until `stopping`. Raises what entering `EmbeddedPipeline` raises."""
    async with EmbeddedPipeline(settings) as pipeline:
        say = partial(console(stderr=True).print, soft_wrap=True)
        say("agentgauge is up. Stop it with Ctrl-C.")
        say(f"  agents publish to   kafka://{pipeline.kafka}")
        say(f"  status page         {pipeline.status_url}")
        say(f"  Prometheus scrapes  {pipeline.metrics_url}")
        say(f"  state and storage   {settings.data_dir}")
        say("For what must last, or for more than this machine, name a Kafka broker: --kafka HOST:PORT")
        await pipeline.run_until(stopping)
        say("Stopping ...")


async def serve_on(
    kafka: str, data_dir: Path, prefix: str, metrics_port: int, stopping: asyncio.Event
) -> None:
    """Faust workers and both sinks on a Kafka broker, each a process of its own, until `stopping`.

    Missing topics are created. Raises StartupProblem and CliError.
    """
    say = partial(console(stderr=True).print, soft_wrap=True)
    async with Connection(kafka).admin() as admin:
        found = await partition_counts(admin, prefix)
    events = found.get(Topic.EVENTS, DEFAULT_EVENTS_PARTITIONS)
    merge = found.get(Topic.PARTIALS, DEFAULT_MERGE_PARTITIONS)
    for change in await create_topics(kafka, prefix, events, merge):
        say(f"{change.topic}: {change.action}, {change.partitions} partitions")
    common = ("--kafka", kafka, "--prefix", prefix)
    with DataDir(data_dir):
        commands = {
            "worker": ("worker", "all", *common, "--data-dir", str(data_dir)),
            "storage sink": ("sink", "storage", *common, "--data-dir", str(data_dir)),
            "Prometheus sink": ("sink", "prometheus", *common, "--port", str(metrics_port)),
        }
        say("agentgauge is up. Stop it with Ctrl-C.")
        say(f"  agents publish to   kafka://{kafka}")
        say(f"  Prometheus scrapes  http://127.0.0.1:{metrics_port}/metrics")
        say(f"  storage             {data_dir}; see it with 'agentgauge report'")
        await supervise(commands, stopping)
