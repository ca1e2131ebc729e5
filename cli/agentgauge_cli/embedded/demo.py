"""What `agentgauge demo` does: the shipped sessions through the SDK and a whole pipeline, watched live."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from agentgauge.errors import NetworkError
from agentgauge.publish import BlockPublisher
from agentgauge_cli.demo_data import PROJECT, replay
from agentgauge_cli.embedded.pipeline import EmbeddedPipeline, EmbeddedSettings
from agentgauge_cli.embedded.serve import announce, started
from agentgauge_cli.errors import CliError
from agentgauge_cli.kafka import opened_log
from agentgauge_cli.live_table import LiveTable
from agentgauge_cli.rendering import console, print_json
from agentgauge_cli.report_view import print_report
from agentgauge_processors.engine.contract import Batch, Log
from agentgauge_processors.engine.sqlite import wall_clock_us
from agentgauge_schemas.results import Series
from agentgauge_schemas.topics import Topic
from agentgauge_sinks.storage.report import build_report

STUCK_AFTER_S: Final = 60.0
"""Without any new result for this long, a pipeline on Kafka is taken to stand still."""
_POLL_S: Final = 0.5
_LOOK_S: Final = 0.05

_decode_series = msgspec.json.Decoder(Series).decode


async def show_here(
    ports: tuple[int, int, int], prefix: str, json: bool, stay: bool, stopping: asyncio.Event
) -> bool:
    """Start an embedded pipeline with a directory of its own, count the sessions, print the report.

    `ports` are those of Kafka, metrics and status page. With `stay` the pipeline then runs on until
    `stopping`. Returns whether it came to the report. Raises what entering `EmbeddedPipeline` raises.
    """
    kafka_port, metrics_port, status_port = ports
    with tempfile.TemporaryDirectory(prefix="agentgauge-demo-") as directory:
        settings = EmbeddedSettings(
            data_dir=Path(directory),
            kafka_port=kafka_port,
            metrics_port=metrics_port,
            status_port=status_port,
            prefix=prefix,
        )
        async with started(settings) as pipeline:
            with LiveTable() as table:
                async with _drawn(pipeline.log, table):
                    await _unless(stopping, _publish_and_drain(pipeline, prefix))
            if stopping.is_set():
                return False
            report = await asyncio.to_thread(build_report, pipeline.storage_url, wall_clock_us())
            if json:
                print_json(report)
            else:
                print_report(report)
            if stay:
                announce(pipeline)
                await pipeline.run_until(stopping)
    return True


async def show_on(kafka: str, prefix: str, json: bool, stopping: asyncio.Event) -> bool:
    """Publish the sessions to a pipeline on Kafka, and print its totals of them once all are counted.

    They count once, however often this is run. Returns whether it came to that. Raises CliError when
    nothing goes on for a minute.
    """
    async with opened_log(kafka, prefix, Topic.SERIES) as log:
        with LiveTable() as table:
            async with _drawn(log, table):
                await _unless(stopping, _publish_and_watch(kafka, prefix, table))
    if stopping.is_set():
        return False
    if json:
        calls, tool_calls = table.summary()
        print_json({"llm_calls": calls, "tool_calls": tool_calls})
    else:
        console().print(table.render())
    return True


def publish_sessions(kafka: str, prefix: str) -> int:
    """Through the SDK; returns how many events they are, when all are acknowledged. Blocks.

    Raises CliError when the broker does not take them.
    """
    try:
        with BlockPublisher(f"kafka://{kafka}", prefix=prefix) as publisher:
            reports = replay(publisher, now_us=wall_clock_us())
    except NetworkError as error:
        raise CliError(f"the sessions could not be published to {kafka}: {error}") from error
    return sum(report.responses + report.tool_calls for report in reports)


@asynccontextmanager
async def _drawn(log: Log, table: LiveTable) -> AsyncIterator[None]:
    """Keep the table up to date until the block ends."""
    partitions = range(await log.partitions(Topic.SERIES))
    tail = log.tail(dict.fromkeys(((Topic.SERIES, partition) for partition in partitions), 0))

    async def draw() -> None:
        while True:
            table.update(_of_the_demo(await tail.poll(_POLL_S)))

    drawing = asyncio.create_task(draw())
    try:
        yield
    finally:
        drawing.cancel()
        await asyncio.wait({drawing})
        await tail.close()
        if not drawing.cancelled():
            drawing.result()  # raises why nothing was drawn any more


def _of_the_demo(batches: Iterable[Batch]) -> list[Series]:
    values = (record.value for batch in batches for record in batch.records)
    series = (_decode_series(value) for value in values if value is not None)
    return [each for each in series if each.group.get("project") == PROJECT]


async def _publish_and_drain(pipeline: EmbeddedPipeline, prefix: str) -> None:
    await asyncio.to_thread(publish_sessions, pipeline.kafka, prefix)
    await pipeline.drained()


async def _publish_and_watch(kafka: str, prefix: str, table: LiveTable) -> None:
    expected = await asyncio.to_thread(publish_sessions, kafka, prefix)
    seen, moved = 0, time.monotonic()
    while (counted := sum(table.summary())) < expected:
        if counted > seen:
            seen, moved = counted, time.monotonic()
        elif time.monotonic() - moved > STUCK_AFTER_S:
            raise CliError(
                f"all {expected:,} events are published, {counted:,} are counted, and nothing goes on: "
                "is there an 'agentgauge worker all'? 'agentgauge doctor' tells more"
            )
        await asyncio.sleep(_LOOK_S)


async def _unless(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do it, or leave it when `stopping` is set first."""
    doing = asyncio.create_task(work)
    asked = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({doing, asked}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
    finally:
        doing.cancel()
        asked.cancel()
