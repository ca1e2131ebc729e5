"""The real stages on logs in memory, one step at a time: what a cluster may do, without one.

A `Simulation` owns the logs and the last committed checkpoints. Its steps are those of the engine
(apply, flush, checkpoint) and its faults: a crash forgets what was not committed, and entries that
were sent before it are sent again.
"""

from collections.abc import Iterable, Sequence

import msgspec

from agentgauge_processors.engine.contract import Append, Checkpoint, Message, Record, Tick
from agentgauge_processors.merge import MergeStage
from agentgauge_processors.reduce import ReduceStage
from agentgauge_schemas import Account, Aggregate, BlockHeaders, Event, Resource, Series, Topic, Window
from agentgauge_schemas.block import encode_block
from agentgauge_schemas.group import parse_key

EPOCH_US = 1_795_000_000_000_000
"""A round time (a whole hour) at which simulations begin."""

State = dict[bytes, bytes]


def block(
    producer: str,
    seq: int,
    events: Sequence[Event],
    *,
    resource: Resource | None = None,
    flush_ms: int = 1_000,
    backfill: bool = False,
    **own: int | bool | dict[str, int],
) -> tuple[list[tuple[str, bytes]], bytes]:
    """Headers and value as the SDK sends them."""
    headers = BlockHeaders(
        producer=producer, partition=0, seq=seq, count=len(events), flush_ms=flush_ms, backfill=backfill
    )
    encoded = [msgspec.json.encode(event) for event in events]
    return headers.encode(), encode_block(resource or Resource(), encoded, **own)  # type: ignore[arg-type] # a mix of keywords


class Simulation:
    """Sources and merge partitions with one owner each. `now_us` is the broker's and everybody's clock."""

    def __init__(
        self,
        *,
        sources: int = 2,
        merges: int = 2,
        merge_class: type[MergeStage] = MergeStage,
        allowed_lateness_s: int = 3_600,
    ) -> None:
        self.now_us = EPOCH_US
        self.sources, self.merges = sources, merges
        self.events: list[list[Record]] = [[] for _ in range(sources)]
        self.partials: list[list[Record]] = [[] for _ in range(merges)]
        self.outputs: list[tuple[int, Message]] = []
        """Committed results in order, with their partition."""
        self._merge_class = merge_class
        self._lateness_s = allowed_lateness_s
        self._reduce_state: list[State] = [{} for _ in range(sources)]
        self._merge_state: list[State] = [{} for _ in range(merges)]
        self.reduce = self._new_reduce()
        self.merge = self._new_merge()

    def send(self, source: int, sent: tuple[list[tuple[str, bytes]], bytes | None]) -> None:
        """The broker takes a record."""
        headers, value = sent
        log = self.events[source]
        log.append(Record(source, len(log), self.now_us, None, value, tuple(headers)))

    def step_reduce(self, *, limit: int = 1_000_000) -> None:
        """Reduce reads what is there (at most `limit` records a source)."""
        for source, log in enumerate(self.events):
            start = self.reduce.next(source)
            for record in log[start : start + limit]:
                self.reduce.apply(record)

    def flush(self) -> None:
        """Reduce's entries are sent and acknowledged."""
        self._append(self.reduce.drain(self.tick()))

    def checkpoint_reduce(self) -> None:
        """A flush, and the checkpoint of that instant."""
        tick = self.tick()
        appends = self.reduce.drain(tick)
        cuts = [self.reduce.cut(source, tick) for source in range(self.sources)]
        self._append(appends)
        for source, cut in enumerate(cuts):
            self._commit(self._reduce_state[source], source, cut)

    def step_merge(self, *, limit: int = 1_000_000) -> None:
        """Merge reads what is there."""
        for number, log in enumerate(self.partials):
            start = self.merge.next(number)
            for record in log[start : start + limit]:
                self.merge.apply(record)

    def checkpoint_merge(self, *, last: bool = False) -> None:
        """The checkpoint of every merge partition."""
        tick = self.tick()
        for number in range(self.merges):
            self._commit(self._merge_state[number], number, self.merge.cut(number, tick, last=last))

    def crash_reduce(self) -> None:
        """kill -9, and another process takes over."""
        self.reduce = self._new_reduce()

    def crash_merge(self) -> None:
        """kill -9, and another process takes over."""
        self.merge = self._new_merge()

    def drain(self) -> None:
        """Everything is read, committed and published."""
        self.step_reduce()
        self.checkpoint_reduce()
        self.step_merge()
        self.checkpoint_merge(last=True)

    def pass_time(self, seconds: float) -> None:
        """The clock moves on."""
        self.now_us += int(seconds * 1_000_000)

    def tick(self) -> Tick:
        """What the engine would tell a stage now."""
        return Tick(self.now_us, {source: len(log) for source, log in enumerate(self.events)})

    # What readers see.

    def series(self) -> dict[str, Series]:
        """The latest series record of each group."""
        found: dict[str, Series] = {}
        for _, message in self.outputs:
            if message.topic is Topic.SERIES and message.key and message.value:
                series = msgspec.json.decode(message.value, type=Series)
                key = message.key.decode()
                assert key not in found or found[key].version <= series.version, "a version fell"
                found[key] = series
        return found

    def totals(self, view: str) -> dict[tuple[str, ...], Aggregate]:
        """Attribute values -> total."""
        return {
            parse_key(key)[1]: series.total for key, series in self.series().items() if series.view == view
        }

    def windows(self, size_s: int) -> dict[tuple[str, int], Aggregate]:
        """(Group key, start) -> the sum of a window's parts: each part's newest version counts."""
        newest: dict[bytes, Window] = {}
        for _, message in self.outputs:
            if message.topic is Topic.WINDOWS and message.key and message.value:
                window = msgspec.json.decode(message.value, type=Window)
                known = newest.get(message.key)
                if known is None or window.version > known.version:
                    newest[message.key] = window
        sums: dict[tuple[str, int], Aggregate] = {}
        for key, window in newest.items():
            if window.size_s == size_s:
                group = key.decode()[1:].rsplit(",", 3)[0]
                sums.setdefault((group, window.start_us // 1_000_000), Aggregate()).add(window.total)
        return sums

    def accounts(self) -> dict[str, Account]:
        """The latest account of each producer."""
        found: dict[str, Account] = {}
        for _, message in self.outputs:
            if message.topic is Topic.PRODUCERS and message.key and not message.key.startswith(b"service:"):
                key = message.key.decode()
                if message.value is None:
                    found.pop(key, None)
                else:
                    found[key] = msgspec.json.decode(message.value, type=Account)
        return found

    def messages(self, topic: Topic) -> list[Message]:
        """All committed messages of a topic."""
        return [message for _, message in self.outputs if message.topic is topic]

    def _append(self, appends: Iterable[Append]) -> None:
        for append in appends:
            log = self.partials[append.partition]
            log.append(Record(append.partition, len(log), self.now_us, None, append.message.value))

    def _commit(self, state: State, partition: int, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            return
        for key, value in checkpoint.state:
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        self.outputs += [(partition, message) for message in checkpoint.outputs]

    def _new_reduce(self) -> ReduceStage:
        stage = ReduceStage(events_partitions=self.sources, merge_partitions=self.merges)
        for source in range(self.sources):
            stage.load(source, dict(self._reduce_state[source]))
        return stage

    def _new_merge(self) -> MergeStage:
        stage = self._merge_class(merge_partitions=self.merges, allowed_lateness_s=self._lateness_s)
        for number in range(self.merges):
            stage.load(number, dict(self._merge_state[number]))
        return stage
