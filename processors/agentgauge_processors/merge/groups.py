"""All groups of one merge partition: found by key, limited in number; their windows closed and evicted."""

import heapq
import zlib
from collections.abc import Iterator

import msgspec

from agentgauge_processors.merge.group import Group, summarize
from agentgauge_processors.merge.windows import SECOND_US, Window, WindowId, retention_s, windows_of
from agentgauge_schemas.aggregate import PackedAggregate
from agentgauge_schemas.group import describe, overflow_key, parse_key
from agentgauge_schemas.partials import PANE_S, PaneAggregate

SHARDS = 64
UNKNOWN_VIEW = "unknown"
MAX_OPEN_S = 6 * 3_600
"""A source that stopped reporting holds the watermark, but not the memory: windows this far behind
the latest event are closed, and what comes for them later revises them or becomes a part."""

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
        self.parts: dict[PartId, PackedAggregate] = {}
        """What belongs to windows that are not in memory."""
        self.watermark_s = 0
        """How far windows are closed: `MAX_OPEN_S` behind `newest_s` at the most."""
        self.newest_s = 0
        """The end of the latest pane."""
        self._partition = partition
        self._lateness_s = allowed_lateness_s
        self._limit = group_limit
        self._per_view: dict[str, int] = {}
        self._closing: list[tuple[int, int, str]] = []
        self._leaving: list[tuple[int, WindowId, str]] = []

    def __iter__(self) -> Iterator[Group]:
        return iter(self.by_key.values())

    def add(self, item: PaneAggregate, version: int, *, backfill: bool) -> None:
        """Count one group's aggregate of one pane, and keep it: it belongs to this object now."""
        group = self.by_key.get(item.key) or self._open(item.key)
        group.version = version
        self.dirty.add(group)
        self.unpublished.add(group)
        aggregate, start_s = item.aggregate, item.pane * PANE_S
        if aggregate.errors:
            group.limit_errors(aggregate)
        if backfill:
            group.total.add(aggregate)
            for size_s, window_s in windows_of(start_s):
                self._add_part(group, size_s, window_s, aggregate)
            return
        self.newest_s = max(self.newest_s, start_s + PANE_S)
        pane = group.windows.get((PANE_S, start_s))
        if pane is not None:
            pane.total.add(aggregate)
            if pane.closed:
                self._publish(group, pane)
                self._add_up(group, start_s, aggregate)
        elif not self._left_memory(PANE_S, start_s):
            self._insert(group, Window(PANE_S, start_s, aggregate))
        else:
            self._add_part(group, PANE_S, start_s, aggregate)
            if self.watermark_s >= start_s + PANE_S + self._lateness_s:
                flags = group.total.flags
                flags["late"] = flags.get("late", 0) + aggregate.count + sum(aggregate.kinds.values())
            self._add_up(group, start_s, aggregate)

    def advance(self, watermark_s: int) -> None:
        """Close and evict what the watermark has passed."""
        watermark_s = max(watermark_s, self.newest_s - MAX_OPEN_S)
        if watermark_s <= self.watermark_s:
            return
        self.watermark_s = watermark_s
        while self._closing and self._closing[0][0] <= watermark_s:
            end_s, size_s, key = heapq.heappop(self._closing)
            group = self.by_key[key]
            self._close(group, group.windows[size_s, end_s - size_s])
        while self._leaving and self._leaving[0][0] <= watermark_s:
            _, window_id, key = heapq.heappop(self._leaving)
            group = self.by_key[key]
            del group.windows[window_id]
            self.dirty.add(group)

    def restore(self, group: Group) -> None:
        """Take over a group that was read from a checkpoint."""
        self.by_key[group.key] = group
        self._per_view[group.view] = self._per_view.get(group.view, 0) + 1
        if group.version != group.published_version:
            self.unpublished.add(group)
        for window in group.windows.values():
            self._schedule(group.key, window)

    def new(self, key: str, view: str, values: tuple[str, ...]) -> Group:
        """A group that is not yet known to this object."""
        return Group(key, view, describe(view, values), (zlib.crc32(key.encode()) >> 16) % SHARDS)

    def _open(self, key: str) -> Group:
        try:
            view, values = parse_key(key)
        except msgspec.DecodeError:  # not from reduce; counted nevertheless
            return self._overflow(UNKNOWN_VIEW)
        if self._per_view.get(view, 0) >= self._limit:
            return self._overflow(view)
        return self._create(key, view, values)

    def _overflow(self, view: str) -> Group:
        key = overflow_key(view, self._partition)
        return self.by_key.get(key) or self._create(key, *parse_key(key))

    def _create(self, key: str, view: str, values: tuple[str, ...]) -> Group:
        self._per_view[view] = self._per_view.get(view, 0) + 1
        group = self.by_key[key] = self.new(key, view, values)
        return group

    def _insert(self, group: Group, window: Window) -> None:
        group.windows[window.size_s, window.start_s] = window
        self._schedule(group.key, window)
        if window.end_s <= self.watermark_s:
            self._close(group, window)

    def _close(self, group: Group, window: Window) -> None:
        """For the first time; a pane is added to what holds it when it closes, so that a source
        record costs one addition a group.
        """
        if window.closed:
            return
        window.closed = True
        self._publish(group, window)
        if window.size_s == PANE_S:
            self._add_up(group, window.start_s, window.total)

    def _add_up(self, group: Group, pane_s: int, aggregate: PackedAggregate) -> None:
        """Add to the total and to the windows above the pane."""
        group.total.add(aggregate)
        for window_id in windows_of(pane_s)[1:]:
            window = group.windows.get(window_id)
            if window is not None:
                window.total.add(aggregate)
                if window.closed:
                    self._publish(group, window)
            elif self._left_memory(*window_id):
                self._add_part(group, *window_id, aggregate)
            else:
                added = Window(*window_id, PackedAggregate())
                added.total.add(aggregate)
                self._insert(group, added)

    def _publish(self, group: Group, window: Window) -> None:
        """Readers get a window when it closes and whenever it is revised."""
        self.revised[group.key, (window.size_s, window.start_s)] = window
        name = SUMMARIZED.get(window.size_s)
        if name is not None:
            last = group.summaries.get(name)
            if last is None or last.start_us <= window.start_s * SECOND_US:
                group.summaries[name] = summarize(window)
                group.published_version = -1
                self.unpublished.add(group)
        self.dirty.add(group)

    def _left_memory(self, size_s: int, start_s: int) -> bool:
        return self.watermark_s >= start_s + size_s + retention_s(size_s, self._lateness_s)

    def _schedule(self, key: str, window: Window) -> None:
        if not window.closed:
            # Panes before the windows that end with them.
            heapq.heappush(self._closing, (window.end_s, window.size_s, key))
        leaves_s = window.end_s + retention_s(window.size_s, self._lateness_s)
        heapq.heappush(self._leaving, (leaves_s, (window.size_s, window.start_s), key))

    def _add_part(self, group: Group, size_s: int, start_s: int, aggregate: PackedAggregate) -> None:
        part = self.parts.setdefault((group.key, size_s, start_s), PackedAggregate())
        part.add(aggregate)
