"""One source partition: what it says of its events, of its progress, and after a crash again."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.reducing import SECOND, Reducing
from tests.support.simulation import EPOCH_US
from tests.support.strategies import hot_events

from agentgauge_processors.engine.contract import Record, Tick
from agentgauge_processors.reduce import ReduceStage
from agentgauge_processors.reduce.stage import MAX_PARTIALS_BYTES
from agentgauge_schemas import Event, Resource
from agentgauge_schemas.group import merge_partition, parse_key
from agentgauge_schemas.partials import Entry, Progress, decode_partials
from agentgauge_schemas.rules import EFFECTIVE_AFTER_US, PRICES_KEY, PriceOverride, PriceTable


def event(time_us: int = EPOCH_US, **fields: object) -> Event:
    standard = {"kind": "span", "operation": "execute_tool", "tool": "t", "agent": "a", "time_us": time_us}
    return msgspec.convert({**standard, **fields}, Event)


def call(time_us: int = EPOCH_US) -> Event:
    return event(time_us, operation="chat", model="ours", input_tokens=10, output_tokens=1)


# Entries.


def test_an_entry_names_the_record_it_comes_from() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    reducing.send("q", 0, [event()], backfill=True)
    first, second = reducing.entries()
    assert (first.source, first.incarnation, first.offset, first.backfill) == (0, 0, 0, False)
    assert (second.source, second.incarnation, second.offset, second.backfill) == (0, 0, 1, True)


def test_a_group_goes_to_its_merge_partition_and_to_no_other() -> None:
    reducing = Reducing(merge_partitions=4)
    reducing.send("p", 0, [event(tool=f"t{number}") for number in range(40)])
    found = [
        (number, group.key)
        for number, partials in reducing.partials()
        for entry in partials.entries
        for group in entry.groups
    ]
    assert len({number for number, _ in found}) == 4
    assert all(number == merge_partition(key, 4) for number, key in found)
    assert len({key for _, key in found}) == len(found) == 41  # the tools and the agent


def test_duplicates_of_any_part_of_a_block_are_counted_once() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event(tool="a"), event(tool="b")])
    reducing.send("p", 1, [event(tool="b"), event(tool="c")])
    reducing.send("p", 0, [event(tool="a"), event(tool="b"), event(tool="c")])
    counts: dict[str, int] = {}
    for entry in reducing.entries():
        for group in entry.groups:
            counts[group.key] = counts.get(group.key, 0) + group.aggregate.count
    assert {parse_key(key)[1][-1]: count for key, count in counts.items() if parse_key(key)[0] == "tool"} == {
        "a": 1, "b": 1, "c": 1,
    }  # fmt: skip


def test_only_the_last_of_several_records_says_how_far_the_source_is() -> None:
    """Else merge would take entries that are still to come for old ones."""
    reducing = Reducing()
    for number in range(60):
        events = [event(tool=f"{number}-{each}-" + "x" * 230) for each in range(400)]
        reducing.send("p", 400 * number, events)
    reducing.pass_time(2)
    appends = reducing.stage.drain(reducing.tick())
    assert len(appends) > 1
    assert all(len(append.message.value or b"") <= MAX_PARTIALS_BYTES for append in appends)
    records = [decode_partials(append.message.value or b"") for append in appends]
    assert [len(record.progress) for record in records] == [0] * (len(records) - 1) + [1]
    offsets = [entry.offset for record in records for entry in record.entries]
    assert offsets == sorted(offsets) == list(range(60))


def test_nothing_is_sent_when_there_is_nothing_to_say() -> None:
    reducing = Reducing(merge_partitions=3)
    assert [number for number, _ in reducing.partials()] == [0, 1, 2], "progress, for all"
    assert reducing.partials() == []
    reducing.pass_time(0.9)
    assert reducing.partials() == []
    reducing.pass_time(0.1)
    assert len(reducing.partials()) == 3


# Progress.


def test_progress_says_what_is_read_next_and_how_far_event_time_is() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event(EPOCH_US - 5 * SECOND)])
    assert reducing.progress() == Progress(0, 0, 1, EPOCH_US - 7 * SECOND, idle=False)


def test_a_partition_is_idle_when_it_was_read_to_its_end_and_nothing_came_for_30_s() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    assert not reducing.progress().idle
    reducing.pass_time(28)  # each progress is a second after the last
    assert not reducing.progress().idle
    assert reducing.progress().idle
    reducing.send("p", 1, [event()])
    assert not reducing.progress().idle


def test_a_partition_that_lags_is_never_idle() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    reducing.progress()
    reducing.pass_time(1_000)
    assert not reducing.progress(reducing.tick(end=2)).idle
    assert not reducing.progress(Tick(0, {})).idle, "its end could not be read"
    assert reducing.progress(reducing.tick(end=1)).idle


def test_a_partition_that_never_held_a_record_is_idle_at_once() -> None:
    assert Reducing().progress() == Progress(0, 0, 0, 0, idle=True)


def test_a_takeover_begins_the_30_s_anew() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    reducing.progress()
    reducing.pass_time(60)
    reducing.cut()
    reducing.crash()
    assert not reducing.progress().idle
    reducing.pass_time(30)
    assert reducing.progress().idle


# The watermark.


def watermark_s(reducing: Reducing) -> float:
    """Behind the beginning of the test."""
    return (reducing.progress().watermark_us - EPOCH_US) / SECOND


def test_backfill_moves_no_watermark() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()], backfill=True)
    reducing.send("p", 1, [], backfill=True)
    assert reducing.progress().watermark_us == 0


def test_a_heartbeat_with_nothing_queued_moves_the_watermark_and_one_with_a_queue_does_not() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    reducing.pass_time(20)
    reducing.send("p", 1, [], queue_depth=1)
    assert watermark_s(reducing) == -2
    reducing.send("p", 1, [], queue_depth=0)
    assert watermark_s(reducing) == 21 - 1 - 2


def test_neither_duplicates_nor_refused_events_move_the_watermark() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    before = reducing.progress().watermark_us
    reducing.pass_time(20)
    reducing.send("p", 0, [event()])
    refused = event(EPOCH_US + 9 * SECOND)
    refused.duration_us = -1
    reducing.send("p", 1, [refused])
    assert reducing.progress().watermark_us == before


def test_a_host_that_is_three_days_ahead_moves_it_to_the_broker_s_time_at_most() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event(EPOCH_US + 3 * 86_400 * SECOND)])
    assert watermark_s(reducing) == -2


def test_the_watermark_survives_a_crash() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()], flush_ms=5_000)
    before = reducing.progress().watermark_us
    reducing.cut()
    reducing.crash()
    assert reducing.progress().watermark_us == before
    reducing.send("p", 1, [event(EPOCH_US + SECOND)])
    assert reducing.progress().watermark_us == before + SECOND, "the slow producer is remembered"


# Crashes, new logs, expiry.

blocks = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 12), st.lists(hot_events(), max_size=4)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(blocks, st.integers(0, 8))
def test_what_is_said_again_after_a_crash_is_the_same_to_the_byte(
    sent: list[tuple[int, int, list[Event]]], checkpoint_after: int
) -> None:
    reducing = Reducing(merge_partitions=2)
    said: dict[tuple[int, int], bytes] = {}
    for number, (producer, seq, events) in enumerate(sent):
        reducing.pass_time(1)
        reducing.send(f"p{producer}", seq, [msgspec.convert(msgspec.to_builtins(e), Event) for e in events])
        said |= encoded_entries(reducing)
        if number == checkpoint_after:
            reducing.cut()
    reducing.crash()
    again = encoded_entries(reducing)
    assert again == {tag: entry for tag, entry in said.items() if tag in again}
    covered = reducing.stage.next(0)
    assert covered == len(sent)
    replayed_from = checkpoint_after + 1 if checkpoint_after < len(sent) else 0
    assert set(again) == {tag for tag in said if tag[1] >= replayed_from}


def encoded_entries(reducing: Reducing) -> dict[tuple[int, int], bytes]:
    return {
        (number, entry.offset): msgspec.msgpack.encode(entry)
        for number, partials in reducing.partials()
        for entry in partials.entries
    }


def test_a_record_below_the_position_is_ignored() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    reducing.entries()
    reducing.stage.apply(reducing.log[0])
    assert reducing.entries() == []


def test_offsets_may_have_gaps() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    record = reducing.log[0]
    reducing.stage.apply(Record(0, 40, record.timestamp_us, None, record.value, record.headers))
    assert reducing.stage.next(0) == 41


def test_entries_of_a_new_log_come_after_all_of_the_old_one() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    (before,) = reducing.entries()
    reducing.stage.restart(0)
    reducing.log.clear()
    reducing.send("p", 1, [event()])
    (after,) = reducing.entries()
    assert (before.incarnation, before.offset) < (after.incarnation, after.offset) == (1, 0)


def test_records_that_expired_unread_show_as_missing_events() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    reducing.stage.skip(0, 5)
    assert reducing.stage.next(0) == 5
    reducing.log += [reducing.log[0]] * 4
    reducing.send("p", 40, [event()])
    reducing.cut(last=True)
    assert reducing.account("p").missing == 39
    reducing.crash()
    assert reducing.stage.next(0) == 6


def test_the_position_stands_on_the_record_applied_last() -> None:
    reducing = Reducing()
    reducing.send("p", 0, [event()])
    reducing.cut()
    stage = ReduceStage(events_partitions=1, merge_partitions=1)
    position = stage.load(0, reducing.state)
    assert position.next == 1
    assert position.fingerprint is not None
    assert (position.fingerprint.offset, position.fingerprint.timestamp_us) == (0, EPOCH_US)


def test_a_checkpoint_is_written_when_there_is_something_to_keep() -> None:
    reducing = Reducing()
    assert reducing.cut() is None
    reducing.send("p", 0, [event()])
    assert reducing.cut() is not None
    assert reducing.cut() is None
    reducing.send("p", 0, [event()])
    assert reducing.cut() is not None, "a duplicate is booked"


# Prices.


def test_a_table_holds_for_records_60_s_after_it_and_a_replay_prices_alike() -> None:
    reducing = Reducing()
    table = PriceTable(overrides=[PriceOverride(model="ours", input=10**9, output=10**9)])
    rule = Record(0, 0, EPOCH_US, PRICES_KEY.encode(), msgspec.json.encode(table))
    reducing.cut()
    reducing.stage.rule(rule)
    for seq, seconds in enumerate((0, 59, 1)):
        reducing.pass_time(seconds)
        reducing.send("p", seq, [call(EPOCH_US)])
    assert reducing.now_us == EPOCH_US + EFFECTIVE_AFTER_US
    said = encoded_entries(reducing)
    totals = [msgspec.msgpack.decode(value, type=Entry).groups[0].aggregate for value in said.values()]
    costs = [(total.cost_nanousd, total.flags) for total in totals]
    assert costs == [(0, {"unpriced": 1}), (0, {"unpriced": 1}), (11_000, {})]
    # A worker that takes over has read `.rules` to its end before it reads old records again.
    reducing.stage = ReduceStage(events_partitions=1, merge_partitions=1)
    reducing.stage.load(0, reducing.state)
    reducing.stage.rule(rule)
    for record in reducing.log:
        reducing.stage.apply(record)
    assert encoded_entries(reducing) == said


def test_a_table_that_does_not_decode_changes_nothing() -> None:
    reducing = Reducing()
    for key, value in [
        (PRICES_KEY.encode(), b"{"),
        (PRICES_KEY.encode(), b'{"overrides":[{"model":"m"}]}'),
        (PRICES_KEY.encode(), b'{"service_tiers":{"batch":"half"}}'),
        (PRICES_KEY.encode(), b'{"service_tiers":{"":1e300}}'),
        (PRICES_KEY.encode(), b'{"service_tiers":{"":-1}}'),
        (PRICES_KEY.encode(), b'{"overrides":[{"model":"*","input":-1,"output":1}]}'),
        (PRICES_KEY.encode(), b'{"overrides":[{"model":"*","input":1,"output":1' + b"0" * 30 + b"}]}"),
        (PRICES_KEY.encode(), b'{"comment":"\xff","overrides":[{"model":"*","input":0,"output":0}]}'),
        (PRICES_KEY.encode(), b"[" * 100_000),
        (PRICES_KEY.encode(), None),
        (b"budget", b"{}"),
        (None, b"{}"),
    ]:
        reducing.stage.rule(Record(0, 0, 0, key, value))
    reducing.send("p", 0, [event(operation="chat", model="gpt-4o", provider="openai", input_tokens=10)])
    (entry,) = reducing.entries()
    assert all(group.aggregate.cost_nanousd > 0 for group in entry.groups)


def test_a_resource_counts_for_what_its_events_do_not_say() -> None:
    reducing = Reducing()
    reducing.send(
        "p", 0, [event(agent=None), event(agent="b", user="u")], resource=Resource(agent="r", user="w")
    )
    keys = {group.key for entry in reducing.entries() for group in entry.groups}
    assert '["tool","default","r","t"]' in keys
    assert '["tool","default","b","t"]' in keys
    assert {key for key in keys if '"user"' in key} == {'["user","default","u"]', '["user","default","w"]'}
