from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from tests.support.pipeline import T0, FakeClock, Pipeline, llm_call, tool_call

from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_sinks.contract import Positions
from agentgauge_sinks.storage import StorageSink


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(T0 + 5_000_000)


@pytest.fixture
def log(clock: FakeClock) -> Iterator[SqliteLog]:
    with SqliteLog(":memory:", events_partitions=2, merge_partitions=2, now_us=clock) as log:
        yield log


@pytest.fixture
def pipeline(log: SqliteLog, clock: FakeClock) -> Pipeline:
    return Pipeline(log, clock)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/storage.sqlite"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    yield engine
    engine.dispose()


async def store(log: SqliteLog, url: str) -> Positions:
    """Run a fresh storage sink over all that the log has."""
    sink = StorageSink(url)
    tail = None
    try:
        positions = await sink.start(log)
        tail = log.tail(positions)
        while batches := await tail.poll(0.01):
            await sink.apply(batches)
        return positions
    finally:
        await sink.stop()


def rows(engine: Engine, sql: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


async def test_events_are_stored_with_what_they_cost(
    pipeline: Pipeline, log: SqliteLog, url: str, engine: Engine
) -> None:
    await pipeline.publish("p", 0, [llm_call(), tool_call(status="error", error_type="exit 1")])
    await store(log, url)
    assert rows(
        engine, "SELECT producer, seq, operation, model, status, cost_nanousd FROM events ORDER BY seq"
    ) == [
        ("p", 0, "chat", "claude-haiku-4-5-20251001", "ok", 1_500_000),
        ("p", 1, "execute_tool", None, "error", None),
    ]
