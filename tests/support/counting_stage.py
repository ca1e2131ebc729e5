"""A stage that only counts: small enough to see at once whether the engine did right.

Each record of `.events` adds 1 to its key's count. What it appends, for every record, is an entry for the
merge partition of the key; what it publishes, in checkpoints, is the count of each key that changed.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from agentgauge_processors.engine.contract import (
    Append,
    Checkpoint,
    Fingerprint,
    Message,
    Position,
    Record,
    StateError,
    Tick,
    fingerprint,
)
from agentgauge_schemas.topics import Topic

_encode = msgspec.json.Encoder().encode


class Head(msgspec.Struct):
    """The state's first record."""

    next: int
    fingerprint: Fingerprint | None
    incarnation: int


@dataclass
class Counts:
    """Of one partition."""

    next: int = 0
    fingerprint: Fingerprint | None = None
    incarnation: int = 0
    by_key: dict[str, int] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    applied: list[int] = field(default_factory=list)
    skipped: list[tuple[int, int]] = field(default_factory=list)


class CountingStage:
    """As the contract's `Stage`, from `.events` to `.partials` and `.producers`."""

    name = "reduce"
    input = Topic.EVENTS
    state = Topic.REDUCE_STATE

    def __init__(self) -> None:
        self.partitions: dict[int, Counts] = {}
        self.rules: list[bytes | None] = []
        self.ticks: list[Tick] = []
        self.drained: list[Append] = []

    def load(self, partition: int, state: Mapping[bytes, bytes]) -> Position:
        """As `Stage.load`."""
        counts = Counts()
        if state:
            try:
                head = msgspec.json.decode(state[b"head"], type=Head)
                counts.by_key = msgspec.json.decode(state[b"counts"], type=dict[str, int])
            except (KeyError, msgspec.DecodeError) as error:
                raise StateError(f"partition {partition}: {error!r}") from error
            counts.next, counts.fingerprint = head.next, head.fingerprint
            counts.incarnation = head.incarnation
        self.partitions[partition] = counts
        return Position(counts.next, counts.fingerprint)

    def restart(self, partition: int) -> None:
        """As `Stage.restart`."""
        counts = self.partitions[partition]
        counts.next, counts.fingerprint = 0, None
        counts.incarnation += 1

    def skip(self, partition: int, first: int) -> None:
        """As `Stage.skip`."""
        counts = self.partitions[partition]
        counts.skipped.append((counts.next, first))
        counts.next = first

    def next(self, partition: int) -> int:
        """As `Stage.next`."""
        return self.partitions[partition].next

    def apply(self, record: Record) -> None:
        """As `Stage.apply`."""
        counts = self.partitions[record.partition]
        key = (record.key or b"").decode()
        counts.by_key[key] = counts.by_key.get(key, 0) + 1
        counts.dirty.add(key)
        counts.next, counts.fingerprint = record.offset + 1, fingerprint(record)
        counts.applied.append(record.offset)
        entry = _encode([record.partition, record.offset, key])
        self.drained.append(Append(zlib.crc32(key.encode()) % 4, Message(Topic.PARTIALS, None, entry)))

    def rule(self, record: Record) -> None:
        """As `Stage.rule`."""
        self.rules.append(record.value)

    def drain(self, tick: Tick) -> list[Append]:
        """As `Stage.drain`."""
        self.ticks.append(tick)
        drained, self.drained = self.drained, []
        return drained

    def cut(self, partition: int, tick: Tick, *, last: bool = False) -> Checkpoint | None:
        """As `Stage.cut`."""
        counts = self.partitions[partition]
        if not counts.dirty and not last:
            return None
        head = Head(counts.next, counts.fingerprint, counts.incarnation)
        outputs = [
            Message(Topic.PRODUCERS, key.encode(), b"%d" % counts.by_key[key]) for key in sorted(counts.dirty)
        ]
        counts.dirty.clear()
        return Checkpoint([(b"head", _encode(head)), (b"counts", _encode(counts.by_key))], outputs)

    def release(self, partition: int) -> None:
        """As `Stage.release`."""
        del self.partitions[partition]
