"""The status page as HTML: a headline, what does not work, and tables. No script, nothing from elsewhere."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from agentgauge_cli.rendering import Column, printable
from agentgauge_cli.report_view import ReportTable, headline, remarks, report_tables
from agentgauge_sinks.storage.report_model import Report

REFRESH_S: Final = 5


def render_page(report: Report, addresses: Mapping[str, str], problems: Mapping[str, str]) -> str:
    """The whole document. `addresses` name what else listens here; `problems` are shown first."""
    body = [
        "<header><h1>agentgauge</h1>",
        f"<p>{_text(headline(report))}</p>",
        "<dl>",
        *(f"<dt>{_text(name)}</dt><dd><code>{_text(at)}</code></dd>" for name, at in addresses.items()),
        "</dl></header>",
        *(f'<p class="problem">{_text(part)}: {_text(why)}</p>' for part, why in problems.items()),
        *(_table(table) for table in report_tables(report)),
        *(f"<p>{_text(remark)}</p>" for remark in remarks(report)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>agentgauge</title>'
        f'<meta http-equiv="refresh" content="{REFRESH_S}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def _table(table: ReportTable) -> str:
    head = "".join(f"<th{_align(column)}>{_text(column.title)}</th>" for column in table.columns)
    rows = "".join(f"<tr>{_row(table, row)}</tr>" for row in table.rows)
    return (
        f'<section><h2>{_text(table.title)}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _row(table: ReportTable, row: Sequence[str]) -> str:
    cells = zip(table.columns, row, strict=True)
    return "".join(f"<td{_align(column)}>{_text(cell)}</td>" for column, cell in cells)


def _align(column: Column) -> str:
    return ' class="number"' if column.number else ""


def _text(text: str) -> str:
    return escape(printable(text))


_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --dim: #667085; --line: #e3e7ee; --paper: #fff; --bad: #b42318 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --dim: #98a2b3; --line: #2b3342; --paper: #12161d; --bad: #ff8a7a } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 72rem; margin: 0 auto; padding: 2rem 1.5rem 4rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1rem; margin: 2.25rem 0 .5rem }
header p { color: var(--dim); margin: .25rem 0 1rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0 }
dt { color: var(--dim) } dd { margin: 0 } code { font: 13px ui-monospace, monospace }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-weight: 500; color: var(--dim); font-size: .85rem }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); white-space: nowrap }
.number { text-align: right; font-variant-numeric: tabular-nums; padding-right: 0; padding-left: .9rem }
.problem { color: var(--bad); border-left: 3px solid; padding-left: .75rem }
"""
