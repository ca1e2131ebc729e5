"""All groups of one merge partition: found by key, limited in number, folded, closed, evicted."""

import heapq
import zlib
from collections.abc import Iterator

from agentgauge_processors.merge.group import Group, summarize
from agentgauge_processors.merge.windows import SECOND_US, Window, WindowId, retention_s, windows_of
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.group import describe, overflow_key, parse_key
from agentgauge_schemas.partials import PANE_S, PaneAggregate

SHARDS = 64
SUMMARIZED = {60: "1m", 300: "5m"}

PartId = tuple[str, int, int]
"""Group key, size and start (seconds) of a window that gets a part."""


class Groups:
    """Groups and their windows. Event times in whole seconds; `watermark_s` only ever grows."""

    def __init__(self, partition: int, allowed_lateness_s: int, group_limit: int) -> None:
        self.by_key: dict[str, Group] = {}
        self.dirty: set[Group] = set()
        """Changed since the last checkpoint."""
        self.unpublished: set[Group] = set()
        """Totals or summaries that readers have not got yet."""
        self.revised: dict[tuple[str, WindowId], Window] = {}
        """Closed windows whose value readers have not got yet."""
        self.parts: dict[PartId, Aggregate] = {}
        """What belongs to windows that are not in memory."""
        self.watermark_s = 0
        self._partition = partition
        self._lateness_s = allowed_lateness_s
        self._limit = group_limit
        self._per_view: dict[str, int] = {}
        self._waiting: set[Group] = set()
        self._closing: list[tuple[int, str, WindowId]] = []
        self._leaving: list[tuple[int, str, WindowId]] = []

    def __iter__(self) -> Iterator[Group]:
        return iter(self.by_key.values())

    def add(self, item: PaneAggregate, version: int, *, backfill: bool) -> None:
        """Take over one group's aggregate of one pane."""
        group = self.by_key.get(item.key) or self._open(item.key)
        group.version = version
        group.add(item.pane, item.aggregate, backfill=backfill)
        self._waiting.add(group)

    def fold(self) -> None:
        """Add all that waits to totals and windows."""
        for group in self._waiting:
            for pane, aggregate in group.pending.items():
                group.total.add(aggregate)
                late = self._fold_pane(group, pane * PANE_S, aggregate)
                if late:
                    flags = group.total.flags
                    flags["late"] = flags.get("late", 0) + aggregate.count
            for pane, aggregate in group.backfill.items():
                group.total.add(aggregate)
                for size_s, start_s in windows_of(pane * PANE_S):
                    self._add_part(group, size_s, start_s, aggregate)
            group.pending.clear()
            group.backfill.clear()
            self.dirty.add(group)
            self.unpublished.add(group)
        self._waiting.clear()

    def advance(self, watermark_s: int) -> None:
        """Close and evict what the watermark has passed. Folds first when it passes a pane."""
        if watermark_s // PANE_S == self.watermark_s // PANE_S:
            return
        self.fold()
        self.watermark_s = watermark_s
        while self._closing and self._closing[0][0] <= watermark_s:
            _, key, window_id = heapq.heappop(self._closing)
            group = self.by_key[key]
            self._close(group, group.windows[window_id])
        while self._leaving and self._leaving[0][0] <= watermark_s:
            _, key, window_id = heapq.heappop(self._leaving)
            group = self.by_key[key]
            del group.windows[window_id]
            self.dirty.add(group)

    def restore(self, group: Group) -> None:
        """Take over a group that was read from a checkpoint."""
        self.by_key[group.key] = group
        self._per_view[group.view] = self._per_view.get(group.view, 0) + 1
        if group.version != group.published_version:
            self.unpublished.add(group)
        for window_id, window in group.windows.items():
            self._schedule(group.key, window_id, window)

    def new(self, key: str, view: str, values: tuple[str, ...]) -> Group:
        """A group that is not yet known to this object."""
        return Group(key, view, describe(view, values), (zlib.crc32(key.encode()) >> 16) % SHARDS)

    def _open(self, key: str) -> Group:
        view, values = parse_key(key)
        count = self._per_view.get(view, 0)
        if count >= self._limit:
            key = overflow_key(view, self._partition)
            found = self.by_key.get(key)
            if found is not None:
                return found
            view, values = parse_key(key)
        self._per_view[view] = count + 1
        group = self.by_key[key] = self.new(key, view, values)
        return group

    def _fold_pane(self, group: Group, pane_s: int, aggregate: Aggregate) -> bool:
        """Add to the windows of each size; True when the shortest had left memory."""
        late = False
        for window_id in windows_of(pane_s):
            window = group.windows.get(window_id)
            if window is None:
                size_s, start_s = window_id
                if self.watermark_s >= start_s + size_s + retention_s(size_s, self._lateness_s):
                    self._add_part(group, size_s, start_s, aggregate)
                    late = late or size_s == PANE_S
                    continue
                window = group.windows[window_id] = Window(size_s, start_s, Aggregate())
                self._schedule(group.key, window_id, window)
            window.total.add(aggregate)
            if window.closed or window.end_s <= self.watermark_s:
                self._close(group, window)
        return late

    def _close(self, group: Group, window: Window) -> None:
        """For the first time, or again after late data."""
        window.closed = True
        self.revised[group.key, (window.size_s, window.start_s)] = window
        name = SUMMARIZED.get(window.size_s)
        if name is not None:
            last = group.summaries.get(name)
            if last is None or last.start_us <= window.start_s * SECOND_US:
                group.summaries[name] = summarize(window)
                self.unpublished.add(group)
        self.dirty.add(group)

    def _schedule(self, key: str, window_id: WindowId, window: Window) -> None:
        if not window.closed:
            heapq.heappush(self._closing, (window.end_s, key, window_id))
        leaves_s = window.end_s + retention_s(window.size_s, self._lateness_s)
        heapq.heappush(self._leaving, (leaves_s, key, window_id))

    def _add_part(self, group: Group, size_s: int, start_s: int, aggregate: Aggregate) -> None:
        part = self.parts.setdefault((group.key, size_s, start_s), Aggregate())
        part.add(aggregate)
