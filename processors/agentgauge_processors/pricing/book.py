"""The price book: contract prices first, then the published ones, then unknown."""

from bisect import bisect_right

import msgspec

from agentgauge_processors.pricing.published import published_prices
from agentgauge_processors.pricing.rates import Condition, ModelPrices, Rates, Schedule
from agentgauge_schemas.rules import EFFECTIVE_AFTER_US, PRICES_KEY, PriceOverride, PriceTable

MAX_MEMO = 10_000
"""Models whose prices are remembered: then the memory is emptied (names come from outside)."""

_decode = msgspec.json.Decoder(PriceTable).decode


class PriceBook:
    """Prices by provider, model, service tier, time of the event and of its record.

    A table published on `.rules` is in force for records that the broker received 60 s after it or
    later, so every worker, and every replay, prices a record alike.
    """

    def __init__(self) -> None:
        self._from_us: list[int] = []
        self._tables: list[PriceTable] = []
        self._memo: dict[tuple[int, str, str, str], ModelPrices | None] = {}

    def publish(self, table: PriceTable, broker_us: int) -> None:
        """Take a table over; `broker_us` is when the broker received it (ascending)."""
        self._from_us.append(broker_us + EFFECTIVE_AFTER_US)
        self._tables.append(table)

    def take(self, key: bytes | None, value: bytes | None, broker_us: int) -> None:
        """Take a record of `.rules` over; one that holds no readable price table changes nothing."""
        if key != PRICES_KEY.encode() or value is None:
            return
        try:
            table = _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # refused by the command that publishes tables; the one in force stays
        self.publish(table, broker_us)

    def find(
        self, provider: str, model: str, service_tier: str, time_us: int, broker_us: int
    ) -> Schedule | None:
        """The schedule for a call; None when its price is unknown."""
        table = bisect_right(self._from_us, broker_us) - 1 if self._from_us else -1
        key = (table, provider, model, service_tier)
        try:
            prices = self._memo[key]
        except KeyError:
            if len(self._memo) >= MAX_MEMO:
                self._memo.clear()
            prices = self._memo[key] = self._resolve(table, provider, model, service_tier)
        return None if prices is None else prices.at(time_us)

    def _resolve(self, table: int, provider: str, model: str, service_tier: str) -> ModelPrices | None:
        overrides = self._tables[table] if table >= 0 else PriceTable()
        for override in overrides.overrides:
            if _matches(override, provider, model, service_tier):
                return ModelPrices(((Condition(), Schedule(_override_rates(override))),))
        prices = published_prices(provider, model, service_tier)
        multiplier = overrides.service_tiers.get(service_tier)
        # Where the published prices know the tier, they are the tier's already.
        if prices is None or multiplier is None or prices != published_prices(provider, model, ""):
            return prices
        return ModelPrices(
            tuple((condition, _scaled(schedule, multiplier)) for condition, schedule in prices.schedules)
        )


def _matches(override: PriceOverride, provider: str, model: str, service_tier: str) -> bool:
    if override.provider and override.provider != provider:
        return False
    if override.service_tier and override.service_tier != service_tier:
        return False
    if override.model.endswith("*"):
        return model.startswith(override.model[:-1])
    return model == override.model


def _override_rates(override: PriceOverride) -> Rates:
    def known(price: int | None) -> int:
        return override.input if price is None else price

    return Rates(
        input=override.input,
        cache_read=known(override.cache_read),
        cache_write_5m=known(override.cache_write_5m),
        cache_write_1h=known(override.cache_write_1h),
        output=override.output,
        reasoning=override.output,
    )


def _scaled(schedule: Schedule, factor: float) -> Schedule:
    def scale(rates: Rates) -> Rates:
        return Rates(*(round(price * factor) for price in rates))

    return Schedule(scale(schedule.base), tuple((start, scale(rates)) for start, rates in schedule.tiers))
