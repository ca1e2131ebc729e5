"""How dead letters look: a list of them, and one with all that is in it."""

import codecs
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from agentgauge_cli.letters import Letter
from agentgauge_cli.rendering import (
    NOTHING,
    Column,
    bytes_text,
    print_table,
    print_text,
    printable,
    time_text,
)

SHOWN_BYTES: Final = 16 * 1024
"""Of a value that is not JSON."""

_NOT_OURS: Final = "not written by agentgauge"


class LetterSummary(msgspec.Struct, frozen=True):
    """One letter without its value: an entry of `dlq list --json`, the head of `dlq show --json`."""

    letter: str
    time_us: int
    kind: str
    reason: str
    error: str
    source: str
    """Topic, partition and offset of the record that it comes from."""
    producer: str
    seq: int
    count: int
    bytes: int


class LetterDetails(msgspec.Struct, frozen=True):
    """All of a letter: `dlq show --json`. What is not text is hexadecimal."""

    summary: LetterSummary
    sha256: str
    headers: dict[str, str]
    """Of the source record."""
    text: str | None
    hex: str | None


def summary(letter: Letter) -> LetterSummary:
    """What `dlq list` says about a letter."""
    content, record = letter.content, letter.record
    size = len(record.value or b"")
    if content is None:
        return LetterSummary(
            str(letter.id), record.timestamp_us, "", "foreign", _NOT_OURS, "", "", -1, 0, size
        )
    return LetterSummary(
        letter=str(letter.id),
        time_us=content.time_us,
        kind=content.kind,
        reason=content.reason,
        error=content.error,
        source=f"{content.topic} {content.partition}:{content.offset}",
        producer=content.producer,
        seq=content.seq,
        count=content.count,
        bytes=content.size or size,
    )


def details(letter: Letter) -> LetterDetails:
    """What `dlq show --json` says about a letter."""
    value, content = letter.record.value or b"", letter.content
    text = _text(value)
    return LetterDetails(
        summary=summary(letter),
        sha256=content.sha256 if content else "",
        headers={
            name: _header(raw) for name, raw in (content.origin_headers if content else letter.record.headers)
        },
        text=text,
        hex=value.hex() if text is None else None,
    )


def print_letters(letters: Sequence[Letter]) -> None:
    """A table, the newest first, and how many there are for each reason."""
    if not letters:
        print("No dead letters.")
        return
    summaries = [summary(letter) for letter in letters]
    columns = [
        Column("letter"),
        Column("time (UTC)", number=True, spare=1),
        Column("what"),
        Column("reason"),
        Column("producer", spare=2),
        Column("error", shortest=40),
    ]
    rows = [
        [one.letter, time_text(one.time_us), one.kind, one.reason, one.producer or NOTHING, one.error]
        for one in summaries
    ]
    print_table("Dead letters, newest first", columns, rows)
    print(
        "; ".join(
            f"{reason}: {count:,}" for reason, count in Counter(one.reason for one in summaries).most_common()
        )
    )
    print("One of them in full: agentgauge dlq show LETTER")


def print_letter(letter: Letter) -> None:
    """Where it comes from, why it is here, its headers and its value, readable whatever it is."""
    shown = details(letter)
    head = shown.summary
    facts = {
        "letter": head.letter,
        "why": f"{head.reason}: {head.error}",
        "what": _what(head),
        "from": head.source or NOTHING,
        "received": f"{time_text(head.time_us)} UTC",
        "sent by": head.producer or NOTHING,
        "size": bytes_text(head.bytes) + (f" (cut here; SHA-256 {shown.sha256})" if shown.sha256 else ""),
    }
    for name, fact in facts.items():
        print_text(f"{name:<9} {fact}", indent=" " * 10)
    if shown.headers:
        listed = "  ".join(f"{name}={value}" for name, value in shown.headers.items())
        print_text(f"{'headers':<9} {listed}", indent=" " * 10)
    print()
    for line in _value_lines(letter.record.value or b""):
        print(line)


def _what(head: LetterSummary) -> str:
    if head.kind == "event":
        return f"one event, sequence {head.seq}"
    if head.kind == "block":
        return f"a block of {head.count:,} events from sequence {head.seq} on" if head.count else "a block"
    return NOTHING


def _value_lines(value: bytes) -> Iterator[str]:
    if not value:
        yield "(no value)"
        return
    try:
        # Python's own JSON: it takes NaN, which may be just what is wrong.
        pretty = json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    else:
        yield from (printable(line) for line in pretty.splitlines())
        return
    text = _text(value[:SHOWN_BYTES])
    if text is None:
        yield from _hex_dump(value[:SHOWN_BYTES])
    else:
        yield from (printable(line) for line in text.splitlines())
    if len(value) > SHOWN_BYTES:
        yield f"... and {bytes_text(len(value) - SHOWN_BYTES)} more (--json prints all)"


def _text(value: bytes) -> str | None:
    """None for what is binary. A character that was cut in two at the end is left out."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(value)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _hex_dump(value: bytes) -> Iterator[str]:
    for start in range(0, len(value), 16):
        row = value[start : start + 16]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start:08x}  {row.hex(' '):<47}  {seen}"


def _header(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"0x{raw.hex()}"
