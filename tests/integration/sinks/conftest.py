"""A log in memory, and the stages on it."""

from collections.abc import Iterator

import pytest
from tests.support.pipeline import T0, FakeClock, Pipeline

from agentgauge_processors.engine.sqlite import SqliteLog


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
