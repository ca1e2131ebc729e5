"""One partition of the merge stage, driven entry by entry: sums in, windows and totals out.

Times are seconds after `EPOCH_US`, a whole hour of no day's beginning; the clock of the broker stands
at the latest event unless a test moves it.
"""

from collections.abc import Mapping

import msgspec

from agentgauge_processors.engine.contract import Checkpoint, Message, Record, Tick
from agentgauge_processors.merge import MergeStage
from agentgauge_schemas import Entry, PaneAggregate, Partials, Progress, Series, Topic, Window
from agentgauge_schemas.aggregate import PackedAggregate
from agentgauge_schemas.group import group_key
from agentgauge_schemas.partials import PANE_S, encode_partials

EPOCH_US = 1_794_996_000_000_000
EPOCH_S = EPOCH_US // 1_000_000
KEY = group_key("tool", ("default", "a", "t"))


class Merging:
    """Partition 0 of one, fed by `sources` source partitions."""

    def __init__(
        self,
        *,
        sources: int = 1,
        allowed_lateness_s: int = 3_600,
        view_limit: int = 10_000,
        state: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.now_us = EPOCH_US
        self.log: list[Record] = []
        self.state: dict[bytes, bytes] = dict(state or {})
        self.outputs: list[Message] = []
        self._sources = sources
        self._offsets = dict.fromkeys(range(sources), 0)
        self._settings = (allowed_lateness_s, view_limit)
        self.stage = self._new()

    def event(
        self,
        at_s: float,
        *,
        key: str = KEY,
        count: int = 1,
        backfill: bool = False,
        source: int = 0,
        aggregate: PackedAggregate | None = None,
    ) -> None:
        """An entry with one group of one pane."""
        total = aggregate or PackedAggregate(count=count)
        pane = int(EPOCH_S + at_s) // PANE_S
        self.entry(Entry(source, 0, self._next_offset(source), backfill, [PaneAggregate(key, pane, total)]))

    def entry(self, *entries: Entry) -> None:
        """One record of partials."""
        self.record(encode_partials(Partials(1, self._sources, list(entries), [])))

    def watermark(self, at_s: float, *, source: int = 0, idle: bool = False) -> None:
        """A source says how far it is."""
        progress = Progress(source, 0, self._offsets[source], int((EPOCH_S + at_s) * 1_000_000), idle)
        self.progress(progress)

    def progress(self, *items: Progress) -> None:
        """A record that says only how far sources are."""
        self.record(encode_partials(Partials(1, self._sources, [], list(items))))

    def record(self, value: bytes | None) -> None:
        """Any record of `.partials` arrives and is applied."""
        self.log.append(Record(0, len(self.log), self.now_us, None, value))
        self.stage.apply(self.log[-1])

    def pass_time(self, seconds: float) -> None:
        self.now_us += int(seconds * 1_000_000)

    def cut(self, *, last: bool = False) -> Checkpoint | None:
        """The checkpoint of this instant, committed."""
        checkpoint = self.stage.cut(0, Tick(self.now_us, {}), last=last)
        for key, value in checkpoint.state if checkpoint else ():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.outputs += checkpoint.outputs if checkpoint else ()
        return checkpoint

    def crash(self) -> None:
        """kill -9: another worker begins from the last checkpoint and reads on."""
        self.stage = self._new()
        for record in self.log[self.stage.next(0) :]:
            self.stage.apply(record)

    def windows(self, size_s: int = PANE_S) -> list[Window]:
        """Every window record that was published, in order."""
        found = [
            msgspec.json.decode(message.value or b"", type=Window)
            for message in self.outputs
            if message.topic is Topic.WINDOWS
        ]
        return [window for window in found if window.size_s == size_s]

    def published(self, size_s: int = PANE_S) -> list[tuple[int, int, int, bool]]:
        """(Start in seconds, revision, count, whether it is a part) of every window record, in order."""
        return [
            (w.start_us // 1_000_000 - EPOCH_S, w.revision, w.total.count, w.part != 0)
            for w in self.windows(size_s)
        ]

    def value(self, start_s: int, size_s: int = PANE_S) -> int:
        """What readers add a window up to: the newest version of each of its parts."""
        newest: dict[int, Window] = {}
        for window in self.windows(size_s):
            if window.start_us // 1_000_000 - EPOCH_S == start_s:
                known = newest.get(window.part)
                assert known is None or known.version < window.version, "readers would keep the older one"
                newest[window.part] = window
        return sum(window.total.count for window in newest.values())

    def series(self) -> list[tuple[str, Series]]:
        """Every series record that was published, in order, by key."""
        return [
            ((message.key or b"").decode(), msgspec.json.decode(message.value or b"", type=Series))
            for message in self.outputs
            if message.topic is Topic.SERIES
        ]

    def total(self, key: str = KEY) -> Series:
        """The newest series record of a group."""
        return [series for name, series in self.series() if name == key][-1]

    def _next_offset(self, source: int) -> int:
        offset = self._offsets[source]
        self._offsets[source] = offset + 1
        return offset

    def _new(self) -> MergeStage:
        lateness_s, view_limit = self._settings
        stage = MergeStage(merge_partitions=1, allowed_lateness_s=lateness_s, view_limit=view_limit)
        stage.load(0, dict(self.state))
        return stage
