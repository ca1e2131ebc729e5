"""Windows of event time: open, closed, revised, left. `W` is the watermark, `x` an event.

A pane (10 s) stays in memory for 60 s after its end; what belongs to it later is a part of its own.
"""

import msgspec
from tests.support.merging import EPOCH_S, EPOCH_US, KEY, Merging
from tests.support.simulation import Simulation, block

from agentgauge_processors.merge.windows import retention_s, windows_of
from agentgauge_schemas import Event, PaneAggregate, Topic, Window
from agentgauge_schemas.aggregate import PackedAggregate
from agentgauge_schemas.partials import Entry
from agentgauge_schemas.results import WINDOW_SIZES_S


def test_a_window_is_published_when_the_watermark_reaches_its_end() -> None:
    r"""
    0         10        20
    |--x---x--|-x-------|
             W          not yet
              W         the first pane closes with both of its events
                        W
    """
    merging = Merging()
    for at_s in (2, 6, 12):
        merging.event(at_s)
    merging.watermark(9.999)
    merging.cut()
    assert merging.published() == []
    merging.watermark(10)
    merging.cut()
    assert merging.published() == [(0, 0, 2, False)]
    merging.watermark(20)
    merging.cut()
    assert merging.published() == [(0, 0, 2, False), (10, 0, 1, False)]


def test_an_event_at_a_border_counts_in_the_window_that_begins_there() -> None:
    r"""
    0         10        20
    |--------x|x--------|
           9.999 10
    """
    merging = Merging()
    merging.event(9.999)
    merging.event(10)
    merging.watermark(20)
    merging.cut()
    assert merging.published() == [(0, 0, 1, False), (10, 0, 1, False)]


def test_larger_windows_hold_the_panes_in_them() -> None:
    r"""
    0    10   20   30   40   50   60   70
    |x---|----|-xx-|----|----|---x|x---|     10 s
    |------------ 4 --------------|- 1 ...   1 m
    |------------ 5 -------------------...   5 m, 1 h
                                  W  the minute is closed, the others are open
    """
    merging = Merging()
    for at_s in (0, 22, 23, 59, 60):
        merging.event(at_s)
    merging.watermark(60)
    merging.cut()
    assert merging.published(60) == [(0, 0, 4, False)]
    assert merging.published(300) == merging.published(3_600) == []
    merging.watermark(300)
    merging.cut()
    assert merging.published(60)[1:] == [(60, 0, 1, False)]
    assert merging.published(300) == [(0, 0, 5, False)]
    merging.watermark(3_600)
    merging.cut()
    assert merging.published(3_600) == [(0, 0, 5, False)]


def test_a_day_ends_at_midnight_utc() -> None:
    merging = Merging()
    merging.event(0)
    midnight_s = 86_400 - EPOCH_S % 86_400
    merging.watermark(midnight_s - 0.001)
    merging.cut()
    assert merging.published(86_400) == []
    merging.watermark(midnight_s)
    merging.cut()
    assert merging.published(86_400) == [(midnight_s - 86_400, 0, 1, False)]


def test_late_data_revises_a_closed_window_under_a_higher_version() -> None:
    r"""
    0         10        20  ...       70
    |--x--:x--|---------|--           |
              W  published: 1         the pane leaves memory at 70
                        W  then x     published again: 2, revision 1
    """
    merging = Merging()
    merging.event(3)
    merging.watermark(20)
    merging.cut()
    merging.event(6)
    merging.cut()
    assert merging.published() == [(0, 0, 1, False), (0, 1, 2, False)]
    first, second = merging.windows()
    assert second.version > first.version
    assert merging.value(0) == 2
    assert "late" not in merging.total().total.flags


def test_one_revision_of_everything_that_came_between_two_checkpoints() -> None:
    merging = Merging()
    merging.event(3)
    merging.watermark(60)
    merging.cut()
    for _ in range(5):
        merging.event(6)
    merging.cut()
    assert merging.published() == [(0, 0, 1, False), (0, 1, 6, False)]
    assert merging.published(60) == [(0, 0, 1, False), (0, 1, 6, False)]


def test_what_comes_after_its_window_left_memory_is_a_part() -> None:
    r"""
    0         10                     70
    |--x--:x--|----------- ... ------|
              W  published: 1
                                     W  left; then x: a part of 1
    |------------ 1 m: still in memory, revised ----
    """
    merging = Merging()
    merging.event(3)
    merging.watermark(70)
    merging.cut()
    merging.event(6)
    merging.cut()
    assert merging.published() == [(0, 0, 1, False), (0, 0, 1, True)]
    assert merging.published(60) == [(0, 0, 1, False), (0, 1, 2, False)]
    assert (merging.value(0), merging.value(0, 60)) == (2, 2)
    merging.event(6, count=5)
    merging.cut()
    assert merging.value(0) == 7, "a second part beside the first"


def test_a_pane_that_begins_late_but_within_its_time_is_a_window_of_its_own() -> None:
    r"""
    0         10                     70
    |----:x---|----------- ... -----|
                                   W   69: just in time
    """
    merging = Merging()
    merging.watermark(69)
    merging.event(5)
    merging.cut()
    assert merging.published() == [(0, 0, 1, False)]


def test_late_is_what_comes_after_the_allowed_lateness() -> None:
    r"""
    0         10   ...    3600      3610
    |--------:|                     |
                          W  x      in memory no more, but allowed
                                    W  x   late
    """
    merging = Merging()
    merging.event(0)
    merging.watermark(3_609)
    merging.event(5)
    merging.cut(last=True)
    assert "late" not in merging.total().total.flags
    merging.watermark(3_610)
    merging.event(5, count=3)
    merging.event(5, aggregate=PackedAggregate(kinds={"log": 2}))
    merging.cut(last=True)
    assert merging.total().total.flags == {"late": 5}
    assert merging.total().total.count == 5
    assert merging.value(0) == 5


def test_without_any_allowed_lateness_windows_leave_as_they_close() -> None:
    merging = Merging(allowed_lateness_s=0)
    merging.event(3)
    merging.event(55)
    merging.watermark(61)
    merging.cut()
    merging.event(4)
    merging.cut(last=True)
    assert merging.value(0) == 2
    assert merging.value(0, 60) == 3
    assert merging.total().total.count == 3


def test_a_watermark_that_jumps_far_leaves_nothing_out() -> None:
    r"""
    0   10            60           300              3600
    |x--|-x ...       |            |                |
                                                          ... W  ten days later
    """
    merging = Merging()
    merging.event(3)
    merging.event(14)
    merging.watermark(10 * 86_400)
    merging.cut(last=True)
    assert merging.value(0) == merging.value(10) == 1
    day_s = -(EPOCH_S % 86_400)
    assert [merging.value(0, size) for size in (60, 300, 3_600)] == [2, 2, 2]
    assert merging.value(day_s, 86_400) == 2
    assert merging.total().total.count == 2


def test_backfill_is_parts_beside_the_windows_of_what_is_live() -> None:
    r"""
    0         10
    |--x--b---|    x live, b backfill: one window of 1 and a part of 1, of every size
    """
    merging = Merging()
    merging.event(3)
    merging.event(6, backfill=True)
    merging.cut()
    assert merging.published() == [(0, 0, 1, True)]
    merging.watermark(20)
    merging.cut(last=True)
    assert merging.published() == [(0, 0, 1, True), (0, 0, 1, False)]
    day_s = -(EPOCH_S % 86_400)
    assert [size for size in WINDOW_SIZES_S if merging.published(size)[0][2:] == (1, True)] == list(
        WINDOW_SIZES_S
    )
    assert merging.value(day_s, 86_400) == 1
    assert merging.total().total.count == 2
    assert "late" not in merging.total().total.flags


def test_data_of_1970_counts_in_windows_of_1970() -> None:
    merging = Merging()
    merging.watermark(0)
    merging.event(7 - EPOCH_S)
    merging.event(8 - EPOCH_S, backfill=True)
    merging.cut(last=True)
    for size_s in WINDOW_SIZES_S:
        assert merging.value(-EPOCH_S, size_s) == 2
    assert merging.total().total.count == 2
    assert merging.total().total.flags == {"late": 1}


def test_a_group_of_several_panes_in_one_entry() -> None:
    merging = Merging()
    panes = [PaneAggregate(KEY, EPOCH_S // 10 + number, PackedAggregate(count=1)) for number in range(4)]
    merging.entry(Entry(0, 0, 0, False, panes))
    merging.watermark(60)
    merging.cut(last=True)
    assert [merging.value(start) for start in (0, 10, 20, 30)] == [1, 1, 1, 1]
    assert merging.value(0, 60) == 4


def test_totals_hold_open_panes_at_once() -> None:
    merging = Merging()
    merging.event(3)
    merging.event(14, count=2)
    merging.cut()
    assert merging.total().total.count == 3
    merging.watermark(10)
    merging.cut(last=True)
    assert merging.total().total.count == 3


def test_the_last_closed_minute_and_five_are_told_with_the_totals() -> None:
    merging = Merging()
    for at_s in (3, 14, 70):
        merging.event(
            at_s, aggregate=PackedAggregate(count=1, errors={"e": 1}, cost_nanousd=5, duration_buckets={0: 1})
        )
    merging.watermark(60)
    merging.cut(last=True)
    assert set(merging.total().windows) == {"1m"}
    minute = merging.total().windows["1m"]
    assert (minute.start_us, minute.count, minute.errors, minute.cost_nanousd) == (EPOCH_US, 2, 2, 10)
    assert minute.p50_us is not None
    merging.watermark(300)
    merging.cut(last=True)
    assert merging.total().windows["1m"].start_us == EPOCH_US + 60_000_000
    assert merging.total().windows["5m"].count == 3
    merging.event(20)  # a revision of an older minute does not replace the newer one
    merging.cut(last=True)
    assert merging.total().windows["1m"].start_us == EPOCH_US + 60_000_000
    assert merging.total().windows["5m"].count == 4


def test_every_window_holds_whole_panes() -> None:
    for size_s, start_s in windows_of(EPOCH_S + 3_590):
        assert start_s % size_s == 0
        assert start_s <= EPOCH_S + 3_590 <= start_s + size_s - 10


def test_a_window_stays_six_times_its_size_but_not_longer_than_late_data_is_allowed() -> None:
    assert [retention_s(size, 3_600) for size in WINDOW_SIZES_S] == [60, 360, 1_800, 3_600, 3_600]
    assert [retention_s(size, 30) for size in WINDOW_SIZES_S] == [30] * 5


def test_a_host_three_days_ahead_closes_nobody_s_windows() -> None:
    """Reduce moves such events to the broker's time, and the watermark no further than that."""
    simulation = Simulation(sources=1, merges=1)

    def event(agent: str, *, ahead_s: int = 0) -> Event:
        time_us = simulation.now_us + ahead_s * 1_000_000
        return Event(kind="span", operation="execute_tool", tool="t", agent=agent, time_us=time_us)

    simulation.send(0, block("ahead", 0, [event("a", ahead_s=3 * 86_400)]))
    simulation.drain()
    for seq in range(1_000):
        simulation.pass_time(0.1)
        simulation.send(0, block("normal", seq, [event("n")]))
    simulation.drain()
    totals = simulation.totals("tool")
    assert totals["default", "n", "t"].count == 1_000
    assert totals["default", "n", "t"].flags == {}
    assert totals["default", "a", "t"].flags == {"future": 1}
    published = [msgspec.json.decode(m.value or b"", type=Window) for m in simulation.messages(Topic.WINDOWS)]
    assert {window.part for window in published} == {0}
    began_s = published[0].start_us // 1_000_000
    assert simulation.windows(10)['["tool","default","a","t"]', began_s].count == 1
