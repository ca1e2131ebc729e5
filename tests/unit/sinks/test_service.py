from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from agentgauge_processors.engine.contract import Append, Batch, Log, Message
from agentgauge_processors.engine.errors import ExitCode, StartupProblem
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.topics import Topic
from agentgauge_sinks import Displaced
from agentgauge_sinks.contract import Positions
from agentgauge_sinks.service import run_sink


class DisplacedSink:
    """Loses its place with the first record."""

    name = "displaced"
    topics: Sequence[Topic] = (Topic.DLQ,)

    async def start(self, log: Log) -> Positions:
        return {(Topic.DLQ, 0): 0}

    async def apply(self, batches: Sequence[Batch]) -> None:
        raise Displaced("another process writes here")

    async def flush(self) -> None: ...

    async def stop(self) -> None: ...


@asynccontextmanager
async def log_with_a_record() -> AsyncIterator[Log]:
    with SqliteLog(":memory:") as log:
        await log.append([Append(0, Message(Topic.DLQ, None, b"x"))])
        yield log


@asynccontextmanager
async def no_broker() -> AsyncIterator[Log]:
    raise StartupProblem("no broker answers")
    yield


def test_a_displaced_sink_ends_with_the_code_of_fencing() -> None:
    assert run_sink(DisplacedSink(), log_with_a_record) == ExitCode.FENCED


def test_what_keeps_the_log_from_opening_is_raised() -> None:
    with pytest.raises(StartupProblem, match="no broker answers"):
        run_sink(DisplacedSink(), no_broker)
