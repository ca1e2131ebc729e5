"""The table of the running demo: one row an agent and model, one a tool, from the `.series` records."""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agentgauge_cli.rendering import NOTHING, console, duration_text, printable
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.money import usd
from agentgauge_schemas.results import Series

MAX_ROWS: Final = 12
"""Of each half; the busiest come first."""

NAMES: Final = 2
"""The first so many columns."""

_Rows = dict[tuple[str, str], Aggregate]


class LiveTable:
    """Keeps the newest record of each group and draws them: `with LiveTable() as table: table.update(...)`.

    Drawing needs a terminal; without one it collects all the same, and `summary` tells.
    """

    def __init__(self, screen: Console | None = None) -> None:
        """`screen`: where to draw; by default stderr, so that stdout holds the report alone."""
        self._newest: dict[tuple[str, ...], Series] = {}
        self._live = Live(console=screen or console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> "LiveTable":
        if self._live.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self, records: Iterable[Series]) -> None:
        """Take these records in, those with an older version aside, and draw."""
        changed = False
        for record in records:
            key = (record.view, *record.group.values())
            known = self._newest.get(key)
            if known is None or record.version > known.version:
                self._newest[key] = record
                changed = True
        if changed and self._live.is_started:
            self._live.update(self.render(), refresh=True)

    def render(self) -> Group:
        """Both halves, as rich draws them."""
        return Group(_models(self._rows("llm", "model")), _tools(self._rows("tool", "tool")))

    def summary(self) -> tuple[int, int]:
        """Model calls and tool calls so far."""
        models, tools = self._rows("llm", "model"), self._rows("tool", "tool")
        return sum(row.count for row in models.values()), sum(row.count for row in tools.values())

    def _rows(self, view: str, attribute: str) -> _Rows:
        """Sums by agent and that attribute, over all else that the view tells apart."""
        rows: _Rows = {}
        for record in self._newest.values():
            if record.view == view:
                key = record.group.get("agent", ""), record.group.get(attribute, "")
                rows.setdefault(key, Aggregate()).add(record.total)
        return rows


def _models(rows: _Rows) -> Table:
    table = []
    for key, total in _busiest(rows):
        tokens = total.input_tokens + total.output_tokens + total.unspecified_tokens
        table.append([*_cells(key, total), _short(tokens), f"{usd(total.cost_nanousd):.2f}"])
    return _table(("agent", "model", "calls", "errors", "p50", "p95", "tokens", "USD"), table)


def _tools(rows: _Rows) -> Table:
    cells = [_cells(key, total) for key, total in _busiest(rows)]
    return _table(("agent", "tool", "calls", "errors", "p50", "p95"), cells)


def _cells(key: tuple[str, str], total: Aggregate) -> list[str]:
    times = (total.quantile_us(0.5), total.quantile_us(0.95))
    return [
        *(printable(name) for name in key),
        f"{total.count:,}",
        f"{total.error_count:,}",
        *(NOTHING if time is None else duration_text(time) for time in times),
    ]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for index, title in enumerate(titles):
        if index < NAMES:
            table.add_column(title, overflow="ellipsis")
            continue
        # Names give way before numbers do: a cropped number is a wrong number.
        width = max(len(cell) for cell in (title, *(row[index] for row in rows)))
        table.add_column(title, justify="right", no_wrap=True, min_width=width)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _short(count: int) -> str:
    """Three digits: 999, 12.3k, 38.4M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return str(count)


def _busiest(rows: _Rows) -> list[tuple[tuple[str, str], Aggregate]]:
    return sorted(rows.items(), key=lambda row: (-row[1].count, row[0]))[:MAX_ROWS]
