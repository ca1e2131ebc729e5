"""Event time of a source: the highest seen, minus what normal producers may be late."""

from hypothesis import given
from hypothesis import strategies as st

from agentgauge_processors.reduce.watermark import MAX_DELAY_US, MIN_DELAY_US, Watermark

T0 = 1_795_000_000_000_000
SECOND = 1_000_000


def test_nothing_is_known_before_the_first_event() -> None:
    assert Watermark().value_us == 0


def delay_s(*flushes_ms: int) -> float:
    watermark = Watermark()
    for flush_ms in flushes_ms:
        watermark.advance(T0, flush_ms, T0)
    return (T0 - watermark.value_us) / SECOND


def test_the_delay_is_the_flush_interval_and_a_second_within_2_to_10_s() -> None:
    assert [delay_s(flush_ms) for flush_ms in (0, 500, 1_000, 1_500, 5_000, 9_000, 30_000)] == [
        2, 2, 2, 2.5, 6, 10, 10,
    ]  # fmt: skip


def test_the_slowest_active_producer_decides() -> None:
    watermark = Watermark()
    watermark.advance(T0, 5_000, T0)
    watermark.advance(T0 + 30 * SECOND, 500, T0 + 30 * SECOND)
    assert watermark.value_us == T0 + 24 * SECOND


def test_a_producer_that_was_not_seen_for_a_minute_decides_nothing() -> None:
    watermark = Watermark()
    watermark.advance(T0, 5_000, T0)
    watermark.advance(T0 + 61 * SECOND, 500, T0 + 61 * SECOND)
    assert watermark.value_us == T0 + 59 * SECOND


def test_it_never_falls() -> None:
    watermark = Watermark()
    watermark.advance(T0, 500, T0)
    before = watermark.value_us
    watermark.advance(T0 - 500 * SECOND, 500, T0 + SECOND)
    assert watermark.value_us == before
    watermark.advance(T0 + SECOND, 9_000, T0 + SECOND)
    assert watermark.value_us == before


def test_no_event_is_later_than_the_broker_says() -> None:
    watermark = Watermark()
    watermark.advance(T0 + 3 * 86_400 * SECOND, 1_000, T0)
    assert watermark.value_us == T0 - 2 * SECOND


def test_a_producer_that_has_nothing_says_how_late_it_is() -> None:
    watermark = Watermark()
    watermark.advance(0, 1_000, T0)
    assert watermark.value_us == T0 - 3 * SECOND


moves = st.tuples(st.integers(-50, 50), st.sampled_from((0, 500, 1_000, 5_000, 60_000)), st.integers(0, 30))


@given(st.lists(moves, max_size=40))
def test_it_only_rises_and_stays_behind_the_broker(steps: list[tuple[int, int, int]]) -> None:
    watermark, now, highest = Watermark(), T0, 0
    for age_s, flush_ms, passed_s in steps:
        now += passed_s * SECOND
        highest = max(highest, min(now - age_s * SECOND, now))
        before = watermark.value_us
        watermark.advance(now - age_s * SECOND, flush_ms, now)
        assert before <= watermark.value_us
        assert watermark.value_us <= highest - MIN_DELAY_US
        assert watermark.value_us >= before
        assert highest - MAX_DELAY_US <= watermark.value_us
