"""The demo's input: recorded sessions of a coding agent, shipped compressed (see NOTICE)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from agentgauge_cli.importers.files import read_lines
from agentgauge_cli.importers.publish import FileReport, Options, Publisher, latest_us, publish_session

ARCHIVE: Final = Path(__file__).with_name("sessions.zip")
PROJECT: Final = "demo"


@contextmanager
def sessions() -> Iterator[dict[str, Callable[[], Iterator[bytes]]]]:
    """The shipped files by name, each a function that reads its lines."""
    with ZipFile(ARCHIVE) as archive:

        def reader(name: str) -> Callable[[], Iterator[bytes]]:
            def lines() -> Iterator[bytes]:
                with archive.open(name) as stream:
                    yield from read_lines(stream)

            return lines

        yield {name: reader(name) for name in sorted(archive.namelist())}


def replay(
    publisher: Publisher, *, now_us: int, on_progress: Callable[[int, int], None] | None = None
) -> list[FileReport]:
    """Publish all shipped sessions at once: their recorded times plus one constant, so that the last
    item ends at `now_us`. Blocks as the publisher does; the caller flushes it.

    `on_progress` gets the number of files done and of all files.
    """
    reports: list[FileReport] = []
    published: set[str] = set()
    with sessions() as files:
        latest = max(latest_us(read(), still=_still) for read in files.values())
        options = Options(project=PROJECT, shift_us=now_us - latest, now_us=now_us)
        for name, read in files.items():
            report = publish_session(
                publisher, read(), file=name, still=_still, options=options, published=published
            )
            reports.append(report)
            if on_progress is not None:
                on_progress(len(reports), len(files))
    return reports


def _still() -> bool:
    return True
