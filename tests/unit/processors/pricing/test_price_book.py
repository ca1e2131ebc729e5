"""Contract prices in front of published ones, in force 60 s after their record."""

import pytest

from agentgauge_processors.pricing import PriceBook
from agentgauge_processors.pricing.book import MAX_MEMO
from agentgauge_processors.pricing.published import published_prices
from agentgauge_processors.pricing.rates import DAY_US, Condition, ModelPrices, Rates, Schedule
from agentgauge_schemas.rules import EFFECTIVE_AFTER_US, PriceOverride, PriceTable

T0 = 1_795_000_000_000_000
LATER = T0 + 3_600_000_000
GPT = ("openai", "gpt-4o")


def book(*overrides: PriceOverride, **tiers: float) -> PriceBook:
    prices = PriceBook()
    prices.publish(PriceTable(overrides=list(overrides), service_tiers=tiers), T0)
    return prices


def input_price(
    prices: PriceBook, provider: str, model: str, tier: str = "", broker_us: int = LATER
) -> int | None:
    found = prices.find(provider, model, tier, T0, broker_us)
    return None if found is None else found.base.input


def override(model: str, price: int, *, provider: str = "", tier: str = "") -> PriceOverride:
    return PriceOverride(model=model, provider=provider, service_tier=tier, input=price, output=2 * price)


def test_an_exact_name_matches_only_itself() -> None:
    prices = book(override("our-model", 7))
    assert input_price(prices, "", "our-model") == 7
    assert input_price(prices, "any", "our-model") == 7
    assert input_price(prices, "", "our-model-2") is None
    assert input_price(prices, "", "our") is None


def test_a_star_matches_what_begins_so() -> None:
    prices = book(override("our-*", 7))
    assert input_price(prices, "", "our-model") == input_price(prices, "", "our-") == 7
    assert input_price(prices, "", "your-model") is None


def test_a_provider_and_a_tier_narrow_an_override() -> None:
    prices = book(override("gpt-4o", 7, provider="azure"), override("gpt-4o", 9, tier="batch"))
    published = input_price(PriceBook(), *GPT)
    assert input_price(prices, "azure", "gpt-4o") == 7
    assert input_price(prices, "openai", "gpt-4o", "batch") == 9
    assert input_price(prices, *GPT) == published not in (None, 7, 9)


def test_the_first_override_that_matches_wins() -> None:
    prices = book(override("our-best", 1), override("our-*", 2), override("*", 3))
    assert [input_price(prices, "", name) for name in ("our-best", "our-rest", "other")] == [1, 2, 3]


def test_what_an_override_does_not_say_costs_like_input() -> None:
    prices = book(
        PriceOverride(model="m", input=5, output=9, cache_read=1), PriceOverride(model="n", input=5, output=9)
    )
    first, second = prices.find("", "m", "", T0, LATER), prices.find("", "n", "", T0, LATER)
    assert first is not None
    assert second is not None
    assert first.base == Rates(5, 1, 5, 5, 9, 9)
    assert second.base == Rates(5, 5, 5, 5, 9, 9)


def test_a_table_is_in_force_60_s_after_its_record_for_whoever_prices_when() -> None:
    prices = book(override("gpt-4o", 7))
    before = T0 + EFFECTIVE_AFTER_US - 1
    published = input_price(PriceBook(), *GPT)
    order = [LATER, before, LATER, T0, before + 1]
    assert [input_price(prices, *GPT, broker_us=at) for at in order] == [7, published, 7, published, 7]
    prices.publish(PriceTable(), T0 + 5_000_000)
    assert input_price(prices, *GPT, broker_us=before + 1) == 7
    assert input_price(prices, *GPT, broker_us=T0 + 5_000_000 + EFFECTIVE_AFTER_US) == published


def test_a_service_tier_s_multiplier_is_for_models_that_are_not_published_by_tier() -> None:
    prices = book(batch=0.5, custom=2.0)
    plain, custom = input_price(prices, *GPT), input_price(prices, *GPT, "custom")
    assert plain is not None
    assert custom == 2 * plain
    gpt = published_prices(*GPT, "batch")
    assert gpt is not None
    assert gpt != published_prices(*GPT, ""), "its batch price is published"
    assert prices.find(*GPT, "batch", T0, LATER) == gpt.at(T0)


def test_an_unknown_model_stays_unknown_whatever_its_tier() -> None:
    assert book(batch=0.5).find("", "no-such-model", "batch", T0, LATER) is None


def test_names_from_outside_do_not_fill_the_memory() -> None:
    prices = book(override("*", 3))
    for number in range(MAX_MEMO + 10):
        assert input_price(prices, "", f"model-{number}") == 3
    assert len(prices._memo) <= MAX_MEMO


RATES = [Rates(price, price, price, price, price, price) for price in range(4)]


@pytest.mark.parametrize(("tokens", "expected"), [(0, 0), (100, 0), (101, 1), (200, 1), (201, 2), (10**9, 2)])
def test_a_tier_holds_for_requests_larger_than_its_start(tokens: int, expected: int) -> None:
    schedule = Schedule(RATES[0], ((100, RATES[1]), (200, RATES[2])))
    assert schedule.rates(tokens) == RATES[expected]


def test_a_daily_interval_may_run_over_midnight() -> None:
    hour = 3_600_000_000
    night = Condition(day_from_us=22 * hour, day_to_us=6 * hour)
    day = Condition(day_from_us=6 * hour, day_to_us=22 * hour)
    for of_day, is_night in [(0, True), (6 * hour - 1, True), (6 * hour, False), (22 * hour - 1, False)]:
        for at in (of_day, of_day + 20_000 * DAY_US):
            assert night.holds(at) is is_night
            assert day.holds(at) is not is_night
    assert night.holds(22 * hour)


def test_the_last_condition_that_holds_decides_and_else_the_first() -> None:
    schedules = [Schedule(rates) for rates in RATES]
    prices = ModelPrices(
        (
            (Condition(from_us=50), schedules[0]),
            (Condition(from_us=100), schedules[1]),
            (Condition(day_from_us=10, day_to_us=20), schedules[2]),
        )
    )
    assert [prices.at(at).base.input for at in (0, 50, 99, 100, 15, DAY_US + 15)] == [0, 0, 0, 1, 2, 2]


def test_only_what_never_rounds_is_summed_before_it_is_priced() -> None:
    whole = Rates(1_000_000, 0, 3_000_000, 0, 5_000_000, 5_000_000)
    assert Schedule(whole).linear == Rates(1, 0, 3, 0, 5, 5)
    assert Schedule(whole._replace(output=1_000_001)).linear is None
    assert Schedule(whole._replace(request_fusd=1)).linear is None
    assert Schedule(whole, ((10, whole),)).linear is None
