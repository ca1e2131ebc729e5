"""The aggregate: what is known about a set of events, mergeable in any order and grouping.

Every field merges by addition or by maximum, all are integers, and none depends on order; so
partial aggregates of blocks, windows, parts and totals are all of this one type.
"""

from typing import Final

import msgspec

from agentgauge_schemas.histogram import add as add_buckets
from agentgauge_schemas.histogram import quantile

SUMMED: Final = (
    "count",
    "duration_sum_us",
    "ttft_sum_us",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "unspecified_tokens",
    "cost_nanousd",
    "reported_cost_nanousd",
    "input_cost_nanousd",
    "cache_read_cost_nanousd",
    "cache_write_cost_nanousd",
    "output_cost_nanousd",
)
COUNTED: Final = ("errors", "flags", "kinds")
HISTOGRAMS: Final = ("duration_buckets", "ttft_buckets")
MAXIMA: Final = ("duration_max_us", "last_us")
MAX_SUM: Final = 1 << 62
"""Half of what a signed 64-bit column holds, so that readers may still add two of them."""

MAX_ERROR_TYPES: Final = 64
OTHER_ERRORS: Final = "other"
"""Error types come from outside: a group, and a source record's part of it, names 64 of them, and
counts the rest as this.
"""


class Aggregate(msgspec.Struct, omit_defaults=True):
    """Sums over events. Buckets as in `histogram`; costs in nano-dollars."""

    count: int = 0
    """Spans."""
    errors: dict[str, int] = {}
    """By `error_type`; their sum is the number of failed events."""
    flags: dict[str, int] = {}
    """By flag: what is odd about some of the events (`token_mismatch`, `unpriced`, `future` ...)."""
    duration_sum_us: int = 0
    duration_max_us: int = 0
    duration_buckets: dict[int, int] = {}
    ttft_sum_us: int = 0
    ttft_buckets: dict[int, int] = {}
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    unspecified_tokens: int = 0
    cost_nanousd: int = 0
    """All costs: the computed ones, each event's rounded once, and the reported ones."""
    reported_cost_nanousd: int = 0
    """The part of it that the provider or the user stated; it has no class."""
    input_cost_nanousd: int = 0
    """Computed cost of uncached input, each event's rounded once; likewise the three below. Finer
    units would not do: a total in femto-dollars leaves 64 bits at 18,446 USD."""
    cache_read_cost_nanousd: int = 0
    cache_write_cost_nanousd: int = 0
    output_cost_nanousd: int = 0
    last_us: int = 0
    """The latest event's time."""
    kinds: dict[str, int] = {}
    """Events that are no spans, by kind: they are not in `count`."""

    @property
    def error_count(self) -> int:
        """Failed events, of every type."""
        return sum(self.errors.values())

    def quantile_us(self, q: float) -> float | None:
        """Of the durations, microseconds, within 1.1 %; None when no event had one."""
        return quantile(self.duration_buckets, q)

    def cost_by_class(self) -> dict[str, int]:
        """Nano-dollars by class of token. Of an event each class is rounded, and the whole: the
        classes' sum may differ from the total by two nano-dollars an event.
        """
        return {
            "input": self.input_cost_nanousd,
            "cache_read": self.cache_read_cost_nanousd,
            "cache_write": self.cache_write_cost_nanousd,
            "output": self.output_cost_nanousd,
            "reported": self.reported_cost_nanousd,
        }

    def add(self, other: "Aggregate") -> None:
        """Merge another in, in place. The other is not changed and shares nothing with this one."""
        # Written out: this is the merge stage's inner loop.
        self.count += other.count
        self.duration_sum_us += other.duration_sum_us
        if other.errors:
            _add_counts(self.errors, other.errors)
        if other.flags:
            _add_counts(self.flags, other.flags)
        if other.kinds:
            _add_counts(self.kinds, other.kinds)
        if other.duration_buckets:
            add_buckets(self.duration_buckets, other.duration_buckets)
            if other.duration_max_us > self.duration_max_us:
                self.duration_max_us = other.duration_max_us
        if other.ttft_buckets:
            add_buckets(self.ttft_buckets, other.ttft_buckets)
            self.ttft_sum_us += other.ttft_sum_us
        tokens = other.input_tokens + other.cache_read_tokens + other.cache_write_5m_tokens
        tokens += other.output_tokens + other.cache_write_1h_tokens + other.reasoning_tokens
        if tokens or other.output_cost_nanousd:
            self.input_tokens += other.input_tokens
            self.output_tokens += other.output_tokens
            self.cache_read_tokens += other.cache_read_tokens
            self.cache_write_5m_tokens += other.cache_write_5m_tokens
            self.cache_write_1h_tokens += other.cache_write_1h_tokens
            self.reasoning_tokens += other.reasoning_tokens
            # Computed costs come of tokens only, but for a price per request: that counts as output.
            self.input_cost_nanousd += other.input_cost_nanousd
            self.cache_read_cost_nanousd += other.cache_read_cost_nanousd
            self.cache_write_cost_nanousd += other.cache_write_cost_nanousd
            self.output_cost_nanousd += other.output_cost_nanousd
        self.unspecified_tokens += other.unspecified_tokens
        self.cost_nanousd += other.cost_nanousd
        self.reported_cost_nanousd += other.reported_cost_nanousd
        if other.last_us > self.last_us:
            self.last_us = other.last_us

    def named(self) -> "Aggregate":
        """A copy whose encoding names its fields, for readers; it shares nothing."""
        result = Aggregate()
        result.add(self)
        return result

    def cap(self) -> None:
        """Bring sums back to `MAX_SUM`: made-up numbers (a time where a duration belongs) may add up
        to more than 64 bits hold, and that must stop no writer and no reader.
        """
        for name in SUMMED:
            if getattr(self, name) > MAX_SUM:
                setattr(self, name, MAX_SUM)


class PackedAggregate(Aggregate, array_like=True):
    """The same with fields by position, for partials and checkpoints: half the size and the time.

    New fields of `Aggregate` may only be added at its end.
    """


def _add_counts(into: dict[str, int], other: dict[str, int]) -> None:
    for name, count in other.items():
        into[name] = into.get(name, 0) + count
