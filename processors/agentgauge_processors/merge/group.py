"""One group of one view: its totals, its windows, and what has not yet been folded into them."""

import msgspec

from agentgauge_processors.merge.windows import Window, WindowId
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.results import WindowSummary

MAX_ERROR_TYPES = 64
OTHER_ERRORS = "other"


class GroupState(msgspec.Struct, array_like=True):
    """What a checkpoint keeps of a group."""

    key: str
    total: Aggregate
    version: int
    published_version: int
    windows: list[Window]
    summaries: dict[str, WindowSummary]


class Group:
    """A group in memory. `pending` and `backfill` hold aggregates by pane until the next fold, so
    that many source records cost one addition to each window.
    """

    __slots__ = (
        "attributes",
        "backfill",
        "key",
        "pending",
        "published_us",
        "published_version",
        "shard",
        "summaries",
        "total",
        "version",
        "view",
        "windows",
    )

    def __init__(self, key: str, view: str, attributes: dict[str, str], shard: int) -> None:
        self.key = key
        self.view = view
        self.attributes = attributes
        self.shard = shard
        self.total = Aggregate()
        self.version = -1
        self.published_version = -1
        self.published_us = 0
        self.windows: dict[WindowId, Window] = {}
        self.summaries: dict[str, WindowSummary] = {}
        self.pending: dict[int, Aggregate] = {}
        self.backfill: dict[int, Aggregate] = {}

    def add(self, pane: int, aggregate: Aggregate, *, backfill: bool) -> None:
        """Keep an aggregate for the next fold; it belongs to this group from now on."""
        if len(self.total.errors) + len(aggregate.errors) > MAX_ERROR_TYPES:
            self._limit_errors(aggregate)
        waiting = self.backfill if backfill else self.pending
        found = waiting.get(pane)
        if found is None:
            waiting[pane] = aggregate
        else:
            found.add(aggregate)

    def _limit_errors(self, aggregate: Aggregate) -> None:
        """Error types come from outside: beyond 64 of a group they are counted as "other"."""
        known = self.total.errors
        limited: dict[str, int] = {}
        for name, count in aggregate.errors.items():
            kept = name if name in known or len(known) + len(limited) < MAX_ERROR_TYPES else OTHER_ERRORS
            limited[kept] = limited.get(kept, 0) + count
        aggregate.errors = limited

    def state(self) -> GroupState:
        """For a checkpoint; nothing may be pending."""
        return GroupState(
            self.key,
            self.total,
            self.version,
            self.published_version,
            list(self.windows.values()),
            self.summaries,
        )

    def restore(self, state: GroupState) -> None:
        """From a checkpoint."""
        self.total = state.total
        self.version = state.version
        self.published_version = state.published_version
        self.windows = {(window.size_s, window.start_s): window for window in state.windows}
        self.summaries = state.summaries


def summarize(window: Window) -> WindowSummary:
    """A closed window in short."""
    total = window.total
    return WindowSummary(
        start_us=window.start_s * 1_000_000,
        count=total.count,
        errors=total.error_count,
        cost_nanousd=total.cost_nanousd,
        tokens=total.input_tokens + total.output_tokens + total.unspecified_tokens,
        p50_us=total.quantile_us(0.50),
        p95_us=total.quantile_us(0.95),
        p99_us=total.quantile_us(0.99),
    )
