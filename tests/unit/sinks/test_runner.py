import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from agentgauge_processors.engine.contract import Append, Batch, Log, Message, Unavailable
from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.topics import Topic
from agentgauge_sinks import Backpressure, Displaced, SinkRunner
from agentgauge_sinks.contract import Positions


class CollectingSink:
    """Keeps the values that it is given; fails as often as it is told to."""

    name = "collecting"
    topics: Sequence[Topic] = (Topic.DLQ,)

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.values: list[bytes | None] = []
        self.calls: list[str] = []
        self.next = 0

    async def start(self, log: Log) -> Positions:
        self.calls.append("start")
        if self.failures and isinstance(self.failures[0], StartupProblem):
            raise self.failures.pop(0)
        return {(Topic.DLQ, 0): self.next}

    async def apply(self, batches: Sequence[Batch]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        for batch in batches:
            self.values += [record.value for record in batch.records]
            self.next = batch.next

    async def flush(self) -> None:
        self.calls.append("flush")

    async def stop(self) -> None:
        self.calls.append("stop")


class Pauses:
    """Notes how long a runner would have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, event: asyncio.Event, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def log() -> Iterator[SqliteLog]:
    with SqliteLog(":memory:") as log:
        yield log


async def write(log: SqliteLog, *values: bytes) -> None:
    await log.append([Append(0, Message(Topic.DLQ, None, value)) for value in values])


@asynccontextmanager
async def running(runner: SinkRunner) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(runner.run())
    try:
        yield task
    finally:
        runner.stop()
        await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_records_arrive_in_order_and_positions_follow(log: SqliteLog) -> None:
    sink = CollectingSink()
    runner = SinkRunner(sink, log, wait=Pauses())
    async with running(runner):
        await write(log, b"1", b"2")
        await until(lambda: len(sink.values) == 2)
        await write(log, b"3")
        await until(lambda: len(sink.values) == 3)
        await until(lambda: runner.positions == {(Topic.DLQ, 0): 3})
    assert sink.values == [b"1", b"2", b"3"]
    assert sink.calls[0] == "start"
    assert sink.calls[-2:] == ["flush", "stop"]


async def test_a_sink_that_fails_gets_the_same_batches_again_after_growing_pauses(log: SqliteLog) -> None:
    sink = CollectingSink(*[OSError("disk full")] * 8)
    pauses = Pauses()
    await write(log, b"1")
    async with running(SinkRunner(sink, log, wait=pauses)):
        await until(lambda: sink.values == [b"1"])
        await write(log, b"2")
        await until(lambda: sink.values == [b"1", b"2"])
    bounds = [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert all(bound / 2 <= pause <= bound for bound, pause in zip(bounds, pauses.seconds[:8], strict=True))


async def test_backpressure_decides_how_long_to_wait(log: SqliteLog) -> None:
    sink = CollectingSink(Backpressure("busy", 7.5))
    pauses = Pauses()
    await write(log, b"1")
    async with running(SinkRunner(sink, log, wait=pauses)):
        await until(lambda: sink.values == [b"1"])
    assert pauses.seconds[0] == 7.5


async def test_a_failing_sink_says_why_and_keeps_its_position(log: SqliteLog) -> None:
    sink = CollectingSink(*[OSError("disk full")] * 1_000_000)
    runner = SinkRunner(sink, log)
    await write(log, b"1")
    async with running(runner):
        await until(lambda: runner.failure == "OSError: disk full")
        assert runner.positions == {(Topic.DLQ, 0): 0}
        sink.failures.clear()
        await until(lambda: not runner.failure and sink.values == [b"1"])
    assert runner.positions == {(Topic.DLQ, 0): 1}


async def test_a_failing_sink_does_not_hold_up_another(log: SqliteLog) -> None:
    broken, sound = CollectingSink(*[OSError("disk full")] * 1_000_000), CollectingSink()
    async with running(SinkRunner(broken, log)), running(SinkRunner(sound, log)):
        await write(log, b"1", b"2")
        await until(lambda: sound.values == [b"1", b"2"])
    assert broken.values == []


async def test_a_log_that_fails_is_opened_anew_from_the_sinks_own_position(log: SqliteLog) -> None:
    sink = CollectingSink(Unavailable("the broker is away"))
    async with running(SinkRunner(sink, log, wait=Pauses())):
        await write(log, b"1")
        await until(lambda: sink.values == [b"1"])
        await write(log, b"2")
        await until(lambda: sink.values == [b"1", b"2"])


async def test_a_displaced_sink_ends(log: SqliteLog) -> None:
    sink = CollectingSink(Displaced("another one writes"))
    await write(log, b"1")
    with pytest.raises(Displaced):
        await SinkRunner(sink, log, wait=Pauses()).run()
    assert sink.calls == ["start", "stop"]


async def test_what_the_user_must_mend_ends_the_first_start(log: SqliteLog) -> None:
    sink = CollectingSink(StartupProblem("no such folder"))
    with pytest.raises(StartupProblem):
        await SinkRunner(sink, log, wait=Pauses()).run()
    assert sink.calls == ["start", "stop"]


async def test_stop_interrupts_a_pause(log: SqliteLog) -> None:
    sink = CollectingSink(Backpressure("busy", 3_600))
    runner = SinkRunner(sink, log)
    await write(log, b"1")
    async with asyncio.timeout(5), running(runner):
        await until(lambda: runner.failure != "")
    assert sink.values == []
