"""From events to aggregates: what a set of events adds up to, before it is known by what groups.

This is the inner loop of the whole pipeline: one pass over what every event has. What most events
do not have (roll-ups, cached tokens, stated costs) puts an event aside, and only those are asked
for the rest.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from agentgauge_processors.pricing import PriceBook, charge, consistent, cost, find_schedule, is_model_call
from agentgauge_schemas.aggregate import MAX_ERROR_TYPES, OTHER_ERRORS, PackedAggregate
from agentgauge_schemas.event import HotEvent
from agentgauge_schemas.group import MAX_ATTRIBUTE_LENGTH
from agentgauge_schemas.histogram import DURATION_UNIT_US, ZERO, upper

_LOWEST: Final = -427
_UPPER_US: Final = [math.floor(upper(index) * DURATION_UNIT_US) for index in range(_LOWEST, 1_300)]
"""The largest whole microsecond of each bucket: a search in it is faster than a logarithm."""


def measure(events: Sequence[HotEvent], prices: PriceBook, broker_us: int) -> PackedAggregate:
    """Sum up events that share kind, operation, provider and model; all of them count."""
    errors: dict[str, int] = {}
    durations: dict[int, int] = {}
    first_tokens: dict[int, int] = {}
    duration_sum = duration_max = ttft_sum = input_tokens = output_tokens = last = 0
    special: list[HotEvent] = []
    for event in events:
        if event.time_us > last:
            last = event.time_us
        if event.status != "ok":
            kind = (event.error_type or "error")[:MAX_ATTRIBUTE_LENGTH]
            if len(errors) >= MAX_ERROR_TYPES and kind not in errors:
                kind = OTHER_ERRORS
            errors[kind] = errors.get(kind, 0) + 1
        duration = event.duration_us
        if duration is not None:
            duration_sum += duration
            if duration > duration_max:
                duration_max = duration
            index = bisect_left(_UPPER_US, duration) + _LOWEST if duration else ZERO
            durations[index] = durations.get(index, 0) + 1
        duration = event.time_to_first_token_us
        if duration is not None:
            ttft_sum += duration
            index = bisect_left(_UPPER_US, duration) + _LOWEST if duration else ZERO
            first_tokens[index] = first_tokens.get(index, 0) + 1
        input_tokens += event.input_tokens
        output_tokens += event.output_tokens
        if (
            event.cost_nanousd is not None
            or event.cache_read_tokens
            or event.cache_write_5m_tokens
            or event.cache_write_1h_tokens
            or event.reasoning_tokens
            or event.unspecified_tokens
            or event.response_model
            or event.service_tier
            or event.rollup
            or event.truncated
            or not event.sampled
        ):
            special.append(event)
    result = PackedAggregate(input_tokens=input_tokens, output_tokens=output_tokens, last_us=last)
    first = events[0]
    if first.kind == "span":
        result.count = len(events)
        result.errors = errors
        result.duration_sum_us, result.duration_max_us = duration_sum, duration_max
        result.duration_buckets = durations
        result.ttft_sum_us, result.ttft_buckets = ttft_sum, first_tokens
    else:
        result.kinds = {first.kind: len(events)}
    if special:
        events, special = _special(result, events, special)
    if events and (special or is_model_call(events[0])):
        _cost(result, events, special, prices, broker_us)
    return result


def _special(
    result: PackedAggregate, events: Sequence[HotEvent], special: list[HotEvent]
) -> tuple[Sequence[HotEvent], list[HotEvent]]:
    """Count what only some events have; returns the events without roll-ups, and the special ones."""
    _flag(result, "unsampled", len([event for event in special if not event.sampled]))
    _flag(result, "truncated", len([event for event in special if event.truncated]))
    rolled_up = [event for event in special if event.rollup]
    if rolled_up:
        # An enclosing span's roll-up adds neither tokens nor cost: its leaves have them.
        result.input_tokens -= sum([event.input_tokens for event in rolled_up])
        result.output_tokens -= sum([event.output_tokens for event in rolled_up])
        special = [event for event in special if not event.rollup]
        events = [event for event in events if not event.rollup]
    result.cache_read_tokens = sum([event.cache_read_tokens for event in special])
    result.cache_write_5m_tokens = sum([event.cache_write_5m_tokens for event in special])
    result.cache_write_1h_tokens = sum([event.cache_write_1h_tokens for event in special])
    result.reasoning_tokens = sum([event.reasoning_tokens for event in special])
    result.unspecified_tokens = sum([event.unspecified_tokens for event in special])
    _flag(result, "token_mismatch", len([event for event in special if not consistent(event)]))
    return events, special


def _cost(
    result: PackedAggregate,
    events: Sequence[HotEvent],
    special: Sequence[HotEvent],
    prices: PriceBook,
    broker_us: int,
) -> None:
    if is_model_call(events[0]) and (not special or _alike(special, len(events))):
        schedule = find_schedule(events[0], prices, broker_us)
        if schedule is None:
            _flag(result, "unpriced", len(events))
            return
        if schedule.linear is not None:
            (
                result.input_cost_nanousd,
                result.cache_read_cost_nanousd,
                result.cache_write_cost_nanousd,
                result.output_cost_nanousd,
            ) = total = cost(schedule.linear, result)
            result.cost_nanousd = sum(total)
            return
    _charge_each(result, events, prices, broker_us)


def _alike(special: Sequence[HotEvent], count: int) -> bool:
    """Whether one schedule prices all of them: the same model answered, no cost was stated."""
    return (
        len({(event.response_model, event.service_tier) for event in special}) == 1
        and (len(special) == count or not (special[0].response_model or special[0].service_tier))
        and not [
            event
            for event in special
            if event.cost_nanousd is not None or event.unspecified_tokens or not consistent(event)
        ]
    )


def _charge_each(
    result: PackedAggregate, events: Sequence[HotEvent], prices: PriceBook, broker_us: int
) -> None:
    unpriced = 0
    for event in events:
        charged = charge(event, prices, broker_us)
        unpriced += charged.unpriced
        if charged.nanousd is None:
            continue
        result.cost_nanousd += charged.nanousd
        if charged.by_class is None:
            result.reported_cost_nanousd += charged.nanousd
        else:
            result.input_cost_nanousd += charged.by_class.input
            result.cache_read_cost_nanousd += charged.by_class.cache_read
            result.cache_write_cost_nanousd += charged.by_class.cache_write
            result.output_cost_nanousd += charged.by_class.output
    _flag(result, "unpriced", unpriced)


def _flag(result: PackedAggregate, name: str, count: int) -> None:
    if count:
        result.flags[name] = count
