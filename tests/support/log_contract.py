"""What every carrier of the engine promises. A carrier's tests inherit `LogContract` and give it `new_log`."""

import time
from collections.abc import Callable, Sequence

import pytest

from agentgauge_processors.engine.contract import (
    Append,
    Batch,
    Checkpoint,
    Fenced,
    Log,
    Message,
    Record,
    Tail,
)
from agentgauge_schemas.topics import Topic

PARTITIONS = 4
"""Of `.events` and of `.partials`, in the logs that `new_log` makes."""

NewLog = Callable[[], Log]


def appends(*values: bytes, partition: int = 0, topic: Topic = Topic.EVENTS) -> list[Append]:
    """One keyless message for each value."""
    return [Append(partition, Message(topic, None, value)) for value in values]


async def follow(tail: Tail, count: int, within_s: float = 20.0) -> list[Batch]:
    """Poll until so many records have come."""
    batches: list[Batch] = []
    deadline = time.monotonic() + within_s
    while sum(len(batch.records) for batch in batches) < count:
        assert time.monotonic() < deadline, f"{batches} after {within_s} s"
        batches += await tail.poll(0.2)
    return batches


def values(records: Sequence[Record]) -> list[bytes | None]:
    return [record.value for record in records]


class LogContract:
    """Inherit it, and define a fixture `new_log`: each call returns another `Log` on the same, fresh storage,
    as another process would have it. The fixture closes them.
    """

    @pytest.fixture
    def log(self, new_log: NewLog) -> Log:
        return new_log()

    async def test_a_record_comes_back_as_it_was_written(self, log: Log) -> None:
        headers = (("seq", b"1"), ("empty", b""))
        before_us = time.time_ns() // 1000
        await log.append([Append(1, Message(Topic.EVENTS, b"key", b"value", headers))])
        (record,) = await log.read(Topic.EVENTS, 1, 0)
        assert record[:2] + record[3:] == (1, 0, b"key", b"value", headers)
        assert abs(record.timestamp_us - before_us) < 60_000_000

    async def test_records_are_read_in_order_from_any_offset(self, log: Log) -> None:
        await log.append(appends(b"0", b"1", b"2"))
        await log.append(appends(b"3"))
        assert values(await log.read(Topic.EVENTS, 0, 0)) == [b"0", b"1", b"2", b"3"]
        assert [(each.offset, each.value) for each in await log.read(Topic.EVENTS, 0, 2)] == [
            (2, b"2"),
            (3, b"3"),
        ]

    async def test_there_is_nothing_at_the_end(self, log: Log) -> None:
        assert await log.read(Topic.EVENTS, 0, 0) == []
        await log.append(appends(b"0"))
        assert await log.read(Topic.EVENTS, 0, 1) == []
        assert await log.read(Topic.EVENTS, 0, 7) == []

    async def test_a_read_gives_at_least_one_record_and_stops_at_its_limit(self, log: Log) -> None:
        await log.append(appends(*[b"x" * 1000] * 5))
        assert len(await log.read(Topic.EVENTS, 0, 0, max_bytes=1)) == 1
        assert 1 <= len(await log.read(Topic.EVENTS, 0, 0, max_bytes=2500)) <= 3

    async def test_end_offsets_and_partitions_are_counted(self, log: Log) -> None:
        await log.append([*appends(b"0", b"1", partition=0), *appends(b"2", partition=1)])
        assert [await log.end_offset(Topic.EVENTS, partition) for partition in (0, 1, 2)] == [2, 1, 0]
        assert await log.partitions(Topic.EVENTS) == PARTITIONS
        assert await log.partitions(Topic.MERGE_STATE) == PARTITIONS
        assert await log.partitions(Topic.RULES) == 1

    async def test_nothing_to_append_is_nothing(self, log: Log) -> None:
        await log.append([])
        assert await log.end_offset(Topic.EVENTS, 0) == 0

    async def test_state_is_empty_at_first_and_then_what_was_committed_last(self, log: Log) -> None:
        assert await log.open("reduce", Topic.REDUCE_STATE, 2) == {}
        for head in (b"1", b"2"):
            state = [(b"head", head), (b"shard-" + head, b"s")]
            await log.commit("reduce", Topic.REDUCE_STATE, 2, Checkpoint(state, []))
        await log.commit("reduce", Topic.REDUCE_STATE, 2, Checkpoint([(b"shard-1", None)], []))
        assert await log.open("reduce", Topic.REDUCE_STATE, 2) == {b"head": b"2", b"shard-2": b"s"}

    async def test_results_are_committed_with_the_state_in_order(self, log: Log) -> None:
        await log.open("merge", Topic.MERGE_STATE, 1)
        outputs = [Message(Topic.WINDOWS, b"w%d" % number, b"v") for number in range(3)]
        outputs.append(Message(Topic.SERIES, b"s", b"v", (("h", b"1"),)))
        await log.commit("merge", Topic.MERGE_STATE, 1, Checkpoint([(b"head", b"1")], outputs))
        windows = await log.read(Topic.WINDOWS, 1, 0)
        assert [record.key for record in windows] == [b"w0", b"w1", b"w2"]
        (series,) = await log.read(Topic.SERIES, 1, 0)
        assert series.headers == (("h", b"1"),)
        assert await log.read(Topic.WINDOWS, 0, 0) == []

    async def test_a_result_may_delete_a_key(self, log: Log) -> None:
        await log.open("reduce", Topic.REDUCE_STATE, 0)
        deletion = Checkpoint([(b"head", b"1")], [Message(Topic.PRODUCERS, b"p", None)])
        await log.commit("reduce", Topic.REDUCE_STATE, 0, deletion)
        assert values(await log.read(Topic.PRODUCERS, 0, 0)) == [None]

    async def test_a_checkpoint_may_be_several_megabytes(self, log: Log) -> None:
        await log.open("merge", Topic.MERGE_STATE, 0)
        shards = [(b"shard-%d" % number, bytes([number]) * 700_000) for number in range(6)]
        await log.commit("merge", Topic.MERGE_STATE, 0, Checkpoint(shards, []))
        assert await log.open("merge", Topic.MERGE_STATE, 0) == dict(shards)

    async def test_a_new_owner_sees_all_and_fences_the_old_one(self, new_log: NewLog) -> None:
        old, new = new_log(), new_log()
        await old.open("merge", Topic.MERGE_STATE, 0)
        await old.commit("merge", Topic.MERGE_STATE, 0, Checkpoint([(b"head", b"1")], []))
        assert await new.open("merge", Topic.MERGE_STATE, 0) == {b"head": b"1"}
        late = Checkpoint([(b"head", b"late")], [Message(Topic.SERIES, b"s", b"late")])
        with pytest.raises(Fenced):
            await old.commit("merge", Topic.MERGE_STATE, 0, late)
        await new.commit("merge", Topic.MERGE_STATE, 0, Checkpoint([(b"head", b"2")], []))
        assert await log_state(new_log()) == {b"head": b"2"}
        assert await new.read(Topic.SERIES, 0, 0) == []

    async def test_owners_of_different_partitions_and_stages_do_not_disturb_each_other(
        self, new_log: NewLog
    ) -> None:
        one, other = new_log(), new_log()
        await one.open("reduce", Topic.REDUCE_STATE, 0)
        await other.open("reduce", Topic.REDUCE_STATE, 1)
        await other.open("merge", Topic.MERGE_STATE, 0)
        await one.commit("reduce", Topic.REDUCE_STATE, 0, Checkpoint([(b"head", b"1")], []))
        await other.commit("reduce", Topic.REDUCE_STATE, 1, Checkpoint([(b"head", b"1")], []))

    async def test_who_opens_again_goes_on(self, log: Log) -> None:
        for head in (b"1", b"2"):
            await log.open("merge", Topic.MERGE_STATE, 0)
            await log.commit("merge", Topic.MERGE_STATE, 0, Checkpoint([(b"head", head)], []))
        assert await log_state(log) == {b"head": b"2"}

    async def test_what_is_not_open_cannot_be_committed(self, log: Log) -> None:
        with pytest.raises(Fenced):
            await log.commit("merge", Topic.MERGE_STATE, 0, Checkpoint([(b"head", b"1")], []))
        await log.open("merge", Topic.MERGE_STATE, 0)
        await log.close("merge", 0)
        await log.close("merge", 0)
        with pytest.raises(Fenced):
            await log.commit("merge", Topic.MERGE_STATE, 0, Checkpoint([(b"head", b"1")], []))

    async def test_a_tail_follows_partitions_each_from_its_position(self, log: Log) -> None:
        await log.append([*appends(b"a0", b"a1", partition=0), *appends(b"b0", partition=1)])
        tail = log.tail({(Topic.EVENTS, 0): 1, (Topic.EVENTS, 1): 0})
        got = {
            (batch.topic, batch.partition): (values(batch.records), batch.next)
            for batch in await follow(tail, 2)
        }
        assert got == {(Topic.EVENTS, 0): ([b"a1"], 2), (Topic.EVENTS, 1): ([b"b0"], 1)}
        assert await tail.poll(0.05) == []
        await log.append(appends(b"a2"))
        (batch,) = await follow(tail, 1)
        assert (values(batch.records), batch.next) == ([b"a2"], 3)
        await tail.close()
        await tail.close()

    async def test_a_tails_next_position_reaches_the_end_and_is_where_another_goes_on(self, log: Log) -> None:
        await log.open("merge", Topic.MERGE_STATE, 0)
        for version in (b"1", b"2"):
            results = Checkpoint([(b"head", version)], [Message(Topic.WINDOWS, b"w", version)])
            await log.commit("merge", Topic.MERGE_STATE, 0, results)
        end = await log.end_offset(Topic.WINDOWS, 0)
        tail = log.tail({(Topic.WINDOWS, 0): 0})
        reached, seen = 0, []
        deadline = time.monotonic() + 20
        while reached < end and time.monotonic() < deadline:
            for batch in await tail.poll(0.2):
                seen += values(batch.records)
                reached = batch.next
        await tail.close()
        assert (seen, reached) == ([b"1", b"2"], end)
        results = Checkpoint([(b"head", b"3")], [Message(Topic.WINDOWS, b"w", b"3")])
        await log.commit("merge", Topic.MERGE_STATE, 0, results)
        again = log.tail({(Topic.WINDOWS, 0): reached})
        assert [each for batch in await follow(again, 1) for each in values(batch.records)] == [b"3"]
        await again.close()


async def log_state(log: Log) -> dict[bytes, bytes]:
    """The state of merge partition 0, as a new owner gets it."""
    return dict(await log.open("merge", Topic.MERGE_STATE, 0))
