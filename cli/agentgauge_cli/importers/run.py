"""Imports a number of session files, one after the other."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from agentgauge_cli.importers.files import is_still, read_lines
from agentgauge_cli.importers.publish import FileReport, Options, Publisher, latest_us, publish_session


class Totals(msgspec.Struct, kw_only=True):
    """What all files together held."""

    files: int
    responses: int
    tool_calls: int
    errors: int
    open: int


def import_files(
    publisher: Publisher,
    files: Sequence[Path],
    *,
    options: Options,
    now_us: int,
    shift_to_now: bool = False,
    on_read: Callable[[int], None] | None = None,
) -> list[FileReport]:
    """Publish the complete items of all files. Blocks as the publisher does; the caller flushes it.

    `shift_to_now` adds one constant to all times, so that the latest item ends at `now_us`. `on_read`
    gets the bytes of each line read; with a shift, every file is read twice. A file that cannot be
    opened is reported as such.
    """
    seen = on_read or _ignore
    if shift_to_now:
        latest = max(_latest(file, now_us, seen) for file in files)
        options = msgspec.structs.replace(options, shift_us=now_us - latest, now_us=now_us)
    published: set[str] = set()
    return [_import(publisher, file, options, published, now_us, seen) for file in files]


def totals(reports: Sequence[FileReport]) -> Totals:
    """The sums over all files."""
    return Totals(
        files=len(reports),
        responses=sum(report.responses for report in reports),
        tool_calls=sum(report.tool_calls for report in reports),
        errors=sum(report.errors for report in reports),
        open=sum(len(report.open) for report in reports),
    )


def _import(
    publisher: Publisher,
    file: Path,
    options: Options,
    published: set[str],
    now_us: int,
    seen: Callable[[int], None],
) -> FileReport:
    try:
        stream = file.open("rb")
    except OSError:
        return FileReport(file=str(file), skipped={"unreadable file": 1})
    with stream:
        return publish_session(
            publisher,
            _counted(stream, seen),
            file=str(file),
            still=lambda: is_still(stream, now_us / 1e6),
            options=options,
            published=published,
        )


def _latest(file: Path, now_us: int, seen: Callable[[int], None]) -> int:
    try:
        stream = file.open("rb")
    except OSError:
        return 0
    with stream:
        return latest_us(_counted(stream, seen), still=lambda: is_still(stream, now_us / 1e6))


def _counted(stream: IO[bytes], seen: Callable[[int], None]) -> Iterator[bytes]:
    for line in read_lines(stream):
        seen(len(line) + 1)
        yield line


def _ignore(_size: int) -> None:
    pass
