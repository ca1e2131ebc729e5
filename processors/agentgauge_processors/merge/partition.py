"""Merge's state of one merge partition, and what one record of `.partials` does to it."""

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
from agentgauge_processors.merge.clock import Clock
from agentgauge_processors.merge.group import Group, GroupState
from agentgauge_processors.merge.groups import SHARDS, Groups
from agentgauge_processors.merge.windows import SECOND_US
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.group import parse_key
from agentgauge_schemas.partials import Entry, decode_partials
from agentgauge_schemas.results import Series, Window, version_of, window_key
from agentgauge_schemas.topics import Topic

MAX_RECORD_BYTES = 4 * (1 << 20)
HEAD_EVERY_US = 10_000_000
SERIES_EVERY_US = 1_000_000
SERIES_AT_MOST_EVERY_US = 15_000_000
CALM_GROUPS = 2_000
"""Dirty groups of a partition up to which each is written every second; then less often."""


class Head(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The record of a checkpoint that says what the others belong to."""

    next: int = 0
    incarnation: int = 0
    fingerprint: Fingerprint | None = None
    applied: dict[int, tuple[int, int]] = {}
    """Source partition -> incarnation and offset of the last entry applied."""
    clock: Clock = msgspec.field(default_factory=Clock)
    closed_s: int = 0
    """How far windows are closed, and the end of the latest pane: see `Groups`."""
    newest_s: int = 0
    chunks: dict[int, int] = {}
    """Shard -> number of records that it is cut into; each must be there when it is loaded."""
    expired: int = 0
    merge_partitions: int = 0
    schema: int = 1


HEAD_KEY = b"head"
_decode_head = msgspec.msgpack.Decoder(Head).decode
_decode_groups = msgspec.msgpack.Decoder(list[GroupState]).decode
_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode


class MergePartition:
    """One merge partition: which entries were applied, groups and their windows, results to write."""

    def __init__(
        self, partition: int, merge_partitions: int, allowed_lateness_s: int, group_limit: int
    ) -> None:
        self.partition = partition
        self.head = Head(merge_partitions=merge_partitions)
        self.groups = Groups(partition, allowed_lateness_s, group_limit)
        self._last: Record | None = None
        self._changed = False
        self._checkpointed_us = 0
        self._checkpointed_next = 0

    def load(self, state: Mapping[bytes, bytes]) -> Position:
        """Continue from a checkpoint, or from nothing. Raises StateError."""
        if not state:
            return Position(0, None)
        try:
            head = _decode_head(state[HEAD_KEY])
        except (KeyError, msgspec.DecodeError) as error:
            raise StateError(f"merge partition {self.partition}: no readable head ({error!r})") from None
        if head.merge_partitions != self.head.merge_partitions:
            raise StateError(
                f"the state of merge partition {self.partition} was made for {head.merge_partitions} merge "
                f"partitions, but .partials has {self.head.merge_partitions}: the number is fixed at creation"
            )
        self.head = head
        self._checkpointed_next = head.next
        self.groups.watermark_s, self.groups.newest_s = head.closed_s, head.newest_s
        for shard, chunks in head.chunks.items():
            for chunk in range(chunks):
                self._load_chunk(state, _shard_key(shard, chunk))
        return Position(head.next, head.fingerprint)

    def _load_chunk(self, state: Mapping[bytes, bytes], key: bytes) -> None:
        try:
            groups = _decode_groups(state[key])
        except (KeyError, msgspec.DecodeError) as error:
            raise StateError(
                f"merge partition {self.partition}: the checkpoint lacks its part {key.decode()} ({error!r})"
            ) from None
        for saved in groups:
            view, values = parse_key(saved.key)
            group = self.groups.new(saved.key, view, values)
            group.restore(saved)
            self.groups.restore(group)

    def restart(self) -> None:
        """The log was replaced: begin at 0; what was applied stays applied."""
        self.head.next = 0
        self.head.fingerprint = self._last = None
        self.head.incarnation += 1
        self._changed = True

    def skip(self, first: int) -> None:
        """Entries that retention took are lost to the totals; the head remembers how many offsets."""
        self.head.expired += first - self.head.next
        self.head.next = first
        self._changed = True

    def apply(self, record: Record) -> None:
        """Apply the entries that are new, then the progress; never raises on content."""
        head = self.head
        if record.offset < head.next:
            return
        head.next = record.offset + 1
        self._last = record
        try:
            partials = decode_partials(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return  # not from reduce: the topic is ours alone, and the next record stands by itself
        version = version_of(head.incarnation, record.offset)
        for entry in partials.entries:
            if self.is_new(entry):
                head.applied[entry.source] = (entry.incarnation, entry.offset)
                self._changed = True
                for item in entry.groups:
                    self.groups.add(item, version, backfill=entry.backfill)
        head.clock.update(partials.sources, partials.progress, record.timestamp_us)
        self.groups.advance(head.clock.watermark_us // SECOND_US)

    def is_new(self, entry: Entry) -> bool:
        """Whether an entry was not applied before: reduce sends it again after a crash."""
        return (entry.incarnation, entry.offset) > self.head.applied.get(entry.source, (-1, -1))

    def cut(self, tick: Tick, *, last: bool) -> Checkpoint | None:
        """State, totals that are due, and windows that closed or were revised, of this instant."""
        groups = self.groups
        moved = self.head.next != self._checkpointed_next
        waited = tick.now_us - self._checkpointed_us >= HEAD_EVERY_US
        due = self._due(tick.now_us, everything=last)
        results = due or groups.revised or groups.parts
        if not (self._changed or results or groups.dirty or (moved and (waited or last))):
            return None
        outputs = [self._series(group, tick.now_us) for group in due]
        outputs += self._windows()
        state = self._shards()
        self.head.closed_s, self.head.newest_s = groups.watermark_s, groups.newest_s
        if self._last is not None:
            self.head.fingerprint = fingerprint(self._last)
            self._last = None
        state.append((HEAD_KEY, _encode(self.head)))
        self._changed = False
        self._checkpointed_us, self._checkpointed_next = tick.now_us, self.head.next
        return Checkpoint(state, outputs)

    def _due(self, now_us: int, *, everything: bool) -> list[Group]:
        waiting = self.groups.unpublished
        stretched = SERIES_EVERY_US * len(waiting) // CALM_GROUPS
        interval = min(max(SERIES_EVERY_US, stretched), SERIES_AT_MOST_EVERY_US)
        return [group for group in waiting if everything or group.published_us <= now_us - interval]

    def _series(self, group: Group, now_us: int) -> Message:
        group.published_version = group.version
        group.published_us = now_us
        self.groups.unpublished.discard(group)
        self.groups.dirty.add(group)
        series = Series(
            view=group.view,
            group=group.attributes,
            version=self._version(),
            total=_capped(group.current()),
            windows=group.summaries,
            watermark_us=self.head.clock.watermark_us,
        )
        return Message(Topic.SERIES, group.key.encode(), _encode_json(series))

    def _version(self) -> int:
        """That of the last record applied, not of a group's last entry: a window that closes changes
        the summaries without an entry. Before the first of a new log it is above all of the old one.
        """
        return version_of(self.head.incarnation, self.head.next) - 1

    def _windows(self) -> list[Message]:
        version = self._version()
        messages = []
        for (key, _), window in self.groups.revised.items():
            group = self.groups.by_key[key]
            record = Window(
                view=group.view,
                group=group.attributes,
                size_s=window.size_s,
                start_us=window.start_s * SECOND_US,
                part=0,
                version=version,
                revision=window.revision,
                total=_capped(window.total.named()),
            )
            window.revision += 1
            messages.append(_window_message(key, record))
        for (key, size_s, start_s), total in self.groups.parts.items():
            group = self.groups.by_key[key]
            # Parts are numbered from 1: part 0 is the one from memory.
            record = Window(
                view=group.view,
                group=group.attributes,
                size_s=size_s,
                start_us=start_s * SECOND_US,
                part=version + 1,
                version=version,
                total=_capped(total.named()),
            )
            messages.append(_window_message(key, record))
        self.groups.revised.clear()
        self.groups.parts.clear()
        return messages

    def _shards(self) -> list[tuple[bytes, bytes | None]]:
        """The records of the shards that changed, none larger than 4 MB."""
        dirty = {group.shard for group in self.groups.dirty}
        self.groups.dirty.clear()
        shards: dict[int, list[GroupState]] = {shard: [] for shard in dirty}
        if shards:
            for group in self.groups:
                if group.shard in shards:
                    shards[group.shard].append(group.state())
        records: list[tuple[bytes, bytes | None]] = []
        for shard, members in shards.items():
            values = _chunks(members)
            records += [(_shard_key(shard, chunk), value) for chunk, value in enumerate(values)]
            obsolete = range(len(values), self.head.chunks.get(shard, 0))
            records += [(_shard_key(shard, chunk), None) for chunk in obsolete]
            self.head.chunks[shard] = len(values)
        assert len(self.head.chunks) <= SHARDS
        return records


def _chunks(members: list[GroupState]) -> list[bytes]:
    try:
        value = _encode(members)
    except OverflowError:
        for member in members:
            member.total.cap()
            for window in member.windows:
                window.total.cap()
        value = _encode(members)
    if len(value) <= MAX_RECORD_BYTES or len(members) < 2:
        return [value]
    half = len(members) // 2
    return _chunks(members[:half]) + _chunks(members[half:])


def _capped(total: Aggregate) -> Aggregate:
    total.cap()
    return total


def _shard_key(shard: int, chunk: int) -> bytes:
    return b"groups-%d-%d" % (shard, chunk)


def _window_message(key: str, record: Window) -> Message:
    name = window_key(key, record.size_s, record.start_us, record.part)
    return Message(Topic.WINDOWS, name.encode(), _encode_json(record))
