"""A replayed letter has an identity that never changes, and is valid."""

import json

import msgspec
import pytest
from tests.support.dead_letters import RESOURCE, append_letters, block_letter, event_letter

from agentgauge_cli.errors import CliError
from agentgauge_cli.letters import Letter, all_letters
from agentgauge_cli.replay import NotReplayable, Repair, Replay, parse_repair, prepare, replay_letters
from agentgauge_processors.engine.contract import Record
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.dlq import DeadLetter

NO_REPAIR = Repair({}, frozenset())
GOOD = b'{"kind":"log","time_us":5}'


def letter(content: DeadLetter | None, *, offset: int = 0) -> Letter:
    value = content.value if content else b"?"
    return Letter(Record(2, offset, 1, None, value), content)


def test_events_of_a_letter_keep_their_resource_and_get_an_identity_from_the_source_record() -> None:
    replay = prepare(letter(event_letter(GOOD, index=2, offset=7)), "agentgauge", NO_REPAIR)
    assert replay == Replay("replay:agentgauge:2", (7 << 20) + 2, [GOOD], RESOURCE)


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
    with pytest.raises(NotReplayable):
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
