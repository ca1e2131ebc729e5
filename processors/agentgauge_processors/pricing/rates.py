"""Unit prices of a model, resolved to integers: by request size, date and time of day."""

from typing import NamedTuple

import msgspec

from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.event import HotEvent
from agentgauge_schemas.money import FEMTO_PER_NANO

DAY_US = 86_400_000_000


class Rates(NamedTuple):
    """Nano-dollars per million tokens, and femto-dollars per request."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    request_fusd: int = 0


class Cost(NamedTuple):
    """By class; the request price counts as output. A `Schedule` gives it in femto-dollars."""

    input: int
    cache_read: int
    cache_write: int
    output: int


class Schedule(msgspec.Struct):
    """Rates by size of the request: the last tier whose start the input tokens exceed holds for
    all of the request's tokens (the "cliff" that providers use). Never changed.
    """

    base: Rates
    tiers: tuple[tuple[int, Rates], ...] = ()
    linear: Rates | None = None
    """Nano-dollars per *token*, where any events together cost what their tokens together cost: no
    tiers, no price per request, and every token costs a whole number, so that nothing is rounded."""

    def __post_init__(self) -> None:
        whole = not any(price % FEMTO_PER_NANO for price in self.base)
        if whole and not self.tiers and not self.base.request_fusd:
            self.linear = Rates(*(price // FEMTO_PER_NANO for price in self.base))

    def rates(self, input_tokens: int) -> Rates:
        """For a request of this size."""
        result = self.base
        for start, rates in self.tiers:
            if input_tokens <= start:
                break
            result = rates
        return result

    def cost(self, event: HotEvent) -> Cost:
        """Of an event whose token counts are consistent."""
        return cost(self.rates(event.input_tokens) if self.tiers else self.base, event)


def cost(rates: Rates, tokens: HotEvent | Aggregate) -> Cost:
    """Of an event's tokens, or of the sums of many, in what the rates are in for one token."""
    output = tokens.output_tokens * rates.output + rates.request_fusd
    if tokens.reasoning_tokens:
        output += tokens.reasoning_tokens * (rates.reasoning - rates.output)
    read = tokens.cache_read_tokens
    write_5m, write_1h = tokens.cache_write_5m_tokens, tokens.cache_write_1h_tokens
    if not (read or write_5m or write_1h):
        return Cost(tokens.input_tokens * rates.input, 0, 0, output)
    return Cost(
        (tokens.input_tokens - read - write_5m - write_1h) * rates.input,
        read * rates.cache_read,
        write_5m * rates.cache_write_5m + write_1h * rates.cache_write_1h,
        output,
    )


class Condition(NamedTuple):
    """When a schedule is in force, by the event's time; boundaries are whole panes."""

    from_us: int = 0
    day_from_us: int = 0
    day_to_us: int = DAY_US

    def holds(self, time_us: int) -> bool:
        """The daily interval may run over midnight (UTC)."""
        if time_us < self.from_us:
            return False
        of_day = time_us % DAY_US
        if self.day_from_us <= self.day_to_us:
            return self.day_from_us <= of_day < self.day_to_us
        return of_day >= self.day_from_us or of_day < self.day_to_us


class ModelPrices(NamedTuple):
    """All schedules of a model; the last whose condition holds is in force, else the first."""

    schedules: tuple[tuple[Condition, Schedule], ...]

    def at(self, time_us: int) -> Schedule:
        """In force at a time."""
        if len(self.schedules) == 1:
            return self.schedules[0][1]
        for condition, schedule in reversed(self.schedules):
            if condition.holds(time_us):
                return schedule
        return self.schedules[0][1]
