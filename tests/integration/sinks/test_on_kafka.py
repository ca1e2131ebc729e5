"""Both sinks on a real broker, where transactions leave gaps in offsets and processes die."""

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.support.broker import free_ports
from tests.support.pipeline import FakeClock, Pipeline, llm_call, tool_call
from tests.support.up import get, until

from agentgauge_processors.engine.kafka.log import KafkaLog
from agentgauge_processors.engine.kafka.topics import create_topics
from agentgauge_sinks.storage import build_report
from agentgauge_sinks.storage.sink import STORED

PARTITIONS = 2
BLOCK = 50
PADDING_BYTES = 1_500
"""Random, for the topic has to be many fetches long, so that a kill hits one of them."""
WITHIN_S = 60.0


@pytest.fixture
async def prefix(kafka: str) -> str:
    prefix = f"sinks-{uuid.uuid4().hex[:8]}"
    await create_topics(kafka, prefix, PARTITIONS, PARTITIONS)
    return prefix


@pytest.fixture
async def on_kafka(kafka: str, prefix: str) -> AsyncIterator[Pipeline]:
    async with KafkaLog(kafka, prefix) as log:
        yield Pipeline(log, FakeClock(time.time_ns() // 1_000), PARTITIONS)


@contextmanager
def sink(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`agentgauge sink ...`, and its end."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from agentgauge_cli.main import run; run()", "sink", *arguments]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def query(path: Path, sql: str) -> list[tuple[int, ...]]:
    """[] while there is no such table."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as database:
        try:
            return database.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []


def stored(path: Path) -> int:
    ((count,),) = query(path, "SELECT COUNT(*) FROM events") or [(0,)]
    return count


def positions(path: Path) -> dict[tuple[str, int], int]:
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT topic, partition, next FROM offsets").fetchall()
    return {(topic, partition): position for topic, partition, position in found}


async def ends_of(pipeline: Pipeline) -> dict[tuple[str, int], int]:
    return {
        (topic.value, partition): await pipeline.log.end_offset(topic, partition)
        for topic in STORED
        for partition in range(PARTITIONS)
    }


async def publish_twice(pipeline: Pipeline, blocks: int) -> int:
    """Blocks of two producers, a third of them again at once; returns the number of events."""
    rng = random.Random(11)
    for number in range(blocks):
        partition = number % 2
        make = rng.choice([llm_call, tool_call])
        events = [
            make(trace_id=f"t{number}-{n // 10}", span_id=f"{n}", input=rng.randbytes(PADDING_BYTES).hex())
            for n in range(BLOCK)
        ]
        for _ in range(rng.choice([1, 1, 2])):
            await pipeline.publish(f"p{partition}", number // 2 * BLOCK, events, partition=partition)
    await pipeline.settle()
    return blocks * BLOCK


async def test_storage_is_exact_although_it_is_killed_again_and_again(
    on_kafka: Pipeline, kafka: str, prefix: str, tmp_path: Path
) -> None:
    total = await publish_twice(on_kafka, 120)
    path = tmp_path / "storage.sqlite"
    command = ("storage", "--kafka", kafka, "--prefix", prefix, "--storage", f"sqlite:///{path}")
    rng = random.Random(12)
    seen, kills = 0, 0
    while seen < total and kills < 4:
        with sink(*command) as process:
            await asyncio.to_thread(until, lambda: stored(path) > seen, WITHIN_S)  # noqa: B023 - waited for here
            time.sleep(rng.uniform(0, 0.1))  # noqa: ASYNC251 - any moment will do
            process.send_signal(signal.SIGKILL)
        seen, kills = stored(path), kills + 1
    assert kills > 1

    with sink(*command) as process:
        await on_kafka.publish("p0", 60 * BLOCK, [llm_call(trace_id="last")])
        await on_kafka.settle()
        total += 1
        ends = await ends_of(on_kafka)
        await asyncio.to_thread(until, lambda: positions(path) == ends, WITHIN_S)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0

    sums = "COUNT(*), SUM(input_tokens), SUM(cost_nanousd)"
    (events,) = query(path, f"SELECT {sums} FROM events")
    assert events[0] == total
    assert query(path, "SELECT SUM(events), SUM(input_tokens), SUM(cost_nanousd) FROM runs") == [events]
    assert query(
        path, "SELECT SUM(count), SUM(input_tokens), SUM(cost_nanousd) FROM series WHERE view = 'agent'"
    ) == [events]
    report = build_report(f"sqlite:///{path}", 0)
    assert (report.totals.events, report.producers.accepted) == (total, total)


async def test_prometheus_is_ready_behind_transactions_and_shows_their_totals(
    on_kafka: Pipeline, kafka: str, prefix: str
) -> None:
    await publish_twice(on_kafka, 10)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/metrics"

    def shown() -> int:
        page = get(url) or ""
        lines = [line for line in page.splitlines() if line.startswith("agentgauge_agent_events_total{")]
        return sum(int(line.rpartition(" ")[2]) for line in lines)

    with sink("prometheus", "--kafka", kafka, "--prefix", prefix, "--port", str(port)) as process:
        await asyncio.to_thread(until, lambda: get(url) is not None, WITHIN_S)
        assert shown() == 10 * BLOCK  # in the first answer
        await on_kafka.publish("p0", 5 * BLOCK, [llm_call()])
        await on_kafka.settle()
        await asyncio.to_thread(until, lambda: shown() == 10 * BLOCK + 1, WITHIN_S)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
