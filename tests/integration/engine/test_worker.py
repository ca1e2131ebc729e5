"""A worker on a real broker, with a stage that only counts."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from tests.support.counting_stage import CountingStage

from agentgauge_processors.engine.contract import Append, Message, Stage
from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.kafka.log import KafkaLog
from agentgauge_processors.engine.kafka.topics import create_topics
from agentgauge_processors.engine.kafka.worker import StageName, Worker, WorkerSettings
from agentgauge_schemas.topics import Topic

PARTITIONS = 2


class CountingWorker(Worker):
    """A worker whose stage is the counting one."""

    session_s = 6.0

    def __init__(self, settings: WorkerSettings) -> None:
        super().__init__(settings)
        self.stage = CountingStage()

    def make_stage(self, name: StageName, events_partitions: int, merge_partitions: int) -> Stage:
        return self.stage


@pytest.fixture
async def prefix(kafka: str) -> str:
    prefix = f"worker-{uuid.uuid4().hex[:8]}"
    await create_topics(kafka, prefix, PARTITIONS, 4)
    return prefix


@pytest.fixture
async def log(kafka: str, prefix: str) -> AsyncIterator[KafkaLog]:
    async with KafkaLog(kafka, prefix) as log:
        yield log


@asynccontextmanager
async def running(
    kafka: str, prefix: str, folder: Path, slot: int | None = None
) -> AsyncIterator[CountingWorker]:
    """A worker of reduce; it is stopped in order at the end."""
    worker = CountingWorker(
        WorkerSettings(kafka=kafka, prefix=prefix, stages=("reduce",), slot=slot, data_dir=folder)
    )
    stopping = asyncio.Event()
    work = asyncio.ensure_future(worker.run(stopping))
    try:
        yield worker
    finally:
        stopping.set()
        assert await work == 0


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 40.0) -> None:
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.1)


async def published(log: KafkaLog) -> dict[str, int]:
    counts: dict[str, int] = {}
    for partition in range(PARTITIONS):
        position = 0
        while records := await log.read(Topic.PRODUCERS, partition, position):
            counts |= {(each.key or b"").decode(): int(each.value or b"") for each in records}
            position = records[-1].offset + 1
    return counts


async def write(log: KafkaLog, *keys: str) -> None:
    messages = [Message(Topic.EVENTS, key.encode(), b"v") for key in keys]
    await log.append([Append(number % PARTITIONS, each) for number, each in enumerate(messages)])


async def test_every_record_is_counted_once_across_an_orderly_restart(
    kafka: str, prefix: str, log: KafkaLog, tmp_path: Path
) -> None:
    await write(log, *"abcd" * 25)

    async def counted() -> bool:
        return sum((await published(log)).values()) == 100

    async with running(kafka, prefix, tmp_path):
        await until(counted)
    await write(log, *"abcd" * 25)
    async with running(kafka, prefix, tmp_path) as second:
        await until(lambda: _all(log, {"a": 50, "b": 50, "c": 50, "d": 50}))
    assert second.stage.partitions == {}
    entries = [await log.end_offset(Topic.PARTIALS, partition) for partition in range(4)]
    assert sum(entries) == 200  # an orderly end replays nothing


async def _all(log: KafkaLog, expected: dict[str, int]) -> bool:
    return await published(log) == expected


async def test_the_group_shows_no_lag_after_an_orderly_end(
    kafka: str, prefix: str, log: KafkaLog, tmp_path: Path
) -> None:
    await write(log, *"ab" * 10)
    async with running(kafka, prefix, tmp_path):
        await until(lambda: _all(log, {"a": 10, "b": 10}))
    async with Connection(kafka).admin() as admin:
        offsets = await admin.list_consumer_group_offsets(f"{prefix}-reduce")
    events = Topic.EVENTS.name_with(prefix)
    assert [offsets[TopicPartition(events, partition)].offset for partition in range(2)] == [10, 10]


async def test_partitions_are_shared_with_a_second_worker_and_come_back_when_it_leaves(
    kafka: str, prefix: str, log: KafkaLog, tmp_path: Path
) -> None:
    async def write_while(condition: Callable[[], bool]) -> int:
        written = 0
        async with asyncio.timeout(60):
            while not condition():
                await write(log, "a", "b")
                written += 1
                await asyncio.sleep(0.05)
        return written

    async with running(kafka, prefix, tmp_path) as first:
        rounds = await write_while(lambda: len(first.stage.partitions) == 2)
        async with running(kafka, prefix, tmp_path) as second:
            rounds += await write_while(
                lambda: len(first.stage.partitions) == len(second.stage.partitions) == 1
            )
        rounds += await write_while(lambda: len(first.stage.partitions) == 2)
        await until(lambda: _all(log, {"a": rounds, "b": rounds}))
    entries = [await log.end_offset(Topic.PARTIALS, partition) for partition in range(4)]
    assert sum(entries) == 2 * rounds


async def test_records_of_any_shape_reach_the_stage(
    kafka: str, prefix: str, log: KafkaLog, tmp_path: Path
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, compression_type="gzip")
    await producer.start()
    events = Topic.EVENTS.name_with(prefix)
    await producer.send_and_wait(events, None, b"a", partition=0)
    await producer.send_and_wait(events, b"", None, partition=0, headers=[("h", None), ("h", b"\xff")])
    await producer.send_and_wait(events, b"\x00" * 500_000, b"a", partition=0)
    await producer.send_and_wait(events, b"", b"a", partition=0, timestamp_ms=0)
    await producer.stop()
    async with running(kafka, prefix, tmp_path):
        await until(lambda: _all(log, {"a": 3, "": 1}))


async def test_a_log_with_holes_is_no_gap(kafka: str, prefix: str, log: KafkaLog, tmp_path: Path) -> None:
    # A transaction's end takes an offset that holds no record.
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{prefix}-stranger")
    await producer.start()
    for _ in range(3):
        async with producer.transaction():
            await producer.send(Topic.EVENTS.name_with(prefix), b"v", b"a", partition=1)
    await producer.stop()
    async with running(kafka, prefix, tmp_path):
        await until(lambda: _all(log, {"a": 3}))


async def test_a_slot_is_given_to_one_process_only(kafka: str, prefix: str, tmp_path: Path) -> None:
    async with running(kafka, prefix, tmp_path, slot=0) as first:

        async def works() -> bool:
            return len(first.stage.partitions) == 2

        await until(works)
        second = CountingWorker(
            WorkerSettings(kafka=kafka, prefix=prefix, stages=("reduce",), slot=0, data_dir=tmp_path)
        )
        with pytest.raises(StartupProblem, match=f"slot 0 of {prefix}-reduce is taken"):
            await second.run(asyncio.Event())


async def test_missing_topics_and_wrong_places_are_startup_problems(kafka: str, tmp_path: Path) -> None:
    async def problem(settings: WorkerSettings) -> str:
        with pytest.raises(StartupProblem) as raised:
            await Worker(settings).run(asyncio.Event())
        return str(raised.value)

    missing = await problem(WorkerSettings(kafka=kafka, prefix="none", data_dir=tmp_path))
    assert missing.startswith("topic none.events is missing: run 'agentgauge topics create")
    nobody = await problem(WorkerSettings(kafka="127.0.0.1:1", data_dir=tmp_path))
    assert nobody.startswith("no Kafka broker answers at 127.0.0.1:1")
    file = tmp_path / "file"
    file.touch()
    unwritable = await problem(WorkerSettings(kafka=kafka, data_dir=file / "below"))
    assert unwritable.startswith(f"cannot write to the data directory {file / 'below'}")
