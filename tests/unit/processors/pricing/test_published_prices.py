"""Our integers against the library's own Decimals, for every model that it knows."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import product
from typing import NamedTuple

import pytest
from genai_prices import types as gp
from genai_prices.data_snapshot import get_snapshot

from agentgauge_processors.pricing.published import PROVIDERS, published_prices
from agentgauge_processors.pricing.rates import ModelPrices
from agentgauge_schemas.event import HotEvent
from agentgauge_schemas.money import femto_to_nano

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NANO = Decimal(10) ** 9
TIERS = ("", "batch", "priority", "flex", "fast", "default", "no-such-tier")
Priced = gp.ModelPrice | list[gp.ConditionalPrice]


class Usage(NamedTuple):
    """What an event says; the library has one number for cache writes of either kind."""

    input: int
    output: int
    read: int = 0
    write_5m: int = 0
    write_1h: int = 0
    reasoning: int = 0

    def event(self, at: datetime) -> HotEvent:
        return HotEvent(
            kind="span",
            time_us=int(at.timestamp()) * 1_000_000,
            input_tokens=self.input,
            output_tokens=self.output,
            cache_read_tokens=self.read,
            cache_write_5m_tokens=self.write_5m,
            cache_write_1h_tokens=self.write_1h,
            reasoning_tokens=self.reasoning,
        )

    def theirs(self) -> gp.Usage:
        return gp.Usage(
            input_tokens=self.input,
            output_tokens=self.output,
            cache_read_tokens=self.read,
            cache_write_tokens=self.write_5m + self.write_1h,
            cache_write_1h_tokens=self.write_1h,
            output_reasoning_tokens=self.reasoning,
        )


PLAIN = (
    Usage(0, 0),
    Usage(1, 1),
    Usage(1_234, 567),
    Usage(54_321, 4_321, read=20_000),
    Usage(54_321, 4_321, read=20_000, write_5m=3_333, write_1h=1_111, reasoning=777),
    Usage(10_000, 500, write_1h=10_000, reasoning=500),
)


def names(match: gp.MatchLogic) -> list[str]:
    """Names that a model's rule might accept."""
    if isinstance(match, gp.ClauseOr):
        return [name for clause in match.or_ for name in names(clause)]
    if isinstance(match, gp.ClauseAnd):
        parts = product(*map(names, match.and_))
        return [glue.join(part) for part in parts for glue in ("", "-")]
    return [] if isinstance(match, gp.ClauseRegex) else [next(iter(vars(match).values()))]


def reference(provider: gp.Provider, model: gp.ModelInfo) -> str:
    """A name by which the library finds this very model: its id is not always one."""
    candidates = [model.id, *names(model.match)]
    return next(name for name in candidates if provider.find_model(name) is model)


def prices_of(prices: Priced) -> list[gp.ModelPrice]:
    return [prices] if isinstance(prices, gp.ModelPrice) else [one.prices for one in prices]


def usages(model: gp.ModelInfo) -> list[Usage]:
    """The plain ones, and requests at and around every size at which the price changes."""
    thresholds = {
        tier.start
        for prices in prices_of(model.prices)
        for price in vars(prices).values()
        if isinstance(price, gp.TieredPrices)
        for tier in price.tiers
    }
    sizes = {start + step for start in thresholds for step in (-1, 0, 1, 12_345)}
    return [*PLAIN, *(Usage(size, 321, read=size // 3, write_5m=7) for size in sorted(sizes) if size > 30)]


def moments(model: gp.ModelInfo) -> list[datetime]:
    """Now, long ago, and at both sides of every date and time of day at which the price changes."""
    found = {NOW, datetime(2001, 9, 9, tzinfo=UTC)}
    constraints = [] if isinstance(model.prices, gp.ModelPrice) else [one.constraint for one in model.prices]
    constraints += [variant.constraint for variant in model.price_variants or ()]
    for constraint in constraints:
        if isinstance(constraint, gp.StartDateConstraint):
            start = datetime.combine(constraint.start_date, time(), UTC)
            found |= {start, start - timedelta(seconds=1), start + timedelta(hours=17, minutes=29)}
        elif isinstance(constraint, gp.TimeOfDateConstraint):
            for border in (constraint.start_time, constraint.end_time):
                at = datetime.combine(NOW.date(), border, border.tzinfo or UTC)
                found |= {at, at - timedelta(seconds=1), at + timedelta(seconds=1)}
    return sorted(found)


def check(provider: gp.Provider, model: gp.ModelInfo, tier: str, ours: ModelPrices) -> Iterator[bool]:
    """Whether the library agrees to price at all, for every usage at every moment."""
    name = reference(provider, model)
    context = dict.fromkeys(("processing", "service_tier", "speed"), tier) if tier else None
    for at in moments(model):
        for usage in usages(model)[-6 if tier else 0 :]:
            try:
                theirs = get_snapshot().calc(usage.theirs(), name, provider.id, None, at, context)
            except ValueError:
                # It wants usage by modality for a few audio and image models: nothing to compare.
                yield False
                continue
            event = usage.event(at)
            cost = femto_to_nano(sum(ours.at(event.time_us).cost(event)))
            exact = theirs.total_price * NANO
            assert abs(cost - exact) <= Decimal("0.5"), (provider.id, model.id, tier, at, usage)
            yield True


@pytest.mark.parametrize("provider", get_snapshot().providers, ids=lambda provider: str(provider.id))
def test_every_model_costs_what_the_library_says_at_every_time_and_size(provider: gp.Provider) -> None:
    compared = refused = 0
    for model in provider.models:
        ours = published_prices(provider.id, reference(provider, model), "")
        if ours is None:
            assert not any(sold_by_tokens(prices) for prices in prices_of(model.prices)), model.id
            continue
        for agreed in check(provider, model, "", ours):
            compared += agreed
            refused += not agreed
    assert refused <= compared


def sold_by_tokens(prices: gp.ModelPrice) -> bool:
    return prices.input_mtok is not None or prices.output_mtok is not None


VARIANTS = [
    (provider, model)
    for provider in get_snapshot().providers
    for model in provider.models
    if model.price_variants
]


@pytest.mark.parametrize("tier", TIERS)
def test_a_service_tier_costs_what_the_library_says(tier: str) -> None:
    compared = 0
    for provider, model in VARIANTS:
        ours = published_prices(provider.id, reference(provider, model), tier)
        if ours is not None:
            compared += sum(check(provider, model, tier, ours))
    assert compared > 100


def test_the_snapshot_has_what_these_tests_are_about() -> None:
    models = [model for provider in get_snapshot().providers for model in provider.models]
    assert len(models) > 2_000
    assert len(VARIANTS) > 50
    assert sum(len(usages(model)) > len(PLAIN) for model in models) > 50
    assert sum(len(moments(model)) > 2 for model in models) > 50


@pytest.mark.parametrize("alias", PROVIDERS)
def test_a_provider_of_the_conventions_is_one_of_the_library(alias: str) -> None:
    known = {provider.id: provider for provider in get_snapshot().providers}
    model = known[PROVIDERS[alias]].models[0].id
    assert published_prices(alias, model, "") == published_prices(PROVIDERS[alias], model, "")


def test_what_the_library_does_not_know_has_no_price() -> None:
    assert published_prices("anthropic", "no-such-model", "") is None
    assert published_prices("", "", "") is None
    assert published_prices("anthropic", "gpt-4o", "") is None


def test_a_gateway_s_name_is_ignored_and_the_model_decides() -> None:
    assert published_prices("my-gateway", "gpt-4o", "") == published_prices("openai", "gpt-4o", "")
