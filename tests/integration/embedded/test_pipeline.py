"""The embedded pipeline with everything real: broker, log, stages, sinks, page."""

import asyncio
import zlib
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import create_engine, text

from agentgauge_cli.demo_data import replay
from agentgauge_cli.embedded.broker import PARTITIONS
from agentgauge_cli.embedded.pipeline import EmbeddedPipeline, EmbeddedSettings
from agentgauge_processors.engine.contract import OffsetExpired
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.block import BlockHeaders, Resource, encode_block
from agentgauge_schemas.topics import Topic

NOW_US = 1_795_000_000_000_000
EVENTS = 1_356
"""In the shipped sessions: 591 responses and 765 tool calls."""


class Blocks:
    """A `Publisher` that keeps what it is given, encoded as the SDK does."""

    def __init__(self) -> None:
        self.records: list[tuple[int, bytes, bytes, list[tuple[str, bytes]]]] = []

    def publish(
        self,
        producer: str,
        seq: int,
        events: Sequence[bytes],
        *,
        resource: Resource,
        backfill: bool = False,
        repeatable: bool = False,
        final: bool = False,
    ) -> None:
        partition = zlib.crc32(producer.encode()) % PARTITIONS
        headers = BlockHeaders(
            producer=producer, partition=partition, seq=seq, count=len(events), backfill=backfill
        )
        value = encode_block(resource, events, repeatable=repeatable, final=final)
        self.records.append((partition, producer.encode(), value, headers.encode()))


def settings(data_dir: Path) -> EmbeddedSettings:
    return EmbeddedSettings(data_dir=data_dir, kafka_port=0, metrics_port=0, status_port=0)


async def publish_sessions(kafka: str) -> None:
    blocks = Blocks()
    replay(blocks, now_us=NOW_US)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True, max_request_size=8 << 20)
    await producer.start()
    for partition, key, value, headers in blocks.records:
        await producer.send_and_wait(
            "agentgauge.events", value, key=key, partition=partition, headers=headers
        )
    await producer.stop()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


def stored(pipeline: EmbeddedPipeline, query: str) -> list[tuple[object, ...]]:
    engine = create_engine(pipeline.storage_url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return rows


async def test_drained_means_counted_and_stored(tmp_path: Path) -> None:
    async with EmbeddedPipeline(settings(tmp_path)) as pipeline:
        await publish_sessions(pipeline.kafka)
        await pipeline.drained()
        assert stored(pipeline, "SELECT count(*) FROM events") == [(EVENTS,)]


async def test_a_restart_goes_on_and_counts_nothing_twice(tmp_path: Path) -> None:
    totals = []
    for _ in range(2):
        async with EmbeddedPipeline(settings(tmp_path)) as pipeline:
            await publish_sessions(pipeline.kafka)
            await pipeline.drained()
            status, metrics = await get(pipeline.metrics_url)
            assert status == 200
            totals.append(sorted(line for line in metrics.splitlines() if "_cost_usd_total" in line))
            assert stored(pipeline, "SELECT count(*) FROM events") == [(EVENTS,)]
    assert totals[0] == totals[1] != []


async def test_reset_forgets_everything(tmp_path: Path) -> None:
    async with EmbeddedPipeline(settings(tmp_path)) as pipeline:
        await publish_sessions(pipeline.kafka)
        await pipeline.drained()
    async with EmbeddedPipeline(
        EmbeddedSettings(data_dir=tmp_path, kafka_port=0, metrics_port=0, status_port=0, reset=True)
    ) as pipeline:
        await pipeline.drained()
        assert stored(pipeline, "SELECT count(*) FROM events") == [(0,)]


async def test_what_had_arrived_is_counted_before_the_end(tmp_path: Path) -> None:
    async with EmbeddedPipeline(settings(tmp_path)) as pipeline:
        await publish_sessions(pipeline.kafka)
    assert stored(pipeline, "SELECT count(*) FROM events") == [(EVENTS,)]


async def test_records_that_every_reader_has_passed_leave_the_log(tmp_path: Path) -> None:
    async with EmbeddedPipeline(settings(tmp_path)) as pipeline:
        await publish_sessions(pipeline.kafka)
        await pipeline.drained()
    async with EmbeddedPipeline(settings(tmp_path)) as pipeline:
        await pipeline.drained()
    with SqliteLog(tmp_path / "state.sqlite") as log:
        ends = [await log.end_offset(Topic.EVENTS, partition) for partition in range(PARTITIONS)]
        partition = ends.index(max(ends))
        with pytest.raises(OffsetExpired) as caught:
            await log.read(Topic.EVENTS, partition, 0)
        assert caught.value.first == ends[partition] - 1


async def test_the_page_shows_the_report_and_refreshes_itself(tmp_path: Path) -> None:
    async with EmbeddedPipeline(settings(tmp_path)) as pipeline:
        status, page = await get(pipeline.status_url)
        assert status == 200
        assert "Nothing was counted yet." in page
        await publish_sessions(pipeline.kafka)
        await pipeline.drained()
        status, page = await get(pipeline.status_url)
        assert status == 200
        for text_of_page in ("claude-opus-4-6", 'http-equiv="refresh"', pipeline.metrics_url):
            assert text_of_page in page
        assert await get(f"{pipeline.status_url}/healthz") == (200, '{"status": "ok", "problems": {}}')


async def test_it_ends_when_asked_to(tmp_path: Path) -> None:
    stopping = asyncio.Event()
    async with EmbeddedPipeline(settings(tmp_path)) as pipeline:
        running = asyncio.create_task(pipeline.run_until(stopping))
        await asyncio.sleep(0)
        assert not running.done()
        stopping.set()
        await asyncio.wait_for(running, 5)
