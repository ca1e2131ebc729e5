"""Reduce's state of one source partition, and what one record does to it."""

from collections.abc import Mapping

import msgspec

from agentgauge_processors.engine.contract import (
    Checkpoint,
    Fingerprint,
    Message,
    Position,
    Record,
    StateError,
    Tick,
    fingerprint,
)
from agentgauge_processors.pricing import PriceBook
from agentgauge_processors.reduce.accounts import SHARDS, Accounts
from agentgauge_processors.reduce.grouping import group_events
from agentgauge_processors.reduce.watermark import Watermark
from agentgauge_processors.validation import BlockFault, DecodedBlock, EventFault, decode
from agentgauge_schemas.account import Account
from agentgauge_schemas.block import BlockHeaders, encode_block
from agentgauge_schemas.dlq import DeadLetter, cut, cut_headers
from agentgauge_schemas.group import MAX_ATTRIBUTE_LENGTH, merge_partition
from agentgauge_schemas.partials import Entry, PaneAggregate, Progress
from agentgauge_schemas.results import version_of
from agentgauge_schemas.topics import Topic

IDLE_AFTER_US = 30_000_000
HEAD_EVERY_US = 10_000_000
"""A head without a changed account is worth a checkpoint this often (progress only)."""


class Head(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The record of a checkpoint that says what the others belong to."""

    next: int = 0
    incarnation: int = 0
    fingerprint: Fingerprint | None = None
    watermark: Watermark = msgspec.field(default_factory=Watermark)
    shards: list[int] = []
    """Shards that were ever written: each must be there when the state is loaded."""
    services: bool = False
    expired: int = 0
    """Offsets that retention took before they were read."""
    merge_partitions: int = 0
    schema: int = 1


HEAD_KEY = b"head"
_decode_head = msgspec.msgpack.Decoder(Head).decode
_encode_head = msgspec.msgpack.Encoder().encode


class ReducePartition:
    """One source partition: accounts, watermark, and the entries that wait to be sent."""

    def __init__(self, partition: int, merge_partitions: int, prices: PriceBook) -> None:
        self.partition = partition
        self.head = Head(merge_partitions=merge_partitions)
        self.accounts = Accounts(partition)
        self.entries: list[tuple[int, Entry]] = []
        """(merge partition, entry), in order."""
        self._prices = prices
        self._last: Record | None = None
        self._dead: list[DeadLetter] = []
        self._dirty = False
        self._checkpointed_us = 0
        self._checkpointed_next = 0
        self._quiet_since_us: int | None = None
        self._seen_next = -1

    def load(self, state: Mapping[bytes, bytes]) -> Position:
        """Continue from a checkpoint, or from nothing. Raises StateError."""
        if not state:
            return Position(0, None)
        try:
            head = _decode_head(state[HEAD_KEY])
        except (KeyError, msgspec.DecodeError) as error:
            raise StateError(f"reduce partition {self.partition}: no readable head ({error!r})") from None
        if head.merge_partitions != self.head.merge_partitions:
            raise StateError(
                f"the state of reduce partition {self.partition} was made for {head.merge_partitions} merge "
                f"partitions, but .partials has {self.head.merge_partitions}: the number is fixed at creation"
            )
        self.accounts.load(state, head.shards, services=head.services)
        self.head = head
        self._checkpointed_next = head.next
        return Position(head.next, head.fingerprint)

    def restart(self) -> None:
        """The log was replaced: begin at 0 under a new incarnation."""
        self.head.next = 0
        self.head.fingerprint = self._last = None
        self.head.incarnation += 1
        self._dirty = True

    def skip(self, first: int) -> None:
        """Retention was faster: what was lost shows as gaps in its producers' accounts."""
        self.head.expired += first - self.head.next
        self.head.next = first
        self._dirty = True

    def apply(self, record: Record) -> None:
        """Book a record and queue its entries; never raises on its content."""
        if record.offset < self.head.next:
            return
        self.head.next = record.offset + 1
        self._last = record
        version = version_of(self.head.incarnation, record.offset)
        try:
            block = decode(record.headers, record.value)
        except BlockFault as fault:
            self._reject_block(record, fault, version)
            return
        account = self.accounts.touch(block.headers, version, record.timestamp_us)
        self._apply_block(record, block, account)

    def _apply_block(self, record: Record, block: DecodedBlock, account: Account) -> None:
        headers, events = block.headers, block.events
        ranges = account.accept(headers.seq, headers.count)
        self.accounts.describe(account, block)
        self._dirty = True
        if ranges != [(headers.seq, headers.seq + headers.count)]:
            kept = [seq - headers.seq for low, high in ranges for seq in range(low, high)]
            events = [events[index] for index in kept]
            new = set(kept)
            faults = [fault for fault in block.faults if fault.index in new]
        else:
            faults = block.faults
        if faults:
            account.accepted -= len(faults)
            account.rejected += len(faults)
            self._dead += [self._dead_event(record, block, fault) for fault in faults]
        if not headers.backfill and (events or not block.queue_depth):
            latest = max([event.time_us for event in events if event is not None], default=0)
            if latest or not headers.count:
                self.head.watermark.advance(latest, headers.flush_ms, record.timestamp_us)
        if events:
            groups = group_events(events, block.resource, self._prices, record.timestamp_us)
            self._queue(record.offset, headers.backfill, groups)

    def _queue(self, offset: int, backfill: bool, groups: list[PaneAggregate]) -> None:
        partitions = self.head.merge_partitions
        by_partition: dict[int, list[PaneAggregate]] = {}
        for group in groups:
            by_partition.setdefault(merge_partition(group.key, partitions), []).append(group)
        for number, members in by_partition.items():
            entry = Entry(self.partition, self.head.incarnation, offset, backfill, members)
            self.entries.append((number, entry))

    def _reject_block(self, record: Record, fault: BlockFault, version: int) -> None:
        headers = fault.headers
        if headers is None:
            self.accounts.book_foreign(version, record.timestamp_us)
        else:
            account = self.accounts.touch(headers, version, record.timestamp_us)
            fresh = sum(high - low for low, high in account.accept(headers.seq, headers.count))
            account.accepted -= fresh
            account.rejected += fresh
        self._dirty = True
        value, size, sha256 = cut(record.value or b"")
        self._dead.append(
            DeadLetter(
                value=value,
                kind="block",
                reason=fault.reason,
                error=str(fault),
                topic=Topic.EVENTS.value,
                partition=record.partition,
                offset=record.offset,
                time_us=record.timestamp_us,
                producer=headers.producer if headers else "",
                seq=headers.seq if headers else -1,
                count=headers.count if headers else 0,
                origin_headers=cut_headers(record.headers),
                size=size,
                sha256=sha256,
            )
        )

    def _dead_event(self, record: Record, block: DecodedBlock, fault: EventFault) -> DeadLetter:
        """An event's letter holds a whole block with just this event, so that it can be replayed."""
        headers = BlockHeaders(
            producer=block.headers.producer,
            partition=block.headers.partition,
            seq=block.headers.seq + fault.index,
            count=1,
            flush_ms=block.headers.flush_ms,
            backfill=block.headers.backfill,
        )
        resource = block.resource.trimmed(MAX_ATTRIBUTE_LENGTH)  # it is repeated in each letter
        value, size, sha256 = cut(encode_block(resource, [fault.raw]))
        return DeadLetter(
            value=value,
            kind="event",
            reason=fault.reason,
            error=fault.error,
            topic=Topic.EVENTS.value,
            partition=record.partition,
            offset=record.offset,
            time_us=record.timestamp_us,
            producer=headers.producer,
            seq=headers.seq,
            count=1,
            origin_headers=tuple(headers.encode()),
            size=size,
            sha256=sha256,
        )

    def progress(self, tick: Tick) -> Progress:
        """How far this partition is. Idle: read to its end, and nothing came for 30 s (at once when
        it never held a record).
        """
        end = tick.ends.get(self.partition)
        if self._seen_next != self.head.next:
            self._seen_next = self.head.next
            self._quiet_since_us = tick.now_us
        quiet = self._quiet_since_us is not None and tick.now_us - self._quiet_since_us >= IDLE_AFTER_US
        idle = end is not None and self.head.next >= end and (quiet or end == 0)
        return Progress(
            self.partition, self.head.incarnation, self.head.next, self.head.watermark.value_us, idle
        )

    def cut(self, tick: Tick, *, last: bool) -> Checkpoint | None:
        """State, accounts due for readers and dead letters of this instant."""
        moved = self.head.next != self._checkpointed_next
        waited = tick.now_us - self._checkpointed_us >= HEAD_EVERY_US
        newest = self._last or self.head.fingerprint
        log_us = newest.timestamp_us if newest is not None else 0
        state, messages = self.accounts.cut(tick.now_us, log_us, everything=last)
        if not (self._dirty or state or messages or self._dead or (moved and (waited or last))):
            return None
        written = {int(key.removeprefix(b"accounts-")) for key, _ in state if key.startswith(b"accounts-")}
        self.head.shards = sorted(written.union(self.head.shards))
        self.head.services = self.head.services or self.accounts.has_services
        assert len(self.head.shards) <= SHARDS
        if self._last is not None:
            self.head.fingerprint = fingerprint(self._last)
            self._last = None
        state.append((HEAD_KEY, _encode_head(self.head)))
        for letter in self._dead:
            messages.append(Message(Topic.DLQ, None, letter.value, tuple(letter.headers())))
        self._dead.clear()
        self._dirty = False
        self._checkpointed_us, self._checkpointed_next = tick.now_us, self.head.next
        return Checkpoint(state, messages)
