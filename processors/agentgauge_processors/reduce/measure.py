"""From events to aggregates: what a set of events adds up to, before it is known by what groups.

This is the inner loop of the whole pipeline: a set of events that share their group is summed by
comprehensions over one field each, which cost a third of a loop over all fields.
"""

import math
from collections.abc import Sequence
from typing import Final

from agentgauge_processors.pricing import PriceBook, charge, consistent, is_model_call
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.event import HotEvent
from agentgauge_schemas.histogram import DURATION_UNIT_US, SCALE, ZERO, bucket, upper

_LOG_UNIT: Final = math.log2(DURATION_UNIT_US)
_UPPER_US: Final = {index: upper(index) * DURATION_UNIT_US for index in range(-430, 900)}


def measure(events: Sequence[HotEvent], prices: PriceBook, broker_us: int) -> Aggregate:
    """Sum up events of one kind, operation, provider and model; all of them count."""
    result = Aggregate(last_us=max([event.time_us for event in events]))
    first = events[0]
    if first.kind != "span":
        result.kinds = {first.kind: len(events)}
    else:
        result.count = len(events)
        failed = [event for event in events if event.status == "error"]
        if failed:
            for event in failed:
                kind = event.error_type or "error"
                result.errors[kind] = result.errors.get(kind, 0) + 1
        durations = [event.duration_us for event in events if event.duration_us is not None]
        if durations:
            result.duration_sum_us = sum(durations)
            result.duration_max_us = max(durations)
            result.duration_buckets = histogram(durations)
        first_tokens = [
            event.time_to_first_token_us for event in events if event.time_to_first_token_us is not None
        ]
        if first_tokens:
            result.ttft_sum_us = sum(first_tokens)
            result.ttft_buckets = histogram(first_tokens)
    unsampled = len([event for event in events if not event.sampled])
    if unsampled:
        result.flags["unsampled"] = unsampled
    truncated = len([event for event in events if event.truncated])
    if truncated:
        result.flags["truncated"] = truncated
    _usage(result, events, prices, broker_us)
    return result


def histogram(values: Sequence[int]) -> dict[int, int]:
    """The buckets of durations in microseconds; equal to `bucket` of each."""
    buckets: dict[int, int] = {}
    log2, ceil = math.log2, math.ceil
    for value in values:
        if value > 0:
            index = ceil((log2(value) - _LOG_UNIT) * SCALE) - 1
            # Rounding may be off by one at a boundary.
            try:
                if not _UPPER_US[index - 1] < value <= _UPPER_US[index]:
                    index = bucket(value)
            except KeyError:
                index = bucket(value)
        else:
            index = ZERO
        buckets[index] = buckets.get(index, 0) + 1
    return buckets


def _usage(result: Aggregate, events: Sequence[HotEvent], prices: PriceBook, broker_us: int) -> None:
    """Tokens and cost. An enclosing span's roll-up counts neither: its leaves have it."""
    if not is_model_call(events[0]):
        # Most operations are not calls of a model and say nothing about tokens or money.
        events = [event for event in events if event.cost_nanousd is not None or _tokens(event)]
    events = [event for event in events if not event.rollup]
    if not events:
        return
    result.input_tokens = sum([event.input_tokens for event in events])
    result.output_tokens = sum([event.output_tokens for event in events])
    result.cache_read_tokens = sum([event.cache_read_tokens for event in events])
    result.cache_write_5m_tokens = sum([event.cache_write_5m_tokens for event in events])
    result.cache_write_1h_tokens = sum([event.cache_write_1h_tokens for event in events])
    result.reasoning_tokens = sum([event.reasoning_tokens for event in events])
    result.unspecified_tokens = sum([event.unspecified_tokens for event in events])
    mismatched = len([event for event in events if not consistent(event)])
    if mismatched:
        result.flags["token_mismatch"] = mismatched
    unpriced = 0
    for event in events:
        charged = charge(event, prices, broker_us)
        if charged.by_class is not None and charged.nanousd is not None:
            result.cost_nanousd += charged.nanousd
            result.input_cost_fusd += charged.by_class.input
            result.cache_read_cost_fusd += charged.by_class.cache_read
            result.cache_write_cost_fusd += charged.by_class.cache_write
            result.output_cost_fusd += charged.by_class.output
        elif charged.nanousd is not None:
            result.cost_nanousd += charged.nanousd
            result.reported_cost_nanousd += charged.nanousd
        unpriced += charged.unpriced
    if unpriced:
        result.flags["unpriced"] = unpriced


def _tokens(event: HotEvent) -> int:
    return event.input_tokens + event.output_tokens + event.unspecified_tokens
