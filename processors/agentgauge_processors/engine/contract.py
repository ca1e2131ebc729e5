"""The two contracts of the engine: `Log` is what a carrier provides, `Stage` is what runs on it.

    carrier (Kafka through Faust | SQLite, on disk or in memory)
       │ records, in order, partition by partition
       ▼
    Runner ── apply ──▶ Stage (reduce | merge: pure, no clock, no I/O)
       ▲                  │ drain(): appends, acknowledged before the checkpoint that covers them
       │                  │ cut():   state and results, of one instant, committed as one
       └──── Log ◀────────┘

A stage's state and the results that it explains are committed atomically; the input position is
part of that state. So a result is never ahead of its state, and a restart continues exactly there.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from agentgauge_schemas.topics import Topic

Headers = tuple[tuple[str, bytes], ...]


class Record(NamedTuple):
    """One record as it stands in a log. `timestamp_us` is the broker's clock."""

    partition: int
    offset: int
    timestamp_us: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Message(NamedTuple):
    """One record to be written; the partition is always the writer's own, or given beside it."""

    topic: Topic
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Append(NamedTuple):
    """A message for any partition, sent outside checkpoints: what it says is tagged, so that
    sending it twice does no harm.
    """

    partition: int
    message: Message


class Checkpoint(NamedTuple):
    """What one input partition commits as one: all to that partition's number."""

    state: Sequence[tuple[bytes, bytes | None]]
    """Records of the stage's state topic, key and value; None deletes."""
    outputs: Sequence[Message]


class Fingerprint(NamedTuple):
    """What a position stands on: the record applied last. A position means nothing without its log."""

    offset: int
    timestamp_us: int
    crc: int
    """CRC-32 of the value (of b"" when it has none)."""


def fingerprint(record: Record) -> Fingerprint:
    """Of a record."""
    return Fingerprint(record.offset, record.timestamp_us, zlib.crc32(record.value or b""))


class Position(NamedTuple):
    """Where a stage goes on in a partition of its input."""

    next: int
    fingerprint: Fingerprint | None
    """None when nothing was ever applied."""


class LogError(Exception):
    """Root of what a carrier raises."""


class Fenced(LogError):
    """Another owner has taken this partition: end the process, write nothing more."""


class Unavailable(LogError):
    """The log does not answer; the caller may try again, or end and be restarted."""


class OffsetExpired(LogError):
    """The record asked for is no longer kept. `first` is the oldest one that is."""

    def __init__(self, first: int) -> None:
        super().__init__(f"the log now begins at offset {first}")
        self.first = first


class Batch(NamedTuple):
    """What a tail read of one partition."""

    topic: Topic
    partition: int
    records: list[Record]
    next: int
    """The position behind it: higher than the last offset + 1 where a log has gaps."""


class Tail(Protocol):
    """Follows any number of partitions, each from a position, for one reader."""

    async def poll(self, timeout_s: float) -> list[Batch]:
        """What came since the last poll, at most a few MB; [] when nothing came in time. A position
        that expired is moved to the log's beginning: compare `records[0].offset` where that matters.
        """

    async def close(self) -> None:
        """Give the connection back; idempotent."""


class Log(Protocol):
    """What a carrier provides. Every coroutine may block on the network or the disk, and raises
    `Unavailable` when that fails for longer than the carrier's own retries.
    """

    async def partitions(self, topic: Topic) -> int:
        """How many partitions a topic has."""

    async def end_offset(self, topic: Topic, partition: int) -> int:
        """The offset that the next record will get. Committed records only."""

    async def read(
        self, topic: Topic, partition: int, offset: int, *, max_bytes: int = 1 << 22
    ) -> list[Record]:
        """Committed records from `offset` on, at least one if there is one; [] at the end.

        Offsets may have gaps. Raises OffsetExpired when `offset` is below the log's beginning.
        """

    def tail(self, positions: Mapping[tuple[Topic, int], int]) -> Tail:
        """Follow partitions from these positions: committed records only. Does not block."""

    async def append(self, appends: Sequence[Append]) -> None:
        """Write messages and return when all are durable. Afterwards, on an error, some may be."""

    async def open(self, stage: str, topic: Topic, partition: int) -> Mapping[bytes, bytes]:
        """Become the only owner of a stage's state partition, and return that state.

        Whoever owned it before gets `Fenced` from then on. `topic` is the state's topic.
        """

    async def commit(self, stage: str, topic: Topic, partition: int, checkpoint: Checkpoint) -> None:
        """Make a checkpoint durable, all of it or nothing. Raises Fenced."""

    async def close(self, stage: str, partition: int) -> None:
        """Give a state partition back; the next `open` may be another process's."""


class Tick(NamedTuple):
    """The time and the ends of the input, as a stage is told them."""

    now_us: int
    ends: Mapping[int, int]
    """Input partition -> end offset, read in this very tick; partitions may be missing."""


class Stage(Protocol):
    """One stage over any number of input partitions. Synchronous, without a clock or I/O; never
    raises on any record's content.
    """

    name: str
    input: Topic
    state: Topic

    def load(self, partition: int, state: Mapping[bytes, bytes]) -> Position:
        """Take a partition over. Raises StateError when a part of the state is missing or unreadable."""

    def restart(self, partition: int) -> None:
        """The partition's log is a new one: position 0, next incarnation; totals and accounts stay."""

    def skip(self, partition: int, first: int) -> None:
        """Records below `first` expired unread: count them as lost and go on there."""

    def next(self, partition: int) -> int:
        """The offset that is applied next; records below it are ignored."""

    def apply(self, record: Record) -> None:
        """Apply a record of a loaded partition; offsets ascend and may have gaps."""

    def rule(self, record: Record) -> None:
        """A record of `.rules`, in order, before any input that it might affect."""

    def drain(self, tick: Tick) -> list[Append]:
        """What has to be appended, and acknowledged, before the next cut may be committed."""

    def cut(self, partition: int, tick: Tick, *, last: bool = False) -> Checkpoint | None:
        """State and results of this instant; None when there is nothing worth writing. `last`:
        the partition is about to be given up, so write everything.
        """

    def release(self, partition: int) -> None:
        """Forget a partition: another owner has it now."""


class StateError(Exception):
    """A checkpoint cannot be read back whole: never go on with a part of it."""
