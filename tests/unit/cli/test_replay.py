"""A replayed letter has an identity that never changes, and is valid."""

import json

import msgspec
import pytest
from tests.support.dead_letters import RESOURCE, append_letters, block_letter, event_letter
from tests.support.pipeline import T0, Pipeline, tool_call

from agentgauge_cli.errors import CliError
from agentgauge_cli.letters import Letter, all_letters
from agentgauge_cli.reading import records
from agentgauge_cli.replay import NotReplayable, Repair, Replay, parse_repair, prepare, replay_letters
from agentgauge_processors.engine.contract import Record
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.dlq import DeadLetter
from agentgauge_schemas.results import Series
from agentgauge_schemas.topics import Topic

NO_REPAIR = Repair({}, frozenset())
GOOD = b'{"kind":"log","time_us":5}'


def letter(content: DeadLetter | None, *, offset: int = 0) -> Letter:
    value = content.value if content else b"?"
    return Letter(Record(2, offset, 1, None, value), content)


def test_events_of_a_letter_keep_their_resource_and_get_an_identity_from_the_source_record() -> None:
    replay = prepare(letter(event_letter(GOOD, index=2, offset=7)), "agentgauge", NO_REPAIR)
    assert replay == Replay("replay:agentgauge:2", (7 << 20) + 102, [GOOD], RESOURCE)


def test_identity_does_not_depend_on_where_the_letter_stands() -> None:
    here = prepare(letter(event_letter(GOOD), offset=3), "agentgauge", NO_REPAIR)
    there = prepare(letter(event_letter(GOOD), offset=900), "agentgauge", NO_REPAIR)
    assert here == there


def test_events_of_one_source_record_never_share_an_identity() -> None:
    whole = prepare(letter(block_letter(b'{"events":[%s,%s]}' % (GOOD, GOOD))), "agentgauge", NO_REPAIR)
    following = prepare(letter(block_letter(b'{"events":[%s]}' % GOOD, offset=8)), "agentgauge", NO_REPAIR)
    assert whole.seq + len(whole.events) <= following.seq


def test_a_field_is_set_and_another_dropped_in_each_event() -> None:
    bad = b'{"kind":"log","time_us":5,"duration_us":-1,"input":"x"}'
    repair = parse_repair(["duration_us=12"], ["input"])
    replay = prepare(letter(block_letter(b'{"events":[%s,%s]}' % (bad, bad))), "agentgauge", repair)
    assert [json.loads(event) for event in replay.events] == [
        {"kind": "log", "time_us": 5, "duration_us": 12}
    ] * 2


def test_nan_in_json_can_be_repaired() -> None:
    bad = b'{"kind":"log","time_us":5,"cost_nanousd":NaN}'
    with pytest.raises(NotReplayable, match="'cost_nanousd' is nan"):
        prepare(letter(event_letter(bad)), "agentgauge", NO_REPAIR)
    replay = prepare(letter(event_letter(bad)), "agentgauge", parse_repair([], ["cost_nanousd"]))
    assert replay.events == [GOOD]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "not written by agentgauge"),
        (block_letter(b'{"events":[{"kind":"lo'), "not JSON"),
        (block_letter(b"\xff\x00"), "not JSON"),
        (block_letter(b"[1]"), "not a block with events"),
        (block_letter(b'{"events":[]}'), "not a block with events"),
        (block_letter(b'{"events":[3]}'), "not a block with events"),
        (block_letter(b'{"resource":{"process":"x"},"events":[%s]}' % GOOD), "resource is not valid"),
        (event_letter(b'{"kind":"log","time_us":-5}'), r"\$.time_us.*--set"),
        (block_letter(b'{"events":[%s,{"kind":"no","time_us":1}]}' % GOOD), "event 2 of 2: .*kind"),
    ],
)
def test_what_would_be_rejected_again_is_refused_with_the_reason(
    content: DeadLetter | None, reason: str
) -> None:
    with pytest.raises(NotReplayable, match=reason):
        prepare(letter(content), "agentgauge", NO_REPAIR)


def test_a_letter_of_which_only_the_beginning_was_kept_is_refused() -> None:

    cut = msgspec.structs.replace(block_letter(GOOD), size=9_000_000, sha256="ab")
    with pytest.raises(NotReplayable, match="9,000,000"):
        prepare(letter(cut), "agentgauge", NO_REPAIR)


def test_a_block_larger_than_one_may_be_is_checked_in_parts() -> None:
    value = b'{"events":[' + b",".join([GOOD] * 6_000) + b"]}"
    assert (
        len(prepare(letter(block_letter(value, reason="too_large")), "agentgauge", NO_REPAIR).events) == 6_000
    )


@pytest.mark.parametrize(
    ("assignments", "drops", "message"),
    [
        (["duration=1"], [], "no field 'duration': did you mean 'duration_us'"),
        ([], ["qqq"], "no field 'qqq'$"),
        (["agent=planner"], [], "must be JSON"),
        (["agent"], [], "must be JSON.*for example agent="),
    ],
)
def test_a_repair_that_cannot_be_meant_is_an_error(
    assignments: list[str], drops: list[str], message: str
) -> None:
    with pytest.raises(CliError, match=message):
        parse_repair(assignments, drops)


@pytest.mark.parametrize("seq", [0, 100, (5 << 20) - 1, 1 << 61])
def test_each_event_of_a_record_has_an_identity_of_its_own(seq: int) -> None:
    identities = set()
    for number in range(5_000):
        content = msgspec.structs.replace(event_letter(GOOD), seq=seq + number)
        identities.add(prepare(letter(content), "agentgauge", NO_REPAIR).seq)
    assert len(identities) == 5_000
    assert {identity >> 20 for identity in identities} == {7}


async def test_all_letters_are_replayed_and_the_refused_ones_named() -> None:
    published: list[Replay] = []
    with SqliteLog(":memory:") as log:
        await append_letters(log, 0, [event_letter(GOOD, offset=1), block_letter(b"{", offset=2)])
        await append_letters(log, 3, [block_letter(b'{"events":[%s,%s]}' % (GOOD, GOOD), offset=3)])
        outcome = await replay_letters(all_letters(log), "agentgauge", NO_REPAIR, published.append)
    assert outcome.replayed == ["0:0", "3:0"]
    assert outcome.events == 3
    assert [refused.letter for refused in outcome.refused] == ["0:1"]
    assert [replay.seq >> 20 for replay in published] == [1, 3]


async def test_a_replay_counts_every_event_once_however_often_it_runs() -> None:
    bad = b'{"kind":"span","time_us":%d,"operation":"execute_tool","tool":"Bash","duration_us":-1}' % T0
    repair = parse_repair(["duration_us=1000"], [])
    with SqliteLog(":memory:", events_partitions=2, merge_partitions=2, now_us=lambda: T0) as log:
        pipeline = Pipeline(log, lambda: T0)
        await pipeline.publish("p-1", 0, [tool_call(), bad, tool_call(), bad], partition=1)
        await pipeline.publish("p-1", 4, [bad], partition=1)
        await pipeline.settle()
        assert await calls_of_bash(log) == 2

        for _ in range(3):
            replays: list[Replay] = []
            outcome = await replay_letters(all_letters(log), "agentgauge", repair, replays.append)
            assert (outcome.events, outcome.refused) == (3, [])
            for replay in replays:
                await pipeline.publish(
                    replay.producer,
                    replay.seq,
                    replay.events,
                    resource=replay.resource,
                    backfill=True,
                    repeatable=True,
                )
            await pipeline.settle()
            assert await calls_of_bash(log) == 5


async def calls_of_bash(log: SqliteLog) -> int:
    newest: dict[bytes, int] = {}
    for partition in range(2):
        async for record in records(
            log, Topic.SERIES, partition, 0, await log.end_offset(Topic.SERIES, partition)
        ):
            series = msgspec.json.decode(record.value or b"", type=Series)
            if series.view == "tool":
                newest[record.key or b""] = series.total.count
    return sum(newest.values())
