"""The runner on a log in memory: order, ownership, and what it does when the log fails it."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from tests.support.counting_stage import CountingStage

from agentgauge_processors.engine.contract import (
    Append,
    Checkpoint,
    Fenced,
    Message,
    Record,
    StateError,
    Unavailable,
)
from agentgauge_processors.engine.runner import MAX_PENDING, Runner
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.topics import Topic

pytestmark = pytest.mark.timeout(60)


class Clock:
    """Microseconds that pass when told to."""

    def __init__(self) -> None:
        self.now_us = 1_000_000_000

    def __call__(self) -> int:
        return self.now_us

    def pass_s(self, seconds: float) -> None:
        self.now_us += int(seconds * 1_000_000)


class FaultyLog(SqliteLog):
    """A log whose writes fail or wait when told to, and that notes the order of what it does."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.done: list[str] = []
        self.append_error: Exception | None = None
        self.commit_error: Exception | None = None
        self.appending = asyncio.Event()
        self.append_gate = asyncio.Event()
        self.append_gate.set()
        self.commit_gate = asyncio.Event()
        self.commit_gate.set()
        self.open_gate = asyncio.Event()
        self.open_gate.set()

    def hold_appends(self) -> None:
        """Let the next one wait; `appending` says that it has begun."""
        self.append_gate.clear()
        self.appending.clear()

    async def append(self, appends: Sequence[Append]) -> None:
        if appends:
            self.appending.set()
            await self.append_gate.wait()
            if self.append_error is not None:
                raise self.append_error
            self.done.append(f"append {len(appends)}")
        await super().append(appends)

    async def commit(self, stage: str, topic: Topic, partition: int, checkpoint: Checkpoint) -> None:
        await self.commit_gate.wait()
        if self.commit_error is not None:
            raise self.commit_error
        await super().commit(stage, topic, partition, checkpoint)
        self.done.append(f"commit {partition}")

    async def open(self, stage: str, topic: Topic, partition: int) -> dict[bytes, bytes]:
        await self.open_gate.wait()
        self.done.append(f"open {partition}")
        return dict(await super().open(stage, topic, partition))


@pytest.fixture
def log() -> Iterator[FaultyLog]:
    with FaultyLog() as log:
        yield log


@pytest.fixture
def clock() -> Clock:
    return Clock()


def new_runner(log: SqliteLog, clock: Clock) -> tuple[Runner, CountingStage]:
    stage = CountingStage()
    return Runner(stage, log, checkpoint_s=0.05, flush_s=0.01, clock=clock), stage


async def write(log: SqliteLog, *keys: str, partition: int = 0) -> None:
    await log.append([Append(partition, Message(Topic.EVENTS, key.encode(), b"v")) for key in keys])


async def feed_all(runner: Runner, log: SqliteLog, *partitions: int) -> None:
    for partition in partitions:
        for record in await log.read(Topic.EVENTS, partition, runner.next(partition) or 0):
            runner.feed(record)


async def published(log: SqliteLog, partition: int = 0) -> dict[str, int]:
    records = await log.read(Topic.PRODUCERS, partition, 0)
    return {(record.key or b"").decode(): int(record.value or b"") for record in records}


async def entries(log: SqliteLog) -> int:
    return sum([await log.end_offset(Topic.PARTIALS, partition) for partition in range(4)])


async def test_state_results_and_entries_survive_a_change_of_owner(log: FaultyLog, clock: Clock) -> None:
    await write(log, "a", "b", "a")
    first, _ = new_runner(log, clock)
    assert await first.assigned([0, 1]) == {0: 0, 1: 0}
    await feed_all(first, log, 0)
    await first.revoked()
    assert await published(log) == {"a": 2, "b": 1}
    assert await entries(log) == 3
    await write(log, "a")
    second, _ = new_runner(log, clock)
    assert await second.assigned([0]) == {0: 3}
    await feed_all(second, log, 0)
    await second.checkpoint()
    assert await published(log) == {"a": 3, "b": 1}


async def test_what_was_not_committed_is_applied_again_from_the_same_point(
    log: FaultyLog, clock: Clock
) -> None:
    await write(log, "a", "a")
    killed, _ = new_runner(log, clock)
    await killed.assigned([0])
    await feed_all(killed, log, 0)
    await killed.flush()
    heir, stage = new_runner(log, clock)
    assert await heir.assigned([0]) == {0: 0}
    await feed_all(heir, log, 0)
    await heir.checkpoint()
    assert await published(log) == {"a": 2}
    assert stage.partitions[0].applied == [0, 1]


async def test_entries_are_acknowledged_before_the_checkpoint_that_covers_them(
    log: FaultyLog, clock: Clock
) -> None:
    await write(log, "a")
    runner, _ = new_runner(log, clock)
    await runner.assigned([0])
    await feed_all(runner, log, 0)
    log.done.clear()
    log.hold_appends()
    checkpoint = asyncio.ensure_future(runner.checkpoint())
    await log.appending.wait()
    assert log.done == []
    log.append_gate.set()
    await checkpoint
    assert log.done == ["append 1", "commit 0"]


async def test_records_that_come_while_a_checkpoint_is_under_way_are_not_in_it(
    log: FaultyLog, clock: Clock
) -> None:
    await write(log, "a", "a", "a")
    runner, _ = new_runner(log, clock)
    await runner.assigned([0])
    records = await log.read(Topic.EVENTS, 0, 0)
    runner.feed(records[0])
    log.hold_appends()
    checkpoint = asyncio.ensure_future(runner.checkpoint())
    await log.appending.wait()
    runner.feed(records[1])
    runner.feed(records[2])
    log.append_gate.set()
    await checkpoint
    assert await published(log) == {"a": 1}
    assert runner.committed == {0: 1}
    heir, _ = new_runner(log, clock)
    assert await heir.assigned([0]) == {0: 1}


async def test_nothing_is_committed_after_a_failed_append(log: FaultyLog, clock: Clock) -> None:
    # The entries are gone from the stage: a checkpoint would say that they were sent.
    await write(log, "a")
    runner, _ = new_runner(log, clock)
    await runner.assigned([0])
    await feed_all(runner, log, 0)
    log.append_error = Unavailable("no broker")
    with pytest.raises(Unavailable):
        await runner.flush()
    log.append_error = None
    with pytest.raises(Unavailable):
        await runner.checkpoint()
    with pytest.raises(Unavailable):
        await runner.revoked()
    assert await published(log) == {}
    heir, _ = new_runner(log, clock)
    assert await heir.assigned([0]) == {0: 0}


async def test_after_a_failure_the_partitions_can_be_assigned_anew(log: FaultyLog, clock: Clock) -> None:
    await write(log, "a")
    runner, _ = new_runner(log, clock)
    await runner.assigned([0])
    await feed_all(runner, log, 0)
    log.commit_error = Unavailable("no answer")
    with pytest.raises(Unavailable):
        await runner.checkpoint()
    log.commit_error = None
    assert await runner.assigned([0]) == {0: 0}
    await feed_all(runner, log, 0)
    await runner.checkpoint()
    assert await published(log) == {"a": 1}


async def test_run_ends_with_what_failed(log: FaultyLog, clock: Clock) -> None:
    await write(log, "a")
    runner, _ = new_runner(log, clock)
    await runner.assigned([0])
    await feed_all(runner, log, 0)
    log.commit_error = Fenced("another owner")
    with pytest.raises(Fenced):
        await runner.run()


async def test_run_flushes_and_checkpoints_until_it_is_stopped(log: FaultyLog, clock: Clock) -> None:
    await write(log, "a", "b")
    runner, _ = new_runner(log, clock)
    await runner.start()
    await runner.assigned([0])
    running = asyncio.ensure_future(runner.run())
    await feed_all(runner, log, 0)
    async with asyncio.timeout(10):
        while runner.committed != {0: 2}:
            await asyncio.sleep(0.01)
    await write(log, "a")
    await feed_all(runner, log, 0)
    await runner.stop()
    await running
    assert await published(log) == {"a": 2, "b": 1}


async def test_a_newer_assignment_supersedes_one_that_has_not_fenced_yet(
    log: FaultyLog, clock: Clock
) -> None:
    runner, stage = new_runner(log, clock)
    log.commit_gate.clear()
    await write(log, "a")
    await runner.assigned([0])
    await feed_all(runner, log, 0)
    busy = asyncio.ensure_future(runner.checkpoint())
    await asyncio.sleep(0)
    older = asyncio.ensure_future(runner.assigned([1]))
    newer = asyncio.ensure_future(runner.assigned([2]))
    await asyncio.sleep(0)
    log.done.clear()
    log.commit_gate.set()
    assert await older is None
    assert await newer == {2: 0}
    await busy
    assert log.done == ["commit 0", "open 2"]
    assert list(stage.partitions) == [2]


async def test_a_revocation_during_a_load_leaves_nothing_owned(log: FaultyLog, clock: Clock) -> None:
    runner, stage = new_runner(log, clock)
    log.open_gate.clear()
    loading = asyncio.ensure_future(runner.assigned([0]))
    await asyncio.sleep(0)
    await runner.revoked()
    log.open_gate.set()
    assert await loading is None
    assert (runner.next(0), stage.partitions) == (None, {})


async def test_a_failed_load_leaves_nothing_owned(log: FaultyLog, clock: Clock) -> None:
    await log.open("reduce", Topic.REDUCE_STATE, 1)
    await log.commit("reduce", Topic.REDUCE_STATE, 1, Checkpoint([(b"head", b"broken")], []))
    runner, stage = new_runner(log, clock)
    with pytest.raises(StateError):
        await runner.assigned([0, 1])
    assert (runner.next(0), stage.partitions) == (None, {})


async def test_a_checkpoint_in_flight_is_waited_for_when_partitions_are_revoked(
    log: FaultyLog, clock: Clock
) -> None:
    await write(log, "a", "b")
    runner, _ = new_runner(log, clock)
    await runner.assigned([0])
    records = await log.read(Topic.EVENTS, 0, 0)
    runner.feed(records[0])
    log.commit_gate.clear()
    in_flight = asyncio.ensure_future(runner.checkpoint())
    await asyncio.sleep(0)
    runner.feed(records[1])
    revoking = asyncio.ensure_future(runner.revoked())
    await asyncio.sleep(0)
    assert not revoking.done()
    log.commit_gate.set()
    await revoking
    await in_flight
    assert await published(log) == {"a": 1, "b": 1}


async def test_a_last_checkpoint_that_takes_too_long_is_not_waited_for_and_commits_nothing_late(
    log: FaultyLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentgauge_processors.engine.runner.REVOKE_S", 0.05)
    await write(log, "a")
    runner, _ = new_runner(log, clock)
    await runner.assigned([0])
    await feed_all(runner, log, 0)
    log.hold_appends()
    await runner.revoked()
    assert runner.next(0) is None
    log.append_gate.set()
    assert await runner.assigned([0]) == {0: 0}
    assert await published(log) == {}


async def test_records_of_partitions_that_are_not_owned_or_below_the_position_are_ignored(
    log: FaultyLog, clock: Clock
) -> None:
    await write(log, "a", "b")
    runner, stage = new_runner(log, clock)
    (first, second) = await log.read(Topic.EVENTS, 0, 0)
    runner.feed(first)
    await runner.assigned([0])
    for record in (first, second, first, second):
        runner.feed(record)
    assert stage.partitions[0].applied == [0, 1]
    await runner.revoked()
    runner.feed(second)
    assert stage.partitions == {}


async def test_a_stage_that_fails_on_a_record_commits_nothing_of_it(log: FaultyLog, clock: Clock) -> None:
    runner, _ = new_runner(log, clock)
    await runner.assigned([0])
    with pytest.raises(UnicodeDecodeError):
        runner.feed(Record(0, 0, 0, b"\xff", b"v"))
    with pytest.raises(UnicodeDecodeError):
        await runner.checkpoint()


async def test_a_reader_is_held_back_while_much_is_pending(log: FaultyLog, clock: Clock) -> None:
    runner, _ = new_runner(log, clock)
    await runner.assigned([0])
    for offset in range(MAX_PENDING + 1):
        runner.feed(Record(0, offset, 0, b"a", b"v"))
    waiting = asyncio.ensure_future(runner.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await runner.flush()
    await asyncio.wait_for(waiting, 5)


async def test_a_log_that_was_replaced_is_read_from_its_beginning(clock: Clock) -> None:
    with SqliteLog(":memory:") as old, SqliteLog(":memory:") as new:
        await write(old, "a", "b")
        runner, _ = new_runner(old, clock)
        await runner.assigned([0])
        await feed_all(runner, old, 0)
        await runner.stop()
        # Another log with the state of the old one: once longer than that was, once shorter.
        for keys in (("x", "y", "z"), ("x",)):
            state = await old.open("reduce", Topic.REDUCE_STATE, 0)
            await new.open("reduce", Topic.REDUCE_STATE, 0)
            await new.commit("reduce", Topic.REDUCE_STATE, 0, Checkpoint(list(state.items()), []))
            await write(new, *keys, partition=0)
            heir, stage = new_runner(new, clock)
            assert await heir.assigned([0]) == {0: 0}
            assert stage.partitions[0].incarnation == 1
            assert stage.partitions[0].by_key == {"a": 1, "b": 1}
            await heir.revoked()


async def test_records_that_expired_unread_are_skipped_and_named(log: FaultyLog, clock: Clock) -> None:
    await write(log, "a", "b", "c", "d")
    runner, _ = new_runner(log, clock)
    await runner.assigned([0])
    runner.feed((await log.read(Topic.EVENTS, 0, 0))[0])
    await runner.stop()
    await log.trim(Topic.EVENTS, 0, 4)
    heir, stage = new_runner(log, clock)
    assert await heir.assigned([0]) == {0: 3}
    assert stage.partitions[0].skipped == [(1, 3)]


async def test_a_first_owner_of_a_log_that_has_lost_its_beginning_starts_where_it_begins(
    log: FaultyLog, clock: Clock
) -> None:
    await write(log, "a", "b", "c")
    await log.trim(Topic.EVENTS, 0, 3)
    runner, stage = new_runner(log, clock)
    assert await runner.assigned([0]) == {0: 2}
    assert stage.partitions[0].skipped == [(0, 2)]


async def test_rules_are_read_before_the_first_record_and_followed_afterwards(
    log: FaultyLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentgauge_processors.engine.rules.POLL_S", 0.01)
    await log.append([Append(0, Message(Topic.RULES, b"prices", b"1"))])
    runner, stage = new_runner(log, clock)
    await runner.start()
    assert stage.rules == [b"1"]
    running = asyncio.ensure_future(runner.run())
    await log.append([Append(0, Message(Topic.RULES, b"prices", b"2"))])
    async with asyncio.timeout(10):
        while stage.rules != [b"1", b"2"]:
            await asyncio.sleep(0.01)
    await runner.stop()
    await running


async def test_ends_are_told_once_a_second_and_only_of_partitions_that_are_quiet(
    log: FaultyLog, clock: Clock
) -> None:
    await write(log, "a", "b")
    await write(log, "c", partition=1)
    runner, stage = new_runner(log, clock)
    await runner.assigned([0, 1])
    clock.pass_s(1.5)
    await feed_all(runner, log, 0)
    await runner.flush()
    await runner.flush()
    clock.pass_s(1.5)
    await runner.flush()
    assert [dict(tick.ends) for tick in stage.ticks] == [{1: 1}, {}, {0: 2, 1: 1}]


async def test_a_partition_is_stalled_when_its_log_goes_on_but_nothing_is_fed(
    log: FaultyLog, clock: Clock
) -> None:
    await write(log, "a")
    await write(log, "b", partition=1)
    runner, _ = new_runner(log, clock)
    await runner.assigned([0, 1])
    await feed_all(runner, log, 0)
    assert await runner.stalled(60_000_000) == []
    clock.pass_s(61)
    assert await runner.stalled(60_000_000) == [1]
