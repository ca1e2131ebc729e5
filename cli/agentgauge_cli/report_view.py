"""The report for people: a headline, tables, and sentences for what deserves attention.

`headline`, `report_tables` and `remarks` are plain data, for a terminal and for a page alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from agentgauge_cli.rendering import NOTHING, Column, duration_text, plural, print_table, print_text
from agentgauge_sinks.storage.report_model import Loss, Report, Timed, Used

SHOWN_LOSSES: Final = 20
UNKNOWN: Final = "unknown"

_CALLS: Final = (Column("calls", number=True), Column("errors", number=True))
_TOKENS: Final = (
    Column("input", number=True),
    Column("cache read", number=True, spare=2),
    Column("cache write", number=True, spare=3),
    Column("output", number=True),
)
_COST: Final = Column("cost USD", number=True)
_TIMES: Final = (Column("p50", number=True, spare=1), Column("p95", number=True))


class ReportTable(NamedTuple):
    """One table of the report."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


def print_report(report: Report) -> None:
    """All of it, to stdout."""
    print_text(headline(report))
    print()
    for table in report_tables(report):
        print_table(*table)
    for remark in remarks(report):
        print_text(remark, indent="    ")


def headline(report: Report) -> str:
    """What it all came to, in one line."""
    totals = report.totals
    if not totals.events:
        return "Nothing was counted yet."
    return (
        f"{_with_errors(totals.llm_calls, 'LLM call', totals.llm_errors)}, "
        f"{_with_errors(totals.tool_calls, 'tool call', totals.tool_errors)}, "
        f"{totals.input_tokens:,} input and {totals.output_tokens:,} output tokens, {totals.cost_usd} USD"
        + (f" without {plural(totals.unpriced, 'unpriced call')}" if totals.unpriced else "")
    )


def _with_errors(calls: int, noun: str, errors: int) -> str:
    return f"{plural(calls, noun)} ({errors:,} failed)" if errors else plural(calls, noun)


def report_tables(report: Report) -> list[ReportTable]:
    """Models, agents, tools and functions; those without rows are left out."""
    used = (*_CALLS, *_TOKENS, _COST, *_TIMES)
    tables = [
        ReportTable(
            "Models",
            [Column("model"), *used],
            _used_rows([(row.model or NOTHING, row) for row in report.models]),
        ),
        ReportTable(
            "Agents",
            [Column("agent"), *used],
            _used_rows([(row.agent or NOTHING, row) for row in report.agents]),
        ),
        ReportTable(
            "Tools", [Column("tool"), *_CALLS, *_TIMES], [_timed_row(row.tool, row) for row in report.tools]
        ),
        ReportTable(
            "Functions",
            [Column("function"), *_CALLS, *_TIMES],
            [_timed_row(row.function, row) for row in report.functions],
        ),
    ]
    return [table for table in tables if table.rows]


def _used_rows(rows: Sequence[tuple[str, Used]]) -> list[list[str]]:
    # The same number of decimals in all of a column: only so can its figures be compared.
    decimals = max((len(row.cost_usd.partition(".")[2]) for _, row in rows), default=0)
    return [
        [
            name, f"{row.calls:,}", f"{row.errors:,}", f"{row.input_tokens:,}", f"{row.cache_read_tokens:,}",
            f"{row.cache_write_tokens:,}", f"{row.output_tokens:,}", _cost(row, decimals), *_times(row),
        ]
        for name, row in rows
    ]  # fmt: skip


def _cost(row: Used, decimals: int) -> str:
    if row.unpriced == row.calls:
        return UNKNOWN  # and not 0
    whole, _, fraction = row.cost_usd.partition(".")
    return f"{whole}.{fraction.ljust(decimals, '0')}"


def _timed_row(name: str, row: Timed) -> list[str]:
    return [name or NOTHING, f"{row.calls:,}", f"{row.errors:,}", *_times(row)]


def _times(row: Timed) -> list[str]:
    return [NOTHING if value is None else duration_text(value * 1e6) for value in (row.p50_s, row.p95_s)]


def remarks(report: Report) -> Iterator[str]:
    """What the figures do not say: unknown prices, odd events, and every loss by its producer."""
    if report.unpriced_models:
        models = ", ".join(f"{model} ({plural(n, 'call')})" for model, n in report.unpriced_models.items())
        yield f"No price is known for {models}: the cost lacks them."
    if report.flags:
        yield f"Odd events, counted and flagged: {_counts(report.flags)}."
    if report.overflow:
        yield f"Too many groups in view {', '.join(report.overflow)}: what exceeds the limit is in __overflow__."
    if report.dead_letters:
        letters = sum(report.dead_letters.values())
        yield f"{plural(letters, 'dead letter')} ({_counts(report.dead_letters)}): see 'agentgauge dlq list'."
    yield _delivered(report)
    yield from losses(report)


def _delivered(report: Report) -> str:
    producers = report.producers
    parts = [f"{plural(producers.accepted, 'event')} delivered"]
    parts += [f"{producers.duplicates:,} duplicates left out"] if producers.duplicates else []
    parts += [f"{producers.rejected:,} rejected"] if producers.rejected else []
    return f"{', '.join(parts)}; {'losses:' if report.losses else 'none lost.'}"


def losses(report: Report) -> Iterator[str]:
    """One sentence for each producer of which something did not arrive, the largest loss first."""
    ordered = sorted(report.losses, key=lambda loss: (-_size(loss), loss.producer))
    for loss in ordered[:SHOWN_LOSSES]:
        yield f"  {_who(loss)}: {'; '.join(_what(loss))}"
    if len(ordered) > SHOWN_LOSSES:
        yield f"  and {plural(len(ordered) - SHOWN_LOSSES, 'more producer')} (--json names all)"


def _size(loss: Loss) -> int:
    return loss.lost + loss.missing + sum(loss.dropped.values()) + loss.about


def _who(loss: Loss) -> str:
    where = f" on {loss.host}" if loss.host else ""
    return f"producer {loss.producer} ({loss.service or loss.project}{where})"


def _what(loss: Loss) -> Iterator[str]:
    if loss.lost:
        yield f"{plural(loss.lost, 'event')} lost"
    if loss.missing:
        yield f"{plural(loss.missing, 'event')} not arrived yet"
    if any(loss.dropped.values()):
        yield f"it dropped {plural(sum(loss.dropped.values()), 'event')} itself ({_counts(loss.dropped)})"
    if loss.ended_silently:
        queued = f"about {plural(loss.about, 'event')} went with it" if loss.about else "with nothing queued"
        yield f"ended without saying so, {queued}"


def _counts(counts: Mapping[str, int], noun: str = "") -> str:
    return ", ".join(
        f"{name} {plural(count, noun) if noun else f'{count:,}'}" for name, count in counts.items()
    )
