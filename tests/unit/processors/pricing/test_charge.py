"""The rule by which an event is charged."""

import msgspec
import pytest

from agentgauge_processors.pricing import Charge, PriceBook, charge, consistent, is_model_call
from agentgauge_schemas.event import HotEvent
from agentgauge_schemas.rules import PriceOverride, PriceTable

T0 = 1_795_000_000_000_000
UNPRICED = Charge(None, None, unpriced=True)
NOTHING = Charge(None, None)


@pytest.fixture
def prices() -> PriceBook:
    """1 and 2 USD a million tokens of `small`; ten times that of `large`."""
    table = [
        PriceOverride(
            model="small", input=10**9, output=2 * 10**9, cache_read=10**8, cache_write_1h=2 * 10**9
        ),
        PriceOverride(model="large", input=10**10, output=2 * 10**10),
    ]
    book = PriceBook()
    book.publish(PriceTable(overrides=table), 0)
    return book


def call(**fields: object) -> HotEvent:
    standard = {"kind": "span", "time_us": T0, "operation": "chat", "model": "small"}
    return msgspec.convert({**standard, "input_tokens": 100, "output_tokens": 10, **fields}, HotEvent)


def test_a_call_costs_its_tokens(prices: PriceBook) -> None:
    charged = charge(call(), prices, T0)
    assert (charged.nanousd, charged.source, charged.unpriced) == (120_000, "computed", False)
    assert charged.by_class == (100_000, 0, 0, 20_000)


def test_cached_tokens_are_part_of_the_input_and_cost_their_own_price(prices: PriceBook) -> None:
    tokens = {"cache_read_tokens": 50, "cache_write_5m_tokens": 20, "cache_write_1h_tokens": 10}
    charged = charge(call(**tokens), prices, T0)
    assert charged.by_class == (20_000, 5_000, 20_000 + 20_000, 20_000)
    assert charged.nanousd == 85_000


def test_a_stated_cost_wins_whoever_states_it(prices: PriceBook) -> None:
    assert charge(call(cost_nanousd=7), prices, T0) == Charge(7, "user")
    assert charge(call(cost_nanousd=0, cost_source="provider"), prices, T0) == Charge(0, "provider")
    assert charge(call(operation="execute_tool", cost_nanousd=7), prices, T0) == Charge(7, "user")
    assert charge(call(model="unknown", cost_nanousd=7), prices, T0) == Charge(7, "user")


def test_the_model_that_answered_is_paid(prices: PriceBook) -> None:
    assert charge(call(response_model="large"), prices, T0).nanousd == 1_200_000
    # An answer under a name that has no price is priced as what was asked for.
    assert charge(call(response_model="small-20260101"), prices, T0).nanousd == 120_000


@pytest.mark.parametrize(
    "event",
    [
        call(model="no-such-model"),
        call(model=None),
        call(model="no-such-model", input_tokens=0, output_tokens=0),
        call(cache_read_tokens=101),
        call(cache_read_tokens=60, cache_write_5m_tokens=30, cache_write_1h_tokens=11),
        call(reasoning_tokens=11),
        call(input_tokens=0, output_tokens=0, unspecified_tokens=150),
    ],
)
def test_what_has_no_price_is_unknown_and_never_nothing(event: HotEvent, prices: PriceBook) -> None:
    assert charge(event, prices, T0) == UNPRICED


@pytest.mark.parametrize(
    "event",
    [
        call(rollup=True),
        call(rollup=True, cost_nanousd=7),
        call(operation="execute_tool"),
        call(operation="invoke_agent"),
        call(operation=None),
        call(kind="log"),
        call(kind="start"),
    ],
)
def test_only_leaf_calls_of_models_are_billed(event: HotEvent, prices: PriceBook) -> None:
    assert charge(event, prices, T0) == NOTHING


def test_a_total_without_a_split_beside_one_does_not_change_the_cost(prices: PriceBook) -> None:
    assert charge(call(unspecified_tokens=150), prices, T0) == charge(call(), prices, T0)


def test_classes_may_fill_their_total_but_not_exceed_it() -> None:
    assert consistent(call(cache_read_tokens=60, cache_write_5m_tokens=30, cache_write_1h_tokens=10))
    assert consistent(call(reasoning_tokens=10))
    assert not consistent(call(cache_read_tokens=60, cache_write_5m_tokens=30, cache_write_1h_tokens=11))
    assert not consistent(call(reasoning_tokens=11))


def test_each_operation_of_a_model_is_a_call() -> None:
    operations = ("chat", "text_completion", "generate_content", "embeddings")
    assert all(is_model_call(call(operation=operation)) for operation in operations)


def test_the_price_is_that_of_the_event_s_time_not_of_its_arrival() -> None:
    """DeepSeek's day price holds from 0:30 to 16:30 UTC."""
    book, midnight = PriceBook(), T0 - T0 % 86_400_000_000
    half_hour = 1_800_000_000
    found = [
        charge(call(provider="deepseek", model="deepseek-chat", time_us=midnight + at), book, T0).nanousd
        for at in (0, half_hour - 1, half_hour, 33 * half_hour - 1, 33 * half_hour)
    ]
    night, _, day, _, _ = found
    assert night is not None
    assert day is not None
    assert found == [night, night, day, day, night]
    assert night < day
