"""One group of one view: its totals and its windows."""

import msgspec

from agentgauge_processors.merge.windows import Window, WindowId
from agentgauge_schemas.aggregate import MAX_ERROR_TYPES, OTHER_ERRORS, Aggregate, PackedAggregate
from agentgauge_schemas.partials import PANE_S
from agentgauge_schemas.results import WindowSummary


class GroupState(msgspec.Struct, array_like=True):
    """What a checkpoint keeps of a group."""

    key: str
    total: PackedAggregate
    version: int
    published_version: int
    windows: list[Window]
    summaries: dict[str, WindowSummary]


class Group:
    """A group in memory. `total` holds what is older than its open panes; `current` has all."""

    __slots__ = (
        "attributes",
        "error_types",
        "key",
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
        self.total = PackedAggregate()
        self.version = -1
        self.published_version = -1
        self.published_us = 0
        self.windows: dict[WindowId, Window] = {}
        self.summaries: dict[str, WindowSummary] = {}
        self.error_types: set[str] = set()

    def current(self) -> Aggregate:
        """All that was ever counted: the total and the open panes."""
        result = self.total.named()
        for (size_s, _), window in self.windows.items():
            if size_s == PANE_S and not window.closed:
                result.add(window.total)
        return result

    def limit_errors(self, aggregate: PackedAggregate) -> None:
        """Error types come from outside: beyond 64 of a group they are counted as "other"."""
        limited: dict[str, int] = {}
        for name, count in aggregate.errors.items():
            if name in self.error_types or len(self.error_types) < MAX_ERROR_TYPES:
                self.error_types.add(name)
                kept = name
            else:
                kept = OTHER_ERRORS
            limited[kept] = limited.get(kept, 0) + count
        aggregate.errors = limited

    def state(self) -> GroupState:
        """For a checkpoint."""
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
        self.error_types = set(state.total.errors)
        for window in state.windows:
            self.error_types |= window.total.errors.keys()


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
