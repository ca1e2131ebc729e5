"""Sums of whole sets, by short cuts, are the sums of single events."""

import copy

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.naive import aggregate_of, groups_of, values
from tests.support.strategies import MODELS, T0, hot_events

from agentgauge_processors.pricing import PriceBook
from agentgauge_processors.reduce.grouping import group_events
from agentgauge_processors.reduce.measure import measure
from agentgauge_schemas.block import Resource
from agentgauge_schemas.event import HotEvent
from agentgauge_schemas.group import parse_key

PRICES = PriceBook()
slow_draws = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
blocks = st.lists(hot_events(), max_size=25)


@st.composite
def alike(draw: st.DrawFn) -> list[HotEvent]:
    """Events of one kind, operation and model: what `measure` is given."""
    events = draw(st.lists(hot_events(models=(draw(st.sampled_from(MODELS)),)), min_size=1, max_size=12))
    for event in events:
        event.kind, event.operation = events[0].kind, events[0].operation
    return events


@slow_draws
@given(alike())
def test_a_set_costs_and_counts_what_its_events_do_one_by_one(events: list[HotEvent]) -> None:
    assert values(measure(events, PRICES, T0)) == values(aggregate_of(events, PRICES, T0))


@slow_draws
@given(st.lists(hot_events(ages_s=(0, 4, 10, 25, -0.5, -1, -1.5, -3 * 86_400)), max_size=25), st.booleans())
def test_every_view_is_the_sum_of_its_events(events: list[HotEvent], one_user: bool) -> None:
    resource = Resource(project="p", agent="a", release="1", user="carl" if one_user else "")
    truth = groups_of(copy.deepcopy(events), resource, PRICES, T0)
    found = group_events(events, resource, PRICES, T0)
    assert len({(group.key, group.pane) for group in found}) == len(found)
    assert {(g.key, g.pane): values(g.aggregate) for g in found} == {
        place: values(aggregate) for place, aggregate in truth.items()
    }


@slow_draws
@given(blocks)
def test_grouping_changes_no_aggregate_that_it_gave_out_before(events: list[HotEvent]) -> None:
    """Groups of the same events share one aggregate: whoever added to it would change its sisters."""
    resource = Resource(user="carl")
    groups = group_events(events, resource, PRICES, T0)
    first = msgspec.msgpack.encode(groups)
    again = group_events(events, resource, PRICES, T0)
    assert msgspec.msgpack.encode(groups) == first
    assert msgspec.msgpack.encode(again) == first


@slow_draws
@given(blocks)
def test_the_order_of_events_in_a_block_does_not_matter(events: list[HotEvent]) -> None:
    shuffled = copy.deepcopy(events[::2] + events[1::2][::-1])
    found = {(g.key, g.pane): values(g.aggregate) for g in group_events(events, Resource(), PRICES, T0)}
    other = {(g.key, g.pane): values(g.aggregate) for g in group_events(shuffled, Resource(), PRICES, T0)}
    assert found == other


def llm_call(**fields: object) -> HotEvent:
    call = {"kind": "span", "operation": "chat", "provider": "anthropic", "model": "claude-opus-4-6"}
    return msgspec.convert(
        {"time_us": T0, "input_tokens": 10, "output_tokens": 5, **call, **fields}, HotEvent
    )


def test_a_span_around_a_call_adds_neither_its_tokens_nor_its_cost_again() -> None:
    leaf, around = llm_call(), llm_call(operation="invoke_agent", rollup=True, cost_nanousd=7)
    twice = llm_call(rollup=True)
    alone = group_events([llm_call()], Resource(), PRICES, T0)
    agent = {parse_key(group.key)[0]: group.aggregate for group in alone}["agent"]
    found = group_events([leaf, around, twice], Resource(), PRICES, T0)
    for group in found:
        if parse_key(group.key)[0] == "agent":
            assert group.aggregate.count == 3
            assert group.aggregate.input_tokens == agent.input_tokens == 10
            assert group.aggregate.output_tokens == agent.output_tokens == 5
            assert group.aggregate.cost_nanousd == agent.cost_nanousd > 0


def test_what_is_no_span_is_counted_by_kind_only() -> None:
    events = [HotEvent(kind="log", time_us=T0), HotEvent(kind="score", time_us=T0, status="error")]
    (group,) = group_events(events, Resource(), PRICES, T0)
    assert parse_key(group.key)[0] == "agent"
    assert (group.aggregate.count, group.aggregate.kinds) == (0, {"log": 1, "score": 1})
    assert group.aggregate.errors == {}


def test_users_of_one_block_pay_the_prices_of_their_own_models() -> None:
    cheap, dear = "claude-haiku-4-5-20251001", "claude-opus-4-6"
    calls = [llm_call(user="ann", model=cheap), llm_call(user="ann", model=dear), llm_call(user="bob")]
    found = {g.key: g.aggregate for g in group_events(calls, Resource(), PRICES, T0)}
    ann = found['["user","default","ann"]'].cost_nanousd
    bob = found['["user","default","bob"]'].cost_nanousd
    assert 0 < ann - bob < bob


def test_a_name_without_end_does_not_make_an_aggregate_without_end() -> None:
    failed = [llm_call(status="error", error_type=f"{number}" + "x" * 100_000) for number in range(9)]
    for group in group_events(failed, Resource(), PRICES, T0):
        assert [len(name) for name in group.aggregate.errors] == [256] * 9
