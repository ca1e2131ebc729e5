"""A source that stopped reporting holds the watermark; it must not hold the memory for ever."""

from tests.support.merging import Merging

from agentgauge_processors.merge.groups import MAX_OPEN_S


def test_windows_six_hours_behind_the_latest_event_close_and_stay_exact() -> None:
    r"""
    source 0   0   10   20                    6 h   6 h 10
               |x---|x---|-------- ... --------|x----|
    source 1   W (held at 5 s)                       the panes at 0 and at 10 s close all the same
                 x  x                                its own events come: a part, and a part
    """
    merging = Merging(sources=2)
    merging.watermark(5, source=1)
    merging.event(3)
    merging.event(12)
    merging.watermark(15)
    merging.cut()
    assert merging.published() == []
    merging.event(MAX_OPEN_S + 15)
    merging.cut()
    assert merging.published() == [(0, 0, 1, False), (10, 0, 1, False)]

    merging.crash()
    merging.event(4, source=1, count=5)
    merging.event(13, source=1, count=7)
    merging.watermark(MAX_OPEN_S + 30)
    merging.watermark(MAX_OPEN_S + 30, source=1)
    merging.cut(last=True)
    assert (merging.value(0), merging.value(10)) == (6, 8)
    assert merging.value(0, 60) == 14
    assert merging.total().total.count == 15


def test_old_events_alone_close_nothing_early() -> None:
    merging = Merging(sources=2)
    merging.event(MAX_OPEN_S * 2, backfill=True)
    merging.event(3)
    merging.cut()
    assert merging.published() == [(MAX_OPEN_S * 2, 0, 1, True)]
