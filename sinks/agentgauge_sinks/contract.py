"""The contract of a sink: something outside Kafka that shows what stands in our topics.

    Log.tail ── batches ──▶ SinkRunner ── apply ──▶ Sink (prometheus | storage)
                                  ▲                   │
                                  └── Backpressure ───┘  the same batches come again

A sink knows its own position. It never acknowledges anything to Kafka, so nothing is lost while it
fails, and no other sink notices.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from agentgauge_processors.engine.contract import Batch, Log
from agentgauge_schemas.topics import Topic

Positions = Mapping[tuple[Topic, int], int]
"""(topic, partition) -> the offset that is read next."""

LogFactory = Callable[[], AbstractAsyncContextManager[Log]]
"""Opens a log for one sink, and closes it again."""


class SinkError(Exception):
    """Root of what a sink raises."""


class Displaced(SinkError):
    """Another process has taken this sink's place: end, write nothing more."""


class Backpressure(SinkError):
    """Not now: offer the same batches again after `retry_after` seconds."""

    def __init__(self, reason: str, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Sink(Protocol):
    """One sink. Its methods are called one after another, never at the same time."""

    name: str
    topics: Sequence[Topic]

    async def start(self, log: Log) -> Positions:
        """Get ready, and say from where each partition of `topics` is to be read.

        Called again, after `stop` or without it, when the log had to be opened anew. May block on
        the log and on whatever the sink writes to. Raises StartupProblem for what the user must mend.
        """

    async def apply(self, batches: Sequence[Batch]) -> None:
        """Take over all that a poll gave, or none of it: after an error the same batches come again.

        Never raises on what a record says. Raises Backpressure and Displaced; any other error is
        taken for a passing one too. May block on whatever the sink writes to.
        """

    async def flush(self) -> None:
        """Upkeep that can wait for a quiet moment: called when nothing came for a while, and at the
        end.
        """

    async def stop(self) -> None:
        """Give back what `start` took; idempotent. All that was applied stays applied."""
