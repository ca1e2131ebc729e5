"""What SqliteLog promises beyond the contract that all carriers share."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from agentgauge_processors.engine.contract import (
    Append,
    Checkpoint,
    LogError,
    Message,
    OffsetExpired,
    Unavailable,
)
from agentgauge_processors.engine.sqlite import SettingsDiffer, SqliteLog
from agentgauge_schemas.topics import Topic

DAY_US = 86_400_000_000


def event(value: bytes, key: bytes = b"producer") -> Message:
    return Message(Topic.EVENTS, key, value, (("seq", b"1"), ("flag", b"")))


class Clock:
    def __init__(self, now_us: int = 1_000) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us


async def test_records_come_back_in_order_with_headers_and_the_logs_own_time() -> None:
    with SqliteLog(":memory:", now_us=Clock(77)) as log:
        await log.append([Append(1, event(b"a")), Append(1, event(b"b")), Append(0, event(b"c"))])
        records = await log.read(Topic.EVENTS, 1, 0)
        assert [(r.offset, r.value, r.timestamp_us) for r in records] == [(0, b"a", 77), (1, b"b", 77)]
        assert records[0].headers == (("seq", b"1"), ("flag", b""))
        assert await log.end_offset(Topic.EVENTS, 1) == 2
        assert await log.end_offset(Topic.EVENTS, 0) == 1


async def test_a_compacted_topic_keeps_the_newest_record_of_a_key() -> None:
    with SqliteLog(":memory:") as log:
        series = [
            Message(Topic.SERIES, key, value) for key, value in [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")]
        ]
        await log.append([Append(0, message) for message in series])
        records = await log.read(Topic.SERIES, 0, 0)
        assert [(r.offset, r.key, r.value) for r in records] == [(1, b"b", b"1"), (2, b"a", b"2")]
        await log.append([Append(1, Message(Topic.SERIES, b"a", b"other partition"))])
        assert len(await log.read(Topic.SERIES, 0, 0)) == 2


async def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with SqliteLog(path) as log:
        await log.append([Append(3, event(b"a"))])
        await log.open("merge", Topic.MERGE_STATE, 0)
        await log.commit("merge", Topic.MERGE_STATE, 0, Checkpoint([(b"head", b"1")], []))
    with SqliteLog(path) as log:
        assert await log.end_offset(Topic.EVENTS, 3) == 1
        assert (await log.read(Topic.EVENTS, 3, 0))[0].value == b"a"
        assert await log.open("merge", Topic.MERGE_STATE, 0) == {b"head": b"1"}


def test_other_partition_counts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    SqliteLog(path, merge_partitions=8).disconnect()
    with pytest.raises(SettingsDiffer, match="merge_partitions=8, which cannot become 4"):
        SqliteLog(path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"my novel " * 1_000)
    with pytest.raises(LogError, match="cannot be used as a log"):
        SqliteLog(path)
    assert path.read_bytes() == b"my novel " * 1_000


def test_a_file_of_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    SqliteLog(path).disconnect()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    with pytest.raises(LogError, match="has format 2"):
        SqliteLog(path)


def test_a_directory_that_does_not_exist_is_an_error_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="cannot be opened"):
        SqliteLog(tmp_path / "missing" / "state.sqlite")


async def test_a_file_that_another_process_keeps_locked_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with SqliteLog(path, busy_timeout_s=0.05) as log:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await log.append([Append(0, event(b"a"))])
        other.close()
        await log.append([Append(0, event(b"a"))])


async def test_trimmed_records_are_expired_and_a_tail_goes_on_at_the_beginning() -> None:
    with SqliteLog(":memory:") as log:
        await log.append([Append(0, event(b"%d" % i)) for i in range(5)])
        tail = log.tail({(Topic.EVENTS, 0): 0})
        await log.trim(Topic.EVENTS, 0, 4)
        with pytest.raises(OffsetExpired) as caught:
            await log.read(Topic.EVENTS, 0, 2)
        assert caught.value.first == 3
        (batch,) = await tail.poll(0)
        assert ([r.offset for r in batch.records], batch.next) == ([3, 4], 5)


async def test_the_record_below_a_trimmed_position_stays_as_its_fingerprint() -> None:
    with SqliteLog(":memory:") as log:
        await log.append([Append(0, event(b"%d" % i)) for i in range(3)])
        for position in (3, 100):
            await log.trim(Topic.EVENTS, 0, position)
            assert [r.value for r in await log.read(Topic.EVENTS, 0, 2)] == [b"2"]
        await log.append([Append(0, event(b"next"))])
        assert await log.end_offset(Topic.EVENTS, 0) == 4


async def test_pruning_deletes_what_is_older_than_its_topic_keeps_it() -> None:
    clock = Clock(100 * DAY_US)
    with SqliteLog(":memory:", now_us=clock) as log:
        await log.append([Append(0, event(b"old")), Append(0, Message(Topic.DLQ, None, b"letter"))])
        clock.now_us += 5 * DAY_US
        await log.append([Append(0, event(b"young"))])
        clock.now_us += 3 * DAY_US
        await log.prune()
        assert [r.value for r in await log.read(Topic.EVENTS, 0, 1)] == [b"young"]
        assert len(await log.read(Topic.DLQ, 0, 0)) == 1
        with pytest.raises(OffsetExpired):
            await log.read(Topic.EVENTS, 0, 0)
        clock.now_us += 100 * DAY_US
        await log.prune()
        assert [r.value for r in await log.read(Topic.EVENTS, 0, 1)] == [b"young"], "the newest record stays"


async def test_pruning_keeps_values_of_compacted_topics_and_drops_their_old_tombstones() -> None:
    clock = Clock(100 * DAY_US)
    with SqliteLog(":memory:", now_us=clock) as log:
        pairs = [(b"kept", b"1"), (b"gone", None), (b"newest", None)]
        await log.append([Append(0, Message(Topic.SERIES, key, value)) for key, value in pairs])
        await log.prune()
        assert len(await log.read(Topic.SERIES, 0, 0)) == 3
        clock.now_us += 100 * DAY_US
        await log.prune()
        assert [r.key for r in await log.read(Topic.SERIES, 0, 0)] == [b"kept", b"newest"]


async def test_a_waiting_tail_wakes_when_something_is_written() -> None:
    with SqliteLog(":memory:") as log:
        tail = log.tail({(Topic.EVENTS, 0): 0, (Topic.SERIES, 1): 0})
        waiting = asyncio.create_task(tail.poll(30))
        await log.append([Append(2, event(b"not followed"))])
        await asyncio.sleep(0)
        assert not waiting.done()
        await log.append([Append(1, Message(Topic.SERIES, b"k", b"v"))])
        (batch,) = await asyncio.wait_for(waiting, 5)
        assert (batch.topic, batch.partition, batch.next) == (Topic.SERIES, 1, 1)
        await log.append([Append(0, event(b"a"))])
        assert [b.topic for b in await tail.poll(30)] == [Topic.EVENTS]
        assert await tail.poll(0) == []
        await tail.close()


async def test_a_tail_takes_turns_between_partitions_that_are_far_behind() -> None:
    megabyte = b"x" * (1 << 20)
    with SqliteLog(":memory:") as log:
        await log.append([Append(p, event(megabyte)) for p in (0, 1) for _ in range(3)])
        tail = log.tail({(Topic.EVENTS, 0): 0, (Topic.EVENTS, 1): 0})
        polls = [[(b.partition, b.next) for b in await tail.poll(0)] for _ in range(4)]
        assert polls == [[(0, 1), (1, 1)], [(0, 2), (1, 2)], [(0, 3), (1, 3)], []]
