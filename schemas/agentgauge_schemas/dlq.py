"""The dead-letter topic: the raw bytes as value, where they came from and why in the headers."""

import hashlib
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

MAX_VALUE_BYTES: Final = 4 * (1 << 20)
KEPT_BYTES: Final = 64 * 1024
"""Of a value that is larger than that."""

Reason = Literal[
    "foreign", "version", "undecodable", "too_large", "invalid_event", "event_too_large", "count"
]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One record of `agentgauge.dlq`. `kind` says whether a whole block or a single event is in it."""

    value: bytes
    kind: Literal["block", "event"]
    reason: Reason
    error: str
    """One sentence: what is wrong, and where in the event."""
    topic: str
    partition: int
    offset: int
    time_us: int
    producer: str = ""
    seq: int = -1
    """Of the event, or of the block's first; -1 when unknown."""
    count: int = 0
    origin_headers: tuple[tuple[str, bytes], ...] = ()
    """Those of the source record, so that a replay sends what was sent."""
    size: int = 0
    """Of the whole value, where it was cut; else 0."""
    sha256: str = ""

    def headers(self) -> list[tuple[str, bytes]]:
        """As Kafka headers; those of the source record keep their names behind `origin.`."""
        fields = {
            "kind": self.kind,
            "reason": self.reason,
            "error": self.error[:1000],
            "topic": self.topic,
            "partition": str(self.partition),
            "offset": str(self.offset),
            "time_us": str(self.time_us),
            "producer": self.producer,
            "seq": str(self.seq),
            "count": str(self.count),
            "size": str(self.size),
            "sha256": self.sha256,
        }
        own = [(name, text.encode()) for name, text in fields.items()]
        return own + [(f"origin.{name}", value) for name, value in self.origin_headers]

    @classmethod
    def parse(cls, value: bytes, headers: Iterable[tuple[str, bytes]]) -> "DeadLetter":
        """From a record. Raises msgspec.ValidationError when it is none of ours."""
        found = {name: raw for name, raw in headers if raw is not None}
        origin = tuple((name[7:], raw) for name, raw in found.items() if name.startswith("origin."))
        own = ((name, raw) for name, raw in found.items() if not name.startswith("origin."))
        fields = {name: raw.decode(errors="replace") for name, raw in own}
        letter = msgspec.convert({**fields, "value": b""}, cls, strict=False)
        return msgspec.structs.replace(letter, value=value, origin_headers=origin)


def cut_headers(headers: Iterable[tuple[str, bytes]]) -> tuple[tuple[str, bytes], ...]:
    """The first 64 kB of a record's headers, those without a value left out: enough for any of ours."""
    kept, size = [], 0
    for name, value in headers:
        # A client may send a header without a value, whatever the types say.
        if value is None:
            continue
        size += len(name.encode()) + len(value)
        if size > KEPT_BYTES:
            break
        kept.append((name, value))
    return tuple(kept)


def cut(value: bytes) -> tuple[bytes, int, str]:
    """(value, 0, "") as it is, or the first 64 kB of a value above 4 MB with its size and SHA-256."""
    if len(value) <= MAX_VALUE_BYTES:
        return value, 0, ""
    return value[:KEPT_BYTES], len(value), hashlib.sha256(value).hexdigest()
