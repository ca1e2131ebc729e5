"""What one event costs, by the one rule that reduce and storage share."""

from typing import NamedTuple

from agentgauge_processors.pricing.book import PriceBook
from agentgauge_processors.pricing.rates import Cost, Schedule
from agentgauge_schemas.conventions import LLM_OPERATIONS
from agentgauge_schemas.event import CostSource, HotEvent
from agentgauge_schemas.money import femto_to_nano


class Charge(NamedTuple):
    """An event's cost. `nanousd` is None when it has none, or when its price is unknown."""

    nanousd: int | None
    source: CostSource | None
    by_class: Cost | None = None
    """Of a computed cost, nano-dollars, each class rounded by itself."""
    unpriced: bool = False
    """A call of a model whose price is unknown, or whose token counts contradict each other."""


NOTHING = Charge(None, None)
UNPRICED = Charge(None, None, unpriced=True)


def consistent(event: HotEvent) -> bool:
    """Whether the classes of tokens are parts of the totals, as the event model says."""
    cached = event.cache_read_tokens + event.cache_write_5m_tokens + event.cache_write_1h_tokens
    return cached <= event.input_tokens and event.reasoning_tokens <= event.output_tokens


def is_model_call(event: HotEvent) -> bool:
    """A leaf that may be billed: one call of a model, no enclosing span's roll-up."""
    return event.kind == "span" and event.operation in LLM_OPERATIONS and not event.rollup


def charge(event: HotEvent, prices: PriceBook, broker_us: int) -> Charge:
    """A cost that the provider or the user states wins; else calls of a model are priced."""
    if event.rollup:
        return NOTHING
    if event.cost_nanousd is not None:
        return Charge(event.cost_nanousd, event.cost_source or "user")
    if not is_model_call(event):
        return NOTHING
    if not consistent(event):
        return UNPRICED
    if event.unspecified_tokens and not (event.input_tokens or event.output_tokens):
        return UNPRICED  # a total without a split has no price
    schedule = find_schedule(event, prices, broker_us)
    if schedule is None:
        return UNPRICED
    cost = schedule.cost(event)
    return Charge(femto_to_nano(sum(cost)), "computed", Cost(*map(femto_to_nano, cost)))


def find_schedule(event: HotEvent, prices: PriceBook, broker_us: int) -> Schedule | None:
    """The prices of the model that answered, else of the one that was asked; None when unknown."""
    provider, tier = event.provider or "", event.service_tier or ""
    schedule = None
    if event.response_model:
        schedule = prices.find(provider, event.response_model, tier, event.time_us, broker_us)
    if schedule is None:
        schedule = prices.find(provider, event.model or "", tier, event.time_us, broker_us)
    return schedule
