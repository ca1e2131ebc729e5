"""How results look: a table on a terminal, aligned plain text in a pipe, JSON for scripts.

Cells are data of users: control characters are shown, never sent to the terminal, and rich's markup
is not interpreted. Times are UTC.
"""

import sys
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from rich.console import Console

NOTHING: Final = "-"
"""Stands for a value that is not there; a zero is a value."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Column(NamedTuple):
    """A column of a table."""

    title: str
    number: bool = False
    """Aligned to the right, and never cut."""
    shortest: int = 24
    """To so many characters a narrow terminal may cut it."""
    spare: int = 0
    """Above 0: left out where a terminal is too narrow for all, the highest first."""


def print_table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """On a terminal as wide as that, in a pipe as wide as the data."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(title, columns, cells)
    else:
        _print_plain(title, columns, cells)


def _print_rich(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    screen = console()
    natural = [
        max(len(column.title), *(cell_len(row[index]) for row in rows))
        for index, column in enumerate(columns)
    ]
    table = Table(box=SIMPLE_HEAD, show_edge=False, collapse_padding=True, pad_edge=False, header_style="dim")
    widths = fitted(columns, natural, screen.width)
    for index, width in widths.items():
        justify: Literal["left", "right"] = "right" if columns[index].number else "left"
        table.add_column(
            columns[index].title, justify=justify, no_wrap=True, overflow="ellipsis", width=width
        )
    for row in rows:
        table.add_row(*(Text(row[index]) for index in widths))
    screen.print(Text(title, style="bold"))
    screen.print(table)
    screen.print()


def fitted(columns: Sequence[Column], natural: Sequence[int], available: int) -> dict[int, int]:
    """Which columns are shown, and how wide. Spare ones go first, then names are cut, numbers never."""
    widths = dict(enumerate(natural))

    def excess() -> int:
        return sum(widths.values()) + 2 * (len(widths) - 1) - available

    def cuttable(index: int) -> int:
        return 0 if columns[index].number else max(0, widths[index] - columns[index].shortest)

    while excess() > sum(map(cuttable, widths)):
        spare = max(widths, key=lambda index: columns[index].spare)
        if not columns[spare].spare:
            break
        del widths[spare]
    while excess() > 0 and any(map(cuttable, widths)):
        widths[max(widths, key=cuttable)] -= 1
    return widths


def _print_plain(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    lines = [[column.title for column in columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    print(title)
    for line in lines:
        padded = (
            cell.rjust(width) if column.number else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        )
        print("  " + "  ".join(padded).rstrip())
    print()


def print_text(text: str, *, indent: str = "") -> None:
    """A sentence: wrapped on a terminal, with all lines but the first indented; one line in a pipe."""
    line = printable(text)
    if sys.stdout.isatty():
        line = textwrap.fill(line, console().width, subsequent_indent=indent, break_on_hyphens=False)
    print(line)


def print_json(value: object) -> None:
    """Any Struct, dict or list, two spaces deep; the order of keys is that of the definition."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def console(*, stderr: bool = False) -> "Console":
    """A rich console that interprets nothing in what it prints."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Says on the terminal what takes a while, and goes away when it is done."""
    if not sys.stderr.isatty():
        yield
        return
    with console(stderr=True).status(what):
        yield


def printable(text: str) -> str:
    """The text in one line, with what would steer a terminal escaped (also bidirectional overrides)."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or unicodedata.category(char) == "Zs" else _escaped(char) for char in text
    )


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def time_text(time_us: int) -> str:
    """`2026-02-10 12:03:11.123`."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03}"


def duration_text(duration_us: float) -> str:
    """Three significant digits: `0.42 ms`, `42.1 ms`, `1.23 s`, `75.3 s`; minutes above ten: `12 min`."""
    if duration_us < 999_500:
        return f"{duration_us / 1_000:.3g} ms"
    if duration_us < 99_950_000:
        return f"{duration_us / 1_000_000:#.3g} s"
    if duration_us < 600_000_000:
        return f"{duration_us / 1_000_000:.0f} s"
    return f"{duration_us / 60_000_000:.0f} min"


def span_text(seconds: float) -> str:
    """How long ago, or how far behind, in the two units that matter: `12 s`, `3 min 5 s`, `2 d 4 h`."""
    whole = round(abs(seconds))
    for unit, size, lesser, lesser_size in (
        ("d", 86_400, "h", 3_600),
        ("h", 3_600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= size:
            rest = whole % size // lesser_size
            return f"{whole // size} {unit} {rest} {lesser}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def bytes_text(size: int) -> str:
    """`17 B`, `64.0 kB`, `1.2 GB`."""
    if size < 1_000:
        return f"{size} B"
    amount, units = float(size), iter(("kB", "MB", "GB", "TB"))
    unit = ""
    while amount >= 1_000 and (following := next(units, None)):
        amount, unit = amount / 1_000, following
    return f"{amount:.1f} {unit}"


def plural(count: int, noun: str, plural_noun: str | None = None) -> str:
    """`1 event`, `1,234 events`."""
    return f"{count:,} {noun if count == 1 else plural_noun or noun + 's'}"
