from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, delete, select

from agentgauge_sinks.storage.database import MAX_INT
from agentgauge_sinks.storage.rows import EventRow
from agentgauge_sinks.storage.runs import runs_of, upsert_runs
from agentgauge_sinks.storage.tables import events, metadata, runs

TEXT = {column.name: "" for column in events.columns if column.type.python_type is str}
NUMBERS = {column.name: 0 for column in events.columns if column.type.python_type is int}


def row(**fields: object) -> EventRow:
    return EventRow(**{**TEXT, **NUMBERS, "kind": "span", "status": "ok", "project": "p", **fields})  # type: ignore[arg-type]  # a table of values, checked by the test of its columns


event_rows = st.builds(
    row,
    trace_id=st.sampled_from(("", "t1", "t1", "t2")),
    parent_id=st.sampled_from(("", "root")),
    kind=st.sampled_from(("span", "span", "start", "log")),
    operation=st.sampled_from(("chat", "execute_tool", "")),
    status=st.sampled_from(("ok", "error")),
    name=st.sampled_from(("", "a", "b")),
    agent=st.sampled_from(("", "planner", "writer")),
    user_id=st.sampled_from(("", "ann")),
    session_id=st.sampled_from(("", "s")),
    time_us=st.integers(0, 100),
    duration_us=st.one_of(st.none(), st.integers(0, 50)),
    input_tokens=st.integers(0, 9),
    cost_nanousd=st.one_of(st.none(), st.integers(0, 9)),
    unpriced=st.integers(0, 1),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def stored(engine: Engine, batches: Sequence[Sequence[EventRow]]) -> list[tuple[object, ...]]:
    upsert = upsert_runs(engine)
    with engine.begin() as connection:
        connection.execute(delete(runs))
        for batch in batches:
            upsert.execute(connection, runs_of(batch))
        return [tuple(found) for found in connection.execute(select(runs).order_by(runs.c.trace_id))]


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_order_and_any_batching_gives_the_same_runs(engine: Engine, data: st.DataObject) -> None:
    sent = data.draw(st.lists(event_rows, min_size=1, max_size=12))
    shuffled = data.draw(st.permutations(sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=4)))
    bounds = [0, *cuts, len(sent)]
    batches = [shuffled[low:high] for low, high in pairwise(bounds)]
    assert stored(engine, batches) == runs_of(sent)


def test_one_root_that_failed_makes_the_run_fail(engine: Engine) -> None:
    child = row(trace_id="t", parent_id="r", status="error")
    ok, failed = row(trace_id="t", name="first"), row(trace_id="t", name="second", status="error")
    statuses = [stored(engine, [batch])[0][2] for batch in ([child], [child, ok], [ok, failed, child])]
    assert statuses == ["open", "ok", "error"]


def test_the_start_of_a_root_names_the_run_before_it_ends(engine: Engine) -> None:
    (found,) = stored(engine, [[row(trace_id="t", kind="start", name="plan", agent="planner")]])
    assert found[2:5] == ("open", "plan", "planner")


def test_sums_that_no_column_can_hold_stay_at_the_greatest(engine: Engine) -> None:
    huge = row(trace_id="t", input_tokens=MAX_INT - 1)
    column = runs.columns.keys().index("input_tokens")
    assert stored(engine, [[huge], [huge]])[0][column] == MAX_INT
    assert stored(engine, [[huge, huge]])[0][column] == MAX_INT
