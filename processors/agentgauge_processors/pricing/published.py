"""Published prices, from the `genai-prices` package: its tables, resolved to our integers.

The library itself takes 54 us a call and computes in Decimal; here each model is resolved once.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final

from genai_prices import types as gp
from genai_prices.data_snapshot import get_snapshot

from agentgauge_processors.pricing.rates import DAY_US, Condition, ModelPrices, Rates, Schedule
from agentgauge_schemas.money import NANO

PROVIDERS: Final = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
}
"""`gen_ai.provider.name` -> the library's name, where they differ."""


def published_prices(provider: str, model: str, service_tier: str) -> ModelPrices | None:
    """The prices of a model, or None when they are unknown (then its cost is unknown, never 0).

    A provider that the library does not know (a gateway) is ignored: the model alone decides.
    """
    snapshot = get_snapshot()
    known = PROVIDERS.get(provider, provider.lower())
    if not any(one.id == known for one in snapshot.providers):
        known = ""
    try:
        _, info = snapshot.find_provider_model(model, None, known or None, None)
    except LookupError:
        return None
    # Providers name the same choice differently; the library knows which name is whose.
    context = dict.fromkeys(("processing", "service_tier", "speed"), service_tier) if service_tier else None
    schedules = [
        (condition, schedule)
        for condition, prices in _conditional(info, context)
        if (schedule := _schedule(prices)) is not None
    ]
    return ModelPrices(tuple(schedules)) if schedules else None


def _conditional(
    info: gp.ModelInfo, context: dict[str, str] | None
) -> Iterable[tuple[Condition, gp.ModelPrice]]:
    if isinstance(info.prices, gp.ModelPrice):
        base: list[tuple[Condition, gp.ModelPrice]] = [(Condition(), info.prices)]
    else:
        base = [(_condition(one.constraint), one.prices) for one in info.prices]
    known = context or {}
    variants = [
        variant
        for variant in info.price_variants or ()
        if all(known.get(key) == value for key, value in variant.when.items())
    ]
    if not variants:
        return base
    # A variant overrides single prices from its own start on: resolve each stretch by the library.
    starts = {condition.from_us for condition, _ in base}
    starts |= {_condition(variant.constraint).from_us for variant in variants}
    result = []
    for start in sorted(starts):
        for condition, _ in base:
            if condition.from_us > start:
                continue
            shifted = condition._replace(from_us=start)
            moment = datetime.fromtimestamp((start + condition.day_from_us) / 1e6, UTC)
            result.append((shifted, info.get_prices(moment, context)))
    return result


def _condition(constraint: gp.StartDateConstraint | gp.TimeOfDateConstraint | None) -> Condition:
    if constraint is None:
        return Condition()
    if isinstance(constraint, gp.StartDateConstraint):
        return Condition(from_us=_midnight_us(constraint.start_date))
    return Condition(day_from_us=_of_day_us(constraint.start_time), day_to_us=_of_day_us(constraint.end_time))


def _midnight_us(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000


def _of_day_us(moment: time) -> int:
    at = datetime.combine(date(1970, 1, 2), moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return int(at.timestamp() * 1_000_000) % DAY_US


def _schedule(prices: gp.ModelPrice) -> Schedule | None:
    starts: set[int] = set()
    for price in vars(prices).values():
        if isinstance(price, gp.TieredPrices):
            starts.update(tier.start for tier in price.tiers)
    base = _rates(prices, -1)
    if base is None:
        return None
    tiers = []
    for start in sorted(starts):
        rates = _rates(prices, start)
        assert rates is not None, "a model that has a base price has one in every tier"
        tiers.append((start, rates))
    return Schedule(base, tuple(tiers))


def _rates(prices: gp.ModelPrice, start: int) -> Rates | None:
    """The rates of the tier that begins at `start`; None for a model that is not sold by tokens."""

    def nano(name: str, default: int | None) -> int | None:
        price = getattr(prices, name, None)
        if price is None:
            return default
        if isinstance(price, gp.TieredPrices):
            amount = price.base
            for tier in price.tiers:
                if tier.start <= start:
                    amount = tier.price
            price = amount
        return int((Decimal(price) * NANO).to_integral_value())

    uncached, output = nano("input_mtok", None), nano("output_mtok", None)
    request = nano("requests_kcount", 0)
    if uncached is None and output is None:
        return None
    uncached, output = uncached or 0, output or 0
    write_5m = nano("cache_write_mtok", uncached)
    # An unpriced class of tokens costs what the class that contains it costs.
    return Rates(
        input=uncached,
        cache_read=nano("cache_read_mtok", uncached) or 0,
        cache_write_5m=write_5m or 0,
        cache_write_1h=nano("cache_write_1h_mtok", write_5m) or 0,
        output=output,
        reasoning=nano("output_reasoning_mtok", output) or 0,
        request_fusd=(request or 0) * 1_000,
    )
