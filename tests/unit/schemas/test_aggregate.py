"""Aggregates add up in any order and grouping, and share nothing."""

import copy
from functools import reduce

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.naive import aggregate_of
from tests.support.strategies import T0, hot_events

from agentgauge_processors.pricing import PriceBook
from agentgauge_schemas.aggregate import COUNTED, HISTOGRAMS, MAXIMA, SUMMED, Aggregate
from agentgauge_schemas.event import HotEvent

PRICES = PriceBook()
Fields = dict[str, object]


def of(events: list[HotEvent]) -> Aggregate:
    """Summed without any addition of aggregates."""
    return aggregate_of(events, PRICES, T0)


def plus(one: Aggregate, two: Aggregate) -> Aggregate:
    result = Aggregate()
    result.add(one)
    result.add(two)
    return result


events = st.lists(hot_events(), max_size=5)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(events, events, events)
def test_addition_is_associative_and_commutative(
    one: list[HotEvent], two: list[HotEvent], three: list[HotEvent]
) -> None:
    a, b, c = of(one), of(two), of(three)
    assert plus(plus(a, b), c) == plus(a, plus(b, c)) == plus(plus(c, a), b)
    assert plus(a, b) == plus(b, a)


@quick
@given(events)
def test_an_empty_aggregate_adds_nothing(some: list[HotEvent]) -> None:
    assert plus(of(some), Aggregate()) == plus(Aggregate(), of(some)) == of(some)


@quick
@given(st.lists(events, max_size=5))
def test_the_sum_of_parts_is_the_aggregate_of_all(parts: list[list[HotEvent]]) -> None:
    whole = of([event for part in parts for event in part])
    assert reduce(plus, map(of, parts), Aggregate()) == whole


@quick
@given(events, events)
def test_every_field_adds_up_by_the_rule_of_its_kind(one: list[HotEvent], two: list[HotEvent]) -> None:
    a, b = of(one), of(two)
    total = plus(a, b)
    for name in SUMMED:
        assert getattr(total, name) == getattr(a, name) + getattr(b, name), name
    for name in MAXIMA:
        assert getattr(total, name) == max(getattr(a, name), getattr(b, name)), name
    for name in COUNTED + HISTOGRAMS:
        left, right = getattr(a, name), getattr(b, name)
        assert getattr(total, name) == {
            key: left.get(key, 0) + right.get(key, 0) for key in left.keys() | right.keys()
        }, name


def test_every_field_has_a_kind() -> None:
    names = {field.name for field in msgspec.structs.fields(Aggregate)}
    assert names == set(SUMMED + COUNTED + HISTOGRAMS + MAXIMA)


@quick
@given(events, events)
def test_adding_changes_nothing_but_the_sum(one: list[HotEvent], two: list[HotEvent]) -> None:
    total, other = of(one), of(two)
    before = copy.deepcopy(other)
    total.add(other)
    assert other == before
    total.add(of(one))
    for counts in (total.errors, total.flags, total.kinds):
        counts["something else"] = 1
    total.duration_buckets[1] = total.ttft_buckets[1] = 10**6
    assert other == before


def test_a_price_per_request_counts_without_any_token() -> None:
    call = HotEvent(kind="span", operation="chat", provider="perplexity", model="sonar", time_us=T0)
    total = of([call, call])
    assert total.cost_nanousd == sum(total.cost_by_class().values()) > 0


@quick
@given(events)
def test_the_classes_of_a_cost_come_within_two_nano_dollars_an_event(some: list[HotEvent]) -> None:
    total = of(some)
    assert abs(sum(total.cost_by_class().values()) - total.cost_nanousd) <= 2 * len(some)


@quick
@given(events)
def test_errors_are_counted_over_all_types(some: list[HotEvent]) -> None:
    failed = [event for event in some if event.kind == "span" and event.status == "error"]
    assert of(some).error_count == len(failed)
