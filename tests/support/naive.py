"""What events add up to, computed one by one and without any short cut: the truth of other tests."""

from collections.abc import Iterable

import msgspec

from agentgauge_processors.pricing import PriceBook, charge, consistent
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.block import Resource
from agentgauge_schemas.conventions import EXECUTE_TOOL, LLM_OPERATIONS
from agentgauge_schemas.event import HotEvent
from agentgauge_schemas.group import group_key
from agentgauge_schemas.histogram import bucket

Values = dict[str, object]


def values(aggregate: Aggregate) -> Values:
    """Field by field, for comparing aggregates of different encodings."""
    return msgspec.structs.asdict(aggregate)


def aggregate_of(events: Iterable[HotEvent], prices: PriceBook, broker_us: int) -> Aggregate:
    """The sum of single events; those after the broker's time are moved to it and flagged."""
    total = Aggregate()
    for event in events:
        _count(total, event, broker_us)
        _measure(total, event)
        _bill(total, event, prices, broker_us)
    return total


def groups_of(
    events: Iterable[HotEvent], resource: Resource, prices: PriceBook, broker_us: int
) -> dict[tuple[str, int], Aggregate]:
    """(Group key, pane) -> the sum of its events, over all built-in views."""
    members: dict[tuple[str, int], list[HotEvent]] = {}
    for event in events:
        pane = min(event.time_us, broker_us) // 10_000_000
        for key in keys_of(event, resource):
            members.setdefault((key, pane), []).append(event)
    return {place: aggregate_of(found, prices, broker_us) for place, found in members.items()}


def keys_of(event: HotEvent, resource: Resource) -> list[str]:
    """The groups that an event counts in."""
    agent, user = event.agent or resource.agent, event.user or resource.user
    project, environment = resource.project, resource.environment
    keys = [group_key("agent", (project, environment, agent, resource.release))]
    if user:
        keys.append(group_key("user", (project, user)))
    if event.kind != "span":
        return keys
    if event.operation in LLM_OPERATIONS:
        call = (event.operation or "", event.provider or "", event.model or "")
        keys.append(group_key("llm", (project, environment, agent, *call)))
    elif event.operation == EXECUTE_TOOL:
        keys.append(group_key("tool", (project, agent, event.tool or "")))
    else:
        name = event.event_type or event.operation or "function"
        keys.append(group_key("function", (project, agent, name)))
    return keys


def _count(total: Aggregate, event: HotEvent, broker_us: int) -> None:
    total.last_us = max(total.last_us, min(event.time_us, broker_us))
    if event.kind == "span":
        total.count += 1
    else:
        total.kinds[event.kind] = total.kinds.get(event.kind, 0) + 1
    flags = {
        "future": event.time_us > broker_us + 1_000_000,
        "unsampled": not event.sampled,
        "truncated": event.truncated,
        "token_mismatch": not event.rollup and not consistent(event),
    }
    for name, is_set in flags.items():
        if is_set:
            total.flags[name] = total.flags.get(name, 0) + 1


def _measure(total: Aggregate, event: HotEvent) -> None:
    if event.kind == "span":
        if event.status == "error":
            name = event.error_type or "error"
            total.errors[name] = total.errors.get(name, 0) + 1
        if event.duration_us is not None:
            total.duration_sum_us += event.duration_us
            total.duration_max_us = max(total.duration_max_us, event.duration_us)
            _fill(total.duration_buckets, event.duration_us)
        if event.time_to_first_token_us is not None:
            total.ttft_sum_us += event.time_to_first_token_us
            _fill(total.ttft_buckets, event.time_to_first_token_us)
    if event.rollup:
        return
    total.input_tokens += event.input_tokens
    total.output_tokens += event.output_tokens
    total.cache_read_tokens += event.cache_read_tokens
    total.cache_write_5m_tokens += event.cache_write_5m_tokens
    total.cache_write_1h_tokens += event.cache_write_1h_tokens
    total.reasoning_tokens += event.reasoning_tokens
    total.unspecified_tokens += event.unspecified_tokens


def _fill(buckets: dict[int, int], value: int) -> None:
    number = bucket(value)
    buckets[number] = buckets.get(number, 0) + 1


def _bill(total: Aggregate, event: HotEvent, prices: PriceBook, broker_us: int) -> None:
    charged = charge(event, prices, broker_us)
    if charged.unpriced:
        total.flags["unpriced"] = total.flags.get("unpriced", 0) + 1
    if charged.nanousd is None:
        return
    total.cost_nanousd += charged.nanousd
    if charged.by_class is None:
        total.reported_cost_nanousd += charged.nanousd
    else:
        total.input_cost_nanousd += charged.by_class.input
        total.cache_read_cost_nanousd += charged.by_class.cache_read
        total.cache_write_cost_nanousd += charged.by_class.cache_write
        total.output_cost_nanousd += charged.by_class.output
