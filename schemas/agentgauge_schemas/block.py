"""The block: what one Kafka record of `agentgauge.events` holds.

The value is JSON, so that `kcat | jq` reads it: the resource once, what the producer says about
itself, and up to 1,000 events or 1 MiB. The identity of its events stands in the record's headers,
so that a record whose value is broken is still booked in its producer's account.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec

from agentgauge_schemas.errors import ForeignRecord, SchemaError
from agentgauge_schemas.event import Amount, Event

SCHEMA_VERSION: Final = 1
MAX_BLOCK_EVENTS: Final = 1_000
MAX_BLOCK_BYTES: Final = 1 << 20
"""Of a value as the SDK sends it, before compression."""
MAX_DECODED_BYTES: Final = 8 * (1 << 20)
"""A larger value is not decoded at all."""

MAX_PRODUCER_LENGTH: Final = 256
"""Characters of a producer id: longer ones are nobody's."""
MAX_FLUSH_MS: Final = 86_400_000

Headers = Sequence[tuple[str, bytes]]


class Resource(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who sent the block; what an event does not say itself it takes from here."""

    project: str = "default"
    environment: str = "default"
    service: str = ""
    release: str = ""
    host: str = ""
    agent: str = ""
    user: str = ""
    session_id: str = ""
    conversation_id: str = ""
    client_id: str = ""
    sdk: str = ""
    process: int = 0

    def trimmed(self, length: int) -> "Resource":
        """With no text longer than that: what is kept or repeated must not grow with its sender."""
        texts = ((name, text) for name, text in msgspec.structs.asdict(self).items() if isinstance(text, str))
        return msgspec.structs.replace(self, **{name: text[:length] for name, text in texts})


class Block(msgspec.Struct, omit_defaults=True):
    """A decoded value, every field of every event; `HotBlock` of processors decodes fewer."""

    resource: Resource = Resource()
    dropped: dict[str, Amount] = {}
    """Events that the producer gave up, by reason, since it started."""
    queue_depth: Amount = 0
    """Events that still waited in the producer when it packed this block."""
    final: bool = False
    """The last block of a clean end."""
    repeatable: bool = False
    """The producer id is derived from the data (import, replay): its account is kept for ever."""
    events: list[Event] = []


class BlockHeaders(msgspec.Struct, frozen=True):
    """The headers of a block: whose events these are, and how to read them."""

    producer: str
    partition: Annotated[int, msgspec.Meta(ge=0)]
    seq: Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
    """Of the first event."""
    count: Annotated[int, msgspec.Meta(ge=0, le=100_000)]
    flush_ms: Annotated[int, msgspec.Meta(ge=0)] = 1_000
    """The producer's longest wait before it sends: how late its events may be."""
    backfill: bool = False
    """Old data: it counts, but moves no watermark and evaluates no rule."""
    format: str = "json"
    schema: int = SCHEMA_VERSION

    def encode(self) -> list[tuple[str, bytes]]:
        """As Kafka headers."""
        headers = [
            ("schema", b"%d" % self.schema),
            ("format", self.format.encode()),
            ("producer", self.producer.encode()),
            ("partition", b"%d" % self.partition),
            ("seq", b"%d" % self.seq),
            ("count", b"%d" % self.count),
            ("flush", b"%d" % self.flush_ms),
        ]
        if self.backfill:
            headers.append(("backfill", b"1"))
        return headers

    @classmethod
    def decode(cls, headers: Iterable[tuple[str, bytes]]) -> "BlockHeaders":
        """Raises ForeignRecord when these are no headers of a block, UnknownVersion when of a later one."""
        found = dict(headers)
        try:
            result = cls(
                producer=found["producer"].decode(),
                partition=int(found["partition"]),
                seq=int(found["seq"]),
                count=int(found["count"]),
                flush_ms=int(found.get("flush", b"1000")),
                backfill=found.get("backfill") == b"1",
                format=found.get("format", b"json").decode(),
                schema=int(found["schema"]),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:  # Kafka headers may be null
            raise ForeignRecord(f"not a block of agentgauge: {error!r} in its headers") from None
        if not result.is_in_range():
            raise ForeignRecord("not a block of agentgauge: a number or the producer is out of range")
        if result.schema > SCHEMA_VERSION or result.format != "json":
            raise UnknownVersion(result)
        return result

    def is_in_range(self) -> bool:
        """Whether the numbers can be meant: some of them are kept, and summed, in states."""
        return (
            0 < len(self.producer) <= MAX_PRODUCER_LENGTH
            and self.partition >= 0
            and 0 <= self.seq <= 1 << 62
            and 0 <= self.count <= 100_000
            and 0 <= self.flush_ms <= MAX_FLUSH_MS
            and self.schema >= 1
        )


class UnknownVersion(SchemaError):
    """The record is ours, but of a later version or another format. `.headers` are readable."""

    def __init__(self, headers: BlockHeaders) -> None:
        super().__init__(f"block of schema {headers.schema}, format {headers.format!r}: not known here")
        self.headers = headers


def encode_block(
    resource: Resource,
    events: Iterable[bytes],
    *,
    dropped: dict[str, int] | None = None,
    queue_depth: int = 0,
    final: bool = False,
    repeatable: bool = False,
) -> bytes:
    """A block's value from events that are encoded already (each one a JSON object)."""
    head = msgspec.json.encode(
        Block(
            resource=resource,
            dropped=dropped or {},
            queue_depth=queue_depth,
            final=final,
            repeatable=repeatable,
        )
    )
    comma = b"" if head == b"{}" else b","
    return head[:-1] + comma + b'"events":[' + b",".join(events) + b"]}"


_block_decoder = msgspec.json.Decoder(Block)


def decode_block(value: bytes) -> Block:
    """All of a block, strictly. Raises msgspec.DecodeError (ValidationError is one)."""
    return _block_decoder.decode(value)
