"""The watermark of a merge partition: the least of its sources', without any clock."""

from hypothesis import given
from hypothesis import strategies as st
from tests.support.merging import EPOCH_US, Merging

from agentgauge_processors.merge.clock import ALL_IDLE_DELAY_US, Clock
from agentgauge_schemas import Progress

SECOND = 1_000_000


def said(
    source: int, next_: int, watermark_s: float, *, idle: bool = False, incarnation: int = 0
) -> Progress:
    return Progress(source, incarnation, next_, EPOCH_US + int(watermark_s * SECOND), idle)


class Told:
    """A clock of two sources, and what it says in seconds; None before it says anything."""

    def __init__(self, sources: int = 2) -> None:
        self.clock = Clock()
        self.sources = sources

    def __call__(self, *items: Progress, broker_s: float = 1_000) -> float | None:
        self.clock.update(self.sources, list(items), EPOCH_US + int(broker_s * SECOND))
        watermark = self.clock.watermark_us
        return (watermark - EPOCH_US) / SECOND if watermark else None


def test_the_slowest_source_decides() -> None:
    told = Told()
    assert told(said(0, 1, 50), said(1, 1, 20)) == 20
    assert told(said(1, 2, 45)) == 45
    assert told(said(1, 3, 70)) == 50


def test_a_source_that_never_reported_holds_the_watermark() -> None:
    told = Told()
    assert told(said(0, 1, 50)) is None
    assert told(said(0, 9, 900)) is None
    assert told(said(1, 1, 20)) == 20


def test_a_source_that_stops_reporting_holds_the_watermark() -> None:
    told = Told()
    told(said(0, 1, 50), said(1, 1, 20))
    assert told(said(0, 9, 900), broker_s=9_000) == 20


def test_a_source_without_any_event_yet_holds_the_watermark() -> None:
    told = Told()
    assert told(said(0, 1, 50), Progress(1, 0, 1, 0, idle=False)) is None


def test_an_idle_source_holds_nothing() -> None:
    told = Told()
    assert told(said(0, 1, 50), said(1, 0, 0, idle=True)) == 50


def test_when_all_are_idle_event_time_follows_the_broker() -> None:
    told = Told()
    behind_s = ALL_IDLE_DELAY_US / SECOND
    assert told(said(0, 1, 50, idle=True), said(1, 1, 20, idle=True), broker_s=1_000) == 1_000 - behind_s
    assert told(said(0, 1, 50, idle=True), broker_s=2_000) == 2_000 - behind_s


def test_it_never_falls_when_an_idle_source_wakes() -> None:
    told = Told()
    told(said(0, 1, 50, idle=True), said(1, 1, 20, idle=True), broker_s=1_000)
    assert told(said(1, 2, 500)) == 960
    assert told(said(1, 3, 990), broker_s=1_010) == 990


def test_what_a_worker_says_that_lost_its_partition_is_ignored() -> None:
    told = Told(sources=1)
    assert told(said(0, 10, 50)) == 50
    assert told(said(0, 9, 500)) == 50
    assert told(said(0, 9, 0, idle=True), broker_s=5_000) == 50
    assert told(said(0, 10, 60)) == 60


def test_a_source_s_watermark_never_falls() -> None:
    told = Told()
    told(said(0, 1, 50), said(1, 1, 20))
    told(said(1, 2, 10))
    assert told(said(0, 2, 60), said(1, 3, 25)) == 25


def test_a_new_log_begins_at_0_and_is_no_old_news() -> None:
    told = Told(sources=1)
    assert told(said(0, 1_000, 50)) == 50
    assert told(said(0, 3, 70, incarnation=1)) == 70
    assert told(said(0, 2_000, 90)) == 70


def test_a_topic_that_grew_waits_for_its_new_partitions() -> None:
    told = Told(sources=1)
    assert told(said(0, 1, 50)) == 50
    told.sources = 2
    assert told(said(0, 2, 80)) == 50
    told.sources = 1  # a worker that has not seen it yet
    assert told(said(0, 3, 90)) == 50
    assert told(said(1, 1, 85)) == 85


items = st.builds(
    Progress,
    st.integers(0, 2),
    st.integers(0, 1),
    st.integers(0, 5),
    st.integers(0, 50).map(lambda seconds: seconds * SECOND),
    st.booleans(),
)


@given(st.lists(st.tuples(st.lists(items, max_size=3), st.integers(0, 5)), max_size=30))
def test_it_only_rises(records: list[tuple[list[Progress], int]]) -> None:
    clock, broker_us = Clock(), 0
    for progress, passed_s in records:
        broker_us += passed_s * SECOND
        before = clock.watermark_us
        clock.update(3, progress, broker_us)
        assert clock.watermark_us >= before
        assert clock.watermark_us <= max(broker_us, 50 * SECOND)


def test_windows_of_a_partition_wait_for_all_sources() -> None:
    r"""
    0         10        20
    |-x-------|---------|     source 0: W at 20, then idle
    |---x-----|---------|     source 1: nothing said, W at 5, W at 12
    """
    merging = Merging(sources=2)
    merging.event(1, source=0)
    merging.event(3, source=1)
    merging.watermark(20, source=0)
    merging.cut()
    assert merging.published() == []
    merging.watermark(5, source=1)
    merging.cut()
    assert merging.published() == []
    merging.watermark(12, source=1)
    merging.cut()
    assert merging.published() == [(0, 0, 2, False)]


def test_the_watermark_survives_a_crash() -> None:
    merging = Merging()
    merging.event(3)
    merging.watermark(15)
    merging.cut()
    merging.crash()
    merging.event(4)
    merging.cut()
    assert merging.published() == [(0, 0, 1, False), (0, 1, 2, False)]
