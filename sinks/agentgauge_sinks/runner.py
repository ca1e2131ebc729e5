"""Drives one sink: reads what it has not seen yet, hands it over, tries again when that fails."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from agentgauge_processors.engine.contract import Batch, Log, Tail
from agentgauge_schemas.topics import Topic
from agentgauge_sinks.contract import Backpressure, Displaced, Sink

POLL_S: Final = 0.5
PACE_S: Final = 0.1
"""The shortest time between two polls: small batches gather meanwhile, which costs a sink less."""
FIRST_DELAY_S: Final = 0.5
LONGEST_DELAY_S: Final = 30.0

logger = logging.getLogger(__name__)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Until the event is set, at most so long."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


class SinkRunner:
    """One sink on one log. Several runners share a loop and know nothing of each other."""

    def __init__(
        self, sink: Sink, log: Log, *, wait: Callable[[asyncio.Event, float], Awaitable[None]] = _wait
    ) -> None:
        self.sink = sink
        self.failure = ""
        """Why the sink stands still just now, in one sentence; empty while it runs."""
        self.positions: dict[tuple[Topic, int], int] = {}
        """All below is applied and is not read again."""
        self._log = log
        self._wait = wait
        self._stopping = asyncio.Event()
        self._started = False
        self._delay_s = FIRST_DELAY_S

    def stop(self) -> None:
        """Ask `run` to end: it finishes the batches in hand and returns within about a second."""
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`. Raises Displaced, and what keeps the sink from its first start."""
        try:
            while not self._stopping.is_set():
                try:
                    await self._run_once()
                except Displaced:
                    raise
                except Exception as error:
                    if not self._started:
                        raise
                    await self._fail(error)
        finally:
            await self.sink.stop()

    async def _run_once(self) -> None:
        """From the sink's own position until `stop`, or until the log fails."""
        self.positions = dict(await self.sink.start(self._log))
        self._started = True
        tail = self._log.tail(self.positions)
        try:
            await self._follow(tail)
        finally:
            await tail.close()

    async def _follow(self, tail: Tail) -> None:
        while not self._stopping.is_set():
            batches = await tail.poll(POLL_S)
            self.failure = ""
            if not batches:
                await self.sink.flush()
                continue
            if not await self._apply(batches):
                return
            for batch in batches:
                self.positions[batch.topic, batch.partition] = batch.next
            self._delay_s, self.failure = FIRST_DELAY_S, ""
            await self._wait(self._stopping, PACE_S)
        await self.sink.flush()

    async def _apply(self, batches: Sequence[Batch]) -> bool:
        """Offer the same batches until they are taken; False when stopped before that."""
        while True:
            try:
                await self.sink.apply(batches)
            except Displaced:
                raise
            except Exception as error:
                # Whatever it is: to end would help nobody, and to go on would lose these records.
                await self._fail(error)
                if self._stopping.is_set():
                    return False
            else:
                return True

    async def _fail(self, error: Exception) -> None:
        """Stand still for as long as the error asks for, else for twice as long as the last time."""
        if isinstance(error, Backpressure):
            delay_s = error.retry_after
        else:
            # With jitter, so that sinks which failed together do not come back together.
            delay_s = self._delay_s * random.uniform(0.5, 1.0)
            self._delay_s = min(2 * self._delay_s, LONGEST_DELAY_S)
        self.failure = f"{type(error).__name__}: {error}"
        logger.warning("sink %s stands still for %.1f s: %s", self.sink.name, delay_s, self.failure)
        logger.debug("the cause", exc_info=error)
        await self._wait(self._stopping, delay_s)
