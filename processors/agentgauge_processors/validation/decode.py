"""From a record of `.events` to its events, whatever is wrong with some of them.

The whole block is decoded at once; only when that fails, event by event, so that one bad event
costs only itself. `decode` (reduce) and `decode_each` (storage, which wants the text of each event
too) agree on what is valid: the fields of `HotEvent` decode, and the event is at most 256 KiB.
"""

import json
from collections.abc import Sequence

import msgspec

from agentgauge_schemas.block import (
    MAX_BLOCK_EVENTS,
    MAX_DECODED_BYTES,
    BlockHeaders,
    Resource,
    UnknownVersion,
)
from agentgauge_schemas.dlq import Reason
from agentgauge_schemas.errors import ForeignRecord
from agentgauge_schemas.event import MAX_EVENT_BYTES, Amount, HotEvent

MAX_COUNT = MAX_BLOCK_EVENTS
"""More could make an entry too large to send."""


class BlockFault(Exception):
    """Nothing of the record can be used. `headers` are None when they are not readable either."""

    def __init__(self, reason: Reason, error: str, headers: BlockHeaders | None) -> None:
        super().__init__(error)
        self.reason: Reason = reason
        self.headers = headers


class EventFault(msgspec.Struct, frozen=True):
    """One event that is not valid: its place in the block, its text and what is wrong with it."""

    index: int
    raw: bytes
    reason: Reason
    error: str


class DecodedBlock(msgspec.Struct):
    """A block whose events are decoded: `events[i]` has sequence `headers.seq + i`, or is None."""

    headers: BlockHeaders
    resource: Resource
    dropped: dict[str, int]
    queue_depth: int
    final: bool
    repeatable: bool
    events: list[HotEvent | None]
    faults: list[EventFault]


class _Frame(msgspec.Struct):
    """A block without its events. Amounts are checked here, in every path alike."""

    resource: Resource = Resource()
    dropped: dict[str, Amount] = {}
    queue_depth: Amount = 0
    final: bool = False
    repeatable: bool = False


class _HotBlock(_Frame):
    events: list[HotEvent] = []


class _RawBlock(_Frame):
    events: list[msgspec.Raw] = []


_decode_hot = msgspec.json.Decoder(_HotBlock).decode
_decode_raw = msgspec.json.Decoder(_RawBlock).decode
_decode_event = msgspec.json.Decoder(HotEvent).decode


def decode(headers: Sequence[tuple[str, bytes]], value: bytes | None) -> DecodedBlock:
    """Decode a record for counting. Raises BlockFault."""
    identity, value = _identify(headers, value)
    if len(value) <= MAX_EVENT_BYTES:  # then no event of it can be too large
        try:
            block = _decode_hot(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return _decoded(identity, block, list(block.events), [])
    frame, pairs = _each(identity, value)
    faults = [found for found, _ in pairs if isinstance(found, EventFault)]
    events = [None if isinstance(found, EventFault) else found for found, _ in pairs]
    return _decoded(identity, frame, events, faults)


def decode_each(
    headers: Sequence[tuple[str, bytes]], value: bytes | None
) -> tuple[DecodedBlock, list[bytes]]:
    """Like `decode`, and the JSON text of each event beside it. Raises BlockFault."""
    identity, value = _identify(headers, value)
    frame, pairs = _each(identity, value)
    faults = [found for found, _ in pairs if isinstance(found, EventFault)]
    events = [None if isinstance(found, EventFault) else found for found, _ in pairs]
    return _decoded(identity, frame, events, faults), [raw for _, raw in pairs]


def _identify(headers: Sequence[tuple[str, bytes]], value: bytes | None) -> tuple[BlockHeaders, bytes]:
    try:
        identity = BlockHeaders.decode(headers)
    except UnknownVersion as error:
        raise BlockFault("version", str(error), error.headers) from None
    except ForeignRecord as error:
        raise BlockFault("foreign", str(error), None) from None
    if value is None:
        raise BlockFault("undecodable", "the record has no value", identity)
    if len(value) > MAX_DECODED_BYTES:
        raise BlockFault("too_large", f"{len(value)} bytes, more than {MAX_DECODED_BYTES}", identity)
    if identity.count > MAX_COUNT:
        raise BlockFault("too_large", f"{identity.count} events, more than {MAX_COUNT}", identity)
    return identity, value


def _decoded(
    identity: BlockHeaders, frame: _Frame, events: list[HotEvent | None], faults: list[EventFault]
) -> DecodedBlock:
    if len(events) != identity.count:
        error = f"header count says {identity.count} events, the block has {len(events)}"
        raise BlockFault("count", error, identity)
    return DecodedBlock(
        identity,
        frame.resource,
        frame.dropped,
        frame.queue_depth,
        frame.final,
        frame.repeatable,
        events,
        faults,
    )


def _each(identity: BlockHeaders, value: bytes) -> tuple[_Frame, list[tuple[HotEvent | EventFault, bytes]]]:
    try:
        block = _decode_raw(value)
        raws = [bytes(raw) for raw in block.events]
        frame: _Frame = block
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        frame, raws = _lenient(identity, value, error)
    return frame, [(_event(index, raw), raw) for index, raw in enumerate(raws)]


def _lenient(identity: BlockHeaders, value: bytes, cause: Exception) -> tuple[_Frame, list[bytes]]:
    """The block as Python's own JSON reads it: it takes NaN and lone surrogates, so that a block
    with one such event still gives the others.
    """
    try:
        loose = json.loads(value)
        events = loose.pop("events", [])
        if not isinstance(events, list):
            raise TypeError
        frame = msgspec.convert(loose, _Frame)
        msgspec.json.encode(frame)  # a lone surrogate in it could not be written again
        return frame, [_text(event) for event in events]
    except (ValueError, TypeError, AttributeError, RecursionError, msgspec.ValidationError):
        raise BlockFault("undecodable", f"not a block: {cause}", identity) from None


def _text(event: object) -> bytes:
    """An event's JSON, no longer than it came: a limit on its size is a limit on what was sent."""
    try:
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # a lone surrogate: refused as an event, in ASCII
        return json.dumps(event).encode()


def _event(index: int, raw: bytes) -> HotEvent | EventFault:
    if len(raw) > MAX_EVENT_BYTES:
        return EventFault(index, raw, "event_too_large", f"{len(raw)} bytes, more than {MAX_EVENT_BYTES}")
    try:
        return _decode_event(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return EventFault(index, raw, "invalid_event", str(error))
