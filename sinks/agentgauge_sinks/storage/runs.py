"""Runs: what the events of one trace add up to, in whatever order they come."""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Engine, case, literal_column

from agentgauge_sinks.storage.database import MAX_INT, Bulk, Row, insert_into
from agentgauge_sinks.storage.rows import EventRow
from agentgauge_sinks.storage.tables import TOKENS, runs

OPEN: Final = "open"
"""No root span has arrived: the run goes on, or its end was lost. The least status that was seen is
the run's, so "error" wins over "ok" and "ok" over this.
"""

_LEAST: Final = ("status", "start_us")
_GREATEST: Final = ("name", "agent", "user_id", "session_id", "end_us")
_SUMS: Final = ("events", "errors", "llm_calls", "tool_calls", "unpriced", *TOKENS, "cost_nanousd")


def runs_of(events: Iterable[EventRow]) -> list[Row]:
    """What these events add to the runs that they belong to, sorted: one row a run."""
    by_run: dict[tuple[str, str], list[EventRow]] = {}
    for event in events:
        if event.trace_id:
            by_run.setdefault((event.project, event.trace_id), []).append(event)
    return [_run(project, trace, by_run[project, trace]) for project, trace in sorted(by_run)]


def _run(project: str, trace_id: str, events: Sequence[EventRow]) -> Row:
    """A row of `runs`, in the order of its columns."""
    roots = [event for event in events if not event.parent_id and event.kind in ("span", "start")]
    return (
        project,
        trace_id,
        min([event.status for event in roots if event.kind == "span"], default=OPEN),
        # Of several roots, and of several users, the greatest name: any will do, if it is always the same.
        max([event.name for event in roots], default=""),
        max([event.agent for event in roots], default=""),
        max([event.user_id for event in events]),
        max([event.session_id for event in events]),
        min([event.time_us - (event.duration_us or 0) for event in events]),
        max([event.time_us for event in events]),
        len(events),
        len([event for event in events if event.failed]),
        len([event for event in events if event.is_llm_call]),
        len([event for event in events if event.is_tool_call]),
        len([event for event in events if event.unpriced]),
        _total([event.input_tokens for event in events]),
        _total([event.output_tokens for event in events]),
        _total([event.cache_read_tokens for event in events]),
        _total([event.cache_write_5m_tokens for event in events]),
        _total([event.cache_write_1h_tokens for event in events]),
        _total([event.reasoning_tokens for event in events]),
        _total([event.unspecified_tokens for event in events]),
        _total([event.cost_nanousd or 0 for event in events]),
    )


def _total(values: list[int]) -> int:
    return min(sum(values), MAX_INT)


def upsert_runs(engine: Engine) -> Bulk:
    """Adds rows of `runs_of` to what is stored."""
    insert = insert_into(engine, runs)
    new, old = insert.excluded, runs.c

    def saturated(name: str) -> ColumnElement[int]:
        # An overflow would stop PostgreSQL for ever and make a float of it in SQLite.
        limit: ColumnElement[int] = literal_column(str(MAX_INT))
        return case((old[name] > limit - new[name], limit), else_=old[name] + new[name])

    merged = {
        **{name: case((new[name] < old[name], new[name]), else_=old[name]) for name in _LEAST},
        **{name: case((new[name] > old[name], new[name]), else_=old[name]) for name in _GREATEST},
        **{name: saturated(name) for name in _SUMS},
    }
    return Bulk(engine, insert.on_conflict_do_update(index_elements=["project", "trace_id"], set_=merged))
