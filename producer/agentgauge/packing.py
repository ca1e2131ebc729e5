"""Packing: when to send, and how queued events become blocks. Pure; time is given."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

import msgspec

from agentgauge.buffer import NEVER, Item
from agentgauge_schemas.block import MAX_BLOCK_BYTES, MAX_BLOCK_EVENTS, BlockHeaders, Resource, encode_block

SMALL_BLOCK: Final = 20
"""A block of fewer events costs the pipeline several times as much per event."""

BACKFILL_AGE_US: Final = 3_600_000_000
"""Older than the pipeline's allowed lateness: such events count, but move no watermark."""

_WIDENING: Final = 2.0
_HEAD_BYTES: Final = 8 * 1024
"""Kept free in a block for what is not events."""

T = TypeVar("T")


class PackedBlock(msgspec.Struct):
    """A block that has its sequence; every attempt to send it repeats that."""

    producer: str
    seq: int
    resource: Resource
    events: list[bytes]
    last_us: int = 0
    flush_ms: int = 1_000
    dropped: dict[str, int] = {}
    queue_depth: int = 0
    final: bool = False
    repeatable: bool = False
    backfill: bool = False

    @property
    def event_bytes(self) -> int:
        """The events' size."""
        return sum(map(len, self.events))

    def headers(self, partition: int) -> list[tuple[str, bytes]]:
        """The record's."""
        return BlockHeaders(
            producer=self.producer,
            partition=partition,
            seq=self.seq,
            count=len(self.events),
            flush_ms=self.flush_ms,
            backfill=self.backfill,
        ).encode()

    def value(self) -> bytes:
        """The record's."""
        return encode_block(
            self.resource,
            self.events,
            dropped=self.dropped,
            queue_depth=self.queue_depth,
            final=self.final,
            repeatable=self.repeatable,
        )

    def halves(self) -> tuple["PackedBlock", "PackedBlock"]:
        """The same events in two blocks, their sequences unchanged."""
        middle = len(self.events) // 2
        return (
            msgspec.structs.replace(self, events=self.events[:middle], final=False),
            msgspec.structs.replace(self, events=self.events[middle:], seq=self.seq + middle),
        )


class Pace:
    """Decides how long events may wait: `base` seconds, and up to `widest` while few come."""

    def __init__(self, base_s: float, widest_s: float, batch_size: int) -> None:
        self.base_s = base_s
        self.widest_s = widest_s
        self.batch_size = batch_size
        self._interval_s = base_s

    def due_in(self, count: int, size: int, waited_s: float) -> float:
        """Seconds until queued events are to be sent. `waited_s`: how long the first has waited."""
        if count >= self.batch_size or size >= MAX_BLOCK_BYTES:
            return 0.0
        wait = self.base_s if count >= SMALL_BLOCK else self._interval_s
        return max(0.0, wait - waited_s)

    def wake_at(self, count: int) -> int:
        """The number of queued events at which `due_in` should be asked again."""
        if count == 0:
            return 1
        if count < SMALL_BLOCK < self.batch_size and self._interval_s > self.base_s:
            return SMALL_BLOCK
        return self.batch_size if count < self.batch_size else NEVER

    def sent(self, count: int, waited_s: float) -> int:
        """Note what was sent; returns the longest wait, in milliseconds, of it and of what follows,
        which is what readers have to reckon with.
        """
        before = self._interval_s
        if count >= SMALL_BLOCK and waited_s <= self.base_s:
            self._interval_s = self.base_s
        elif 0 < count < SMALL_BLOCK and waited_s >= before:
            self._interval_s = min(before * _WIDENING, self.widest_s)
        return int(max(before, self._interval_s) * 1000)


class Packer:
    """Cuts queued events into blocks and numbers them. `resource` is that of empty blocks."""

    def __init__(self, producer: str, resource: Resource) -> None:
        self.producer = producer
        self.resource = resource
        self._next = 0

    def pack(self, items: Iterable[Item], now_us: int) -> list[PackedBlock]:
        """Blocks of one resource each, the old events apart; order is kept in each of them."""
        lanes: dict[tuple[Resource, bool], list[Item]] = {}
        oldest_us = now_us - BACKFILL_AGE_US
        lane: list[Item] = []
        lane_resource: Resource | None = None
        for item in items:
            # Nearly always those of the item before: hashing a resource for each costs more than the rest.
            if item[1] is not lane_resource or item[0] < oldest_us:
                lane_resource = None if item[0] < oldest_us else item[1]
                lane = lanes.setdefault((item[1], item[0] < oldest_us), [])
            lane.append(item)
        return [
            self._block(resource, [item[2] for item in part], backfill, part[-1][0])
            for (resource, backfill), lane in lanes.items()
            for part in cut(lane, _size)
        ]

    def empty(self, *, final: bool = False) -> PackedBlock:
        """A block without events: only what the producer says about itself."""
        block = self._block(self.resource, [], False, 0)
        block.final = final
        return block

    def _block(self, resource: Resource, events: list[bytes], backfill: bool, last_us: int) -> PackedBlock:
        block = PackedBlock(self.producer, self._next, resource, events, backfill=backfill, last_us=last_us)
        self._next += len(events)
        return block


def cut(items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Parts that fit into a block: at most 1,000 events and 1 MiB. `size_of`: of an event, encoded."""
    part: list[T] = []
    room = MAX_BLOCK_BYTES - _HEAD_BYTES
    for item in items:
        size = size_of(item) + 1
        if part and (len(part) == MAX_BLOCK_EVENTS or room < size):
            yield part
            part = []
            room = MAX_BLOCK_BYTES - _HEAD_BYTES
        part.append(item)
        room -= size
    if part:
        yield part


def _size(item: Item) -> int:
    return len(item[2])
