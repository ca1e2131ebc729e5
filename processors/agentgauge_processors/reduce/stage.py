"""The reduce stage: all source partitions that one process owns."""

from collections.abc import Mapping

from agentgauge_processors.engine.contract import Append, Checkpoint, Message, Position, Record, Tick
from agentgauge_processors.pricing import PriceBook
from agentgauge_processors.reduce.partition import ReducePartition
from agentgauge_schemas.partials import SCHEMA_VERSION, Entry, Partials, Progress, encode_partials
from agentgauge_schemas.topics import Topic

PROGRESS_EVERY_US = 1_000_000
MAX_PARTIALS_BYTES = 4 * (1 << 20)


class ReduceStage:
    """Blocks in, partial aggregates, accounts and dead letters out (`Stage` of the engine)."""

    name = "reduce"
    input = Topic.EVENTS
    state = Topic.REDUCE_STATE

    def __init__(self, *, events_partitions: int, merge_partitions: int) -> None:
        self._sources = events_partitions
        self._merge_partitions = merge_partitions
        self._prices = PriceBook()
        self._partitions: dict[int, ReducePartition] = {}
        self._progress_us = 0

    def load(self, partition: int, state: Mapping[bytes, bytes]) -> Position:
        """Take a source partition over. Raises StateError."""
        loaded = ReducePartition(partition, self._merge_partitions, self._prices)
        position = loaded.load(state)
        self._partitions[partition] = loaded
        return position

    def restart(self, partition: int) -> None:
        """The log was replaced: accounts stay, so what comes again is a duplicate."""
        self._partitions[partition].restart()

    def skip(self, partition: int, first: int) -> None:
        """Records below `first` expired unread."""
        self._partitions[partition].skip(first)

    def next(self, partition: int) -> int:
        """The offset that is applied next."""
        return self._partitions[partition].head.next

    def apply(self, record: Record) -> None:
        """Apply one block."""
        self._partitions[record.partition].apply(record)

    def rule(self, record: Record) -> None:
        """Take a price table over; other rules are merge's business."""
        self._prices.take(record.key, record.value, record.timestamp_us)

    def drain(self, tick: Tick) -> list[Append]:
        """At most one record (rarely more, by size) for each merge partition that is concerned."""
        entries: dict[int, list[Entry]] = {}
        for partition in self._partitions.values():
            for number, entry in partition.entries:
                entries.setdefault(number, []).append(entry)
            partition.entries.clear()
        due = tick.now_us - self._progress_us >= PROGRESS_EVERY_US
        if not (entries or due):
            return []
        progress = [partition.progress(tick) for partition in self._partitions.values()]
        targets = set(entries)
        if due:
            self._progress_us = tick.now_us
            targets = set(range(self._merge_partitions))
        return [
            Append(number, Message(Topic.PARTIALS, None, value))
            for number in sorted(targets)
            for value in self._encode(entries.get(number, []), progress)
        ]

    def _encode(self, entries: list[Entry], progress: list[Progress]) -> list[bytes]:
        """Cut by size; only the last record may say how far the sources are."""
        partials = Partials(SCHEMA_VERSION, self._sources, entries, progress)
        try:
            value = encode_partials(partials)
        except OverflowError:
            for entry in entries:
                for group in entry.groups:
                    group.aggregate.cap()
            value = encode_partials(partials)
        if len(value) <= MAX_PARTIALS_BYTES or len(entries) < 2:
            return [value]
        half = len(entries) // 2
        return self._encode(entries[:half], []) + self._encode(entries[half:], progress)

    def cut(self, partition: int, tick: Tick, *, last: bool = False) -> Checkpoint | None:
        """The checkpoint of one source partition."""
        return self._partitions[partition].cut(tick, last=last)

    def release(self, partition: int) -> None:
        """Forget a partition."""
        self._partitions.pop(partition, None)
