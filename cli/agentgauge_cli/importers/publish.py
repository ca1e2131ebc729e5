"""Publishes what was read from a session file, so that repeating it never counts twice.

The producer id is made of the session and the file's name, the sequence is the item's ordinal. What
is open leaves a gap in the sequences, which a later import of the longer file fills.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple, Protocol

import msgspec

from agentgauge_cli.importers.claude_code import Item, SessionReader
from agentgauge_schemas.block import MAX_BLOCK_BYTES, MAX_BLOCK_EVENTS, Resource
from agentgauge_schemas.conventions import CHAT
from agentgauge_schemas.event import MAX_EVENT_BYTES, Event

SERVICE: Final = "claude-code"
LIVE_WITHIN_US: Final = 3_600_000_000
"""Older than the lateness that open windows allow is old data, whatever the clock was shifted by."""
BATCH_BYTES: Final = 4 * (1 << 20)
"""Items are put in order within a batch of this size; they are out of order only a little."""
CUT_CHARACTERS: Final = 20_000
"""What is kept of a content in an event that is too large: two of them fit, however they encode."""


class Publisher(Protocol):
    """What the SDK's `BlockPublisher` does for us. May wait while its queue is full."""

    def publish(
        self,
        producer: str,
        seq: int,
        events: Sequence[bytes],
        *,
        resource: Resource,
        backfill: bool = False,
        repeatable: bool = False,
        final: bool = False,
    ) -> None:
        """Send events of consecutive sequences, the first of them `seq`."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How sessions are published."""

    project: str | None = None
    """None: the last part of the folder that the session ran in."""
    content: bool = True
    shift_us: int = 0
    """Added to every time."""
    now_us: int | None = None
    """Set: items of the last hour before it are live. None: everything is old data (backfill)."""


class FileReport(msgspec.Struct, kw_only=True):
    """What one file held."""

    file: str
    producer: str = ""
    responses: int = 0
    tool_calls: int = 0
    errors: int = 0
    """Tool calls that failed."""
    open: list[int] = []
    """Ordinals of the items that are not complete yet: import again later."""
    skipped: dict[str, int] = {}
    """Lines, or items, that were not published, by reason."""


class _Encoded(NamedTuple):
    seq: int
    backfill: bool
    data: bytes


def publish_session(
    publisher: Publisher,
    lines: Iterable[bytes],
    *,
    file: str,
    still: Callable[[], bool],
    options: Options,
    published: set[str],
) -> FileReport:
    """Read one file and publish its complete items. Blocks as the publisher does.

    `still` is asked once, after the last line. `published` holds the ids of the items of the files
    before, and is added to: an item that a resumed session repeats is left out here.
    """
    reader = SessionReader(content=options.content)
    report = FileReport(file=file)
    copied: set[int] = set()
    for batch in _batches(_items(reader, lines, still), options, published, copied, report):
        report.producer = producer_id(file, reader)
        resource = _resource(reader, options)
        for run in _runs(batch):
            events = [item.data for item in run]
            publisher.publish(
                report.producer,
                run[0].seq,
                events,
                resource=resource,
                backfill=run[0].backfill,
                repeatable=True,
            )
    report.producer = producer_id(file, reader)
    report.open = reader.open
    report.skipped = dict(reader.skipped)
    if copied:
        report.skipped["copied"] = len(copied)
    return report


def latest_us(lines: Iterable[bytes], *, still: Callable[[], bool]) -> int:
    """The end of the latest complete item; 0 when there is none."""
    items = _items(SessionReader(content=False), lines, still)
    return max((item.event.time_us for item in items), default=0)


def producer_id(file: str, reader: SessionReader) -> str:
    """Whose sequence it is: the session, and the file's name where it is another (a subagent's)."""
    stem = file.replace("\\", "/").rpartition("/")[2].removesuffix(".jsonl")
    session = reader.first_line.session_id if reader.first_line else None
    return f"{SERVICE}:{stem}" if session in (None, stem) else f"{SERVICE}:{session}/{stem}"


def _items(reader: SessionReader, lines: Iterable[bytes], still: Callable[[], bool]) -> Iterator[Item]:
    yield from chain.from_iterable(map(reader.feed, lines))
    yield from reader.end(still=still())


def _batches(
    items: Iterator[Item], options: Options, published: set[str], copied: set[int], report: FileReport
) -> Iterator[list[_Encoded]]:
    """The items, counted and encoded, in batches that are in the order of their sequences."""
    batch: list[_Encoded] = []
    size = 0
    live_after_us = None if options.now_us is None else options.now_us - LIVE_WITHIN_US
    for seq, event in items:
        if event.span_id in published:
            copied.add(seq)
            continue
        published.add(event.span_id or "")
        _count(report, event)
        event.time_us += options.shift_us
        data = encode_event(event)
        batch.append(_Encoded(seq, live_after_us is None or event.time_us < live_after_us, data))
        size += len(data)
        if size >= BATCH_BYTES or len(batch) >= MAX_BLOCK_EVENTS:
            yield sorted(batch)
            batch, size = [], 0
    if batch:
        yield sorted(batch)


def _runs(batch: Iterable[_Encoded]) -> Iterator[list[_Encoded]]:
    """Cut where a sequence is missing, where old data ends, and where a block is full."""
    run: list[_Encoded] = []
    size = 0
    for item in batch:
        if run and (
            item.seq != run[-1].seq + 1
            or item.backfill != run[-1].backfill
            or size + len(item.data) > MAX_BLOCK_BYTES
        ):
            yield run
            run, size = [], 0
        run.append(item)
        size += len(item.data)
    if run:
        yield run


def _count(report: FileReport, event: Event) -> None:
    if event.operation == CHAT:
        report.responses += 1
        return
    report.tool_calls += 1
    report.errors += event.status == "error"


def _resource(reader: SessionReader, options: Options) -> Resource:
    first = reader.first_line
    folder = (first.cwd if first else None) or ""
    project = folder.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return Resource(
        project=options.project or project or "default",
        service=SERVICE,
        release=(first.version if first else None) or "",
        session_id=(first.session_id if first else None) or "",
        sdk="agentgauge-import",
    )


_encode = msgspec.json.Encoder().encode


def encode_event(event: Event) -> bytes:
    """As JSON; the contents of an event that is too large are cut, and it says so."""
    data = _encode(event)
    if len(data) <= MAX_EVENT_BYTES:
        return data
    event.truncated = True
    event.input, event.output = _cut(event.input), _cut(event.output)
    return _encode(event)


def _cut(content: object) -> str | None:
    if content is None:
        return None
    text = content if isinstance(content, str) else _encode(content).decode()
    return text[:CUT_CHARACTERS]
