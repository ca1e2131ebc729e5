"""What `agentgauge up` does: run until a signal says stop."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from agentgauge_cli.embedded.datadir import DataDir
from agentgauge_cli.embedded.pipeline import EmbeddedPipeline, EmbeddedSettings
from agentgauge_cli.embedded.ports import listen
from agentgauge_cli.embedded.supervisor import agentgauge, supervise
from agentgauge_cli.rendering import console, plural, waiting
from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.kafka.topics import Change, create_topics, partition_counts
from agentgauge_schemas.topics import DEFAULT_EVENTS_PARTITIONS, DEFAULT_MERGE_PARTITIONS, Topic

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_Result = TypeVar("_Result")


def until_signal(work: Callable[[asyncio.Event], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run `work` in a new event loop; returns what it returns.

    The first SIGINT or SIGTERM sets the event that it is given; the second does what it always does.
    """

    async def main() -> _Result:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop() -> None:
            stopping.set()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

        for number in _SIGNALS:
            loop.add_signal_handler(number, stop)
        return await work(stopping)

    return asyncio.run(main())


@asynccontextmanager
async def started(settings: EmbeddedSettings) -> AsyncIterator[EmbeddedPipeline]:
    """An embedded pipeline; a terminal shows that it starts. Raises what entering it raises."""
    async with AsyncExitStack() as running:
        with waiting("Starting the pipeline ..."):
            pipeline = await running.enter_async_context(EmbeddedPipeline(settings))
        yield pipeline


async def serve(settings: EmbeddedSettings, stopping: asyncio.Event) -> None:
    """The embedded pipeline, until `stopping`. Raises what entering `EmbeddedPipeline` raises."""
    async with started(settings) as pipeline:
        announce(pipeline)
        await pipeline.run_until(stopping)
        _say("Stopping ...")


def announce(pipeline: EmbeddedPipeline) -> None:
    """Say on stderr that it runs, and where."""
    _say("agentgauge is up. Stop it with Ctrl-C.")
    _say(f"  agents publish to   kafka://{pipeline.kafka}")
    _say(f"  status page         {pipeline.status_url}")
    _say(f"  Prometheus scrapes  {pipeline.metrics_url}")
    _say(f"  state and storage   {pipeline.data_dir}")
    _say("For what must last, or for more than this machine, name a Kafka broker: --kafka HOST:PORT")


def _say(text: str) -> None:
    console(stderr=True).print(text, soft_wrap=True)


async def serve_on(
    kafka: str, data_dir: Path, prefix: str, metrics_port: int, stopping: asyncio.Event
) -> None:
    """Faust workers and both sinks on a Kafka broker, each a process of its own, until `stopping`.

    Missing topics are created. Raises StartupProblem and CliError.
    """
    listen(metrics_port, "--metrics-port").close()  # its sink would name another option
    with waiting(f"Looking for topics at {kafka} ..."):
        changes = await _create_missing_topics(kafka, prefix)
    if changes:
        _say(f"{plural(len(changes), 'topic')} of {prefix!r} created")
    common = ("--kafka", kafka, "--prefix", prefix)
    with DataDir(data_dir):
        commands = {
            "the worker": agentgauge("worker", "all", *common, "--data-dir", str(data_dir)),
            "the storage sink": agentgauge("sink", "storage", *common, "--data-dir", str(data_dir)),
            "the Prometheus sink": agentgauge("sink", "prometheus", *common, "--port", str(metrics_port)),
        }
        _say("agentgauge is up. Stop it with Ctrl-C.")
        _say(f"  agents publish to   kafka://{kafka}")
        _say(f"  Prometheus scrapes  http://127.0.0.1:{metrics_port}/metrics")
        _say(f"  storage             {data_dir}; see it with 'agentgauge report'")
        await supervise(commands, stopping)


async def _create_missing_topics(kafka: str, prefix: str) -> list[Change]:
    """With the usual numbers of partitions, unless the topics that exist have others."""
    async with Connection(kafka).admin() as admin:
        found = await partition_counts(admin, prefix)
    events = found.get(Topic.EVENTS, DEFAULT_EVENTS_PARTITIONS)
    merge = found.get(Topic.PARTIALS, DEFAULT_MERGE_PARTITIONS)
    return await create_topics(kafka, prefix, events, merge)
