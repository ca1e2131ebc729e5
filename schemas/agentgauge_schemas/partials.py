"""What reduce tells merge: partial aggregates and progress, one msgpack record of `.partials`.

An entry is one source record's contribution to one merge partition. It is tagged with the record it
comes from, so merge applies each once however often it is sent. A progress item says how far a
source partition has been read. Fields are positional: new ones are only ever added at the end.
"""

from typing import Final

import msgspec

from agentgauge_schemas.aggregate import PackedAggregate

SCHEMA_VERSION: Final = 1
PANE_S: Final = 10
"""The shortest window: entries are cut by it, and every window is a whole number of panes."""


class PaneAggregate(msgspec.Struct, array_like=True):
    """A group's aggregate of one pane. `pane` is its start in units of `PANE_S` since the epoch."""

    key: str
    pane: int
    aggregate: PackedAggregate


class Entry(msgspec.Struct, array_like=True):
    """All that one source record adds to one merge partition."""

    source: int
    """Partition of `.events`."""
    incarnation: int
    """Of that partition's log: 0, and one more each time the log was found replaced."""
    offset: int
    backfill: bool
    groups: list[PaneAggregate]


class Progress(msgspec.Struct, array_like=True):
    """How far reduce has read a source partition."""

    source: int
    incarnation: int
    next: int
    """The offset that it reads next: all below it has been sent."""
    watermark_us: int
    """No event earlier than this is expected any more; 0 when none is known."""
    idle: bool
    """Read to the end, and nothing came for 30 s."""


class Partials(msgspec.Struct, array_like=True):
    """The value of one record."""

    schema: int
    sources: int
    """How many partitions `.events` has: merge waits for all of them."""
    entries: list[Entry]
    progress: list[Progress]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Partials)


def encode_partials(partials: Partials) -> bytes:
    """As msgpack."""
    return _encoder.encode(partials)


def decode_partials(value: bytes) -> Partials:
    """Raises msgspec.DecodeError."""
    return _decoder.decode(value)
