"""The one histogram: its buckets, its quantiles, and the boundaries that the conventions advise."""

import math
import random
from bisect import bisect_left
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge_processors.pricing import PriceBook
from agentgauge_processors.reduce.measure import measure
from agentgauge_schemas.event import HotEvent
from agentgauge_schemas.histogram import (
    DURATION_BOUNDARIES_S,
    DURATION_UNIT_US,
    ZERO,
    add,
    at_most,
    bucket,
    quantile,
    upper,
)

LONGEST_US = 1 << 53
durations = st.one_of(st.integers(0, LONGEST_US), st.integers(0, 200_000_000), st.integers(0, 3_000))
QUANTILES = [Fraction(text) for text in ("0.07", "0.1", "0.5", "0.55", "0.9", "0.95", "0.99", "1")]


def histogram(values: list[int], unit: int = DURATION_UNIT_US) -> dict[int, int]:
    buckets: dict[int, int] = {}
    for value in values:
        number = bucket(value, unit)
        buckets[number] = buckets.get(number, 0) + 1
    return buckets


@given(durations, st.sampled_from((1, DURATION_UNIT_US)))
def test_a_value_lies_within_its_bucket(value: int, unit: int) -> None:
    number = bucket(value, unit)
    if value == 0:
        assert number == ZERO
    else:
        assert upper(number - 1) < value / unit <= upper(number)


def test_zero_has_a_bucket_below_all_others() -> None:
    assert bucket(0) == ZERO < bucket(1) < bucket(2)
    assert upper(ZERO) == 0.0
    assert quantile({ZERO: 3}, 0.5) == 0.0


def test_powers_of_two_end_a_bucket_exactly() -> None:
    for power in range(53):
        assert bucket(1 << power, 1) == 32 * power - 1
        assert bucket((1 << power) + 1, 1) > 32 * power - 1 or power == 52


def buckets_by_measure(values: list[int]) -> list[int]:
    events = [HotEvent(kind="span", time_us=0, duration_us=value) for value in values]
    return [next(iter(measure([event], PriceBook(), 0).duration_buckets)) for event in events]


def test_the_table_of_reduce_knows_the_same_buckets_as_the_logarithm() -> None:
    borders = {math.floor(upper(number) * DURATION_UNIT_US) for number in range(-427, 1_280)}
    values = {border + step for border in borders for step in (-1, 0, 1)}
    rng = random.Random(7)
    values |= {int(2 ** rng.uniform(0, 53)) for _ in range(5_000)} | set(range(2_000)) | {LONGEST_US}
    checked = sorted(value for value in values if 0 <= value <= LONGEST_US)
    assert buckets_by_measure(checked) == [bucket(value) for value in checked]


@given(st.lists(durations, min_size=1, max_size=200), st.sampled_from(QUANTILES))
def test_a_quantile_is_within_1_1_percent_of_the_exact_one(values: list[int], q: Fraction) -> None:
    exact = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
    found = quantile(histogram(values), float(q))
    assert found is not None
    assert abs(found - exact) <= 0.011 * exact


@pytest.mark.parametrize("q", QUANTILES)
def test_the_rank_of_a_quantile_is_not_moved_by_binary_fractions(q: Fraction) -> None:
    """0.07 * 100 is 7.000000000000001 in floating point: still the seventh."""
    for count in range(1, 400):
        buckets = dict.fromkeys(range(count), 1)
        exact = max(1, math.ceil(q * count)) - 1
        found = quantile(buckets, float(q))
        assert found is not None
        assert bucket(round(found)) == exact, (q, count)


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None


@given(st.lists(durations, max_size=100))
def test_the_advised_boundaries_count_exactly(values: list[int]) -> None:
    found = at_most(histogram(values), (boundary * 100 for boundary in DURATION_BOUNDARIES_S))
    ordered = sorted(values)
    exact = [bisect_left(ordered, round(boundary * 1_000_000) + 1) for boundary in DURATION_BOUNDARIES_S]
    assert found == exact


@given(st.lists(st.integers(0, 5_000_000), max_size=100))
def test_token_boundaries_count_exactly(values: list[int]) -> None:
    boundaries = [4**power for power in range(12)]
    exact = [sum(value <= boundary for value in values) for boundary in boundaries]
    assert at_most(histogram(values, 1), boundaries) == exact


@given(st.lists(durations, max_size=50), st.lists(durations, max_size=50))
def test_adding_histograms_is_putting_their_values_together(one: list[int], two: list[int]) -> None:
    into, other = histogram(one), histogram(two)
    add(into, other)
    assert into == histogram(one + two)
    assert other == histogram(two)
    into[0] = 99
    assert other == histogram(two), "the sum shares nothing with what was added"
