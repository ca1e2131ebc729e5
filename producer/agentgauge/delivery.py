"""Delivery: blocks to a transport, again and again until each is acknowledged, and one line about it.

One cycle at a time: a block that failed stays first, and its sequence stays what it is, so that
whoever got it already knows it again.
"""

import asyncio
import random
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from agentgauge.buffer import Buffer
from agentgauge.clock import Clock
from agentgauge.errors import NetworkError
from agentgauge.hurry import Hurry
from agentgauge.outage import Outage
from agentgauge.packing import BACKFILL_AGE_US, PackedBlock
from agentgauge.transports.base import START_ONE, Outgoing, TooLarge, Transport

FIRST_RETRY_S: Final = 1.0
PAUSE_S: Final = 30.0
"""Between cycles, once the retries of one are used up."""
SLOW_S: Final = 5.0
"""Blocks that wait longer than this for their acknowledgement are an outage."""

AT_ONCE: Final = 8
"""Blocks that are encoded and under way at the same time: they are in memory twice."""

_JITTER: Final = 0.2
_LOOK_S: Final = 0.5


def retry_delay_s(attempt: int, retries: int) -> float:
    """The wait after failed attempt number `attempt` (the first is 1) of a cycle."""
    if attempt > retries:
        return PAUSE_S
    delay: float = FIRST_RETRY_S * 2 ** (attempt - 1)
    return delay * (1 - _JITTER * random.random())


class Delivery:
    """Sends the blocks of one producer, all to one partition, and books what becomes of them."""

    def __init__(
        self,
        transport: Transport,
        buffer: Buffer,
        clock: Clock,
        *,
        retries: int,
        rest: Callable[[float], Awaitable[None]],
        hurry: Hurry,
        outage: Outage,
        on_error: Callable[[Exception], None],
    ) -> None:
        """`rest` waits for so many seconds, or less when somebody is in a hurry."""
        self._transport = transport
        self._buffer = buffer
        self._clock = clock
        self._retries = retries
        self._rest = rest
        self._hurry = hurry
        self._outage = outage
        self._on_error = on_error
        self._partition: int | None = None

    async def deliver(self, blocks: Sequence[PackedBlock]) -> bool:
        """Send blocks; returns True when all are settled, False when giving up."""
        waiting = list(blocks)
        attempt = 0
        while waiting:
            error, left = await self._attempt(waiting[:AT_ONCE])
            waiting[:AT_ONCE] = left
            if error is None:
                self._outage.over()
                continue
            attempt += 1
            self._buffer.failed(str(error))
            self._outage.say(error)
            if attempt == self._retries + 1:
                self._on_error(error)
            if self._hurry.closing and self._hurry.is_over(await self._transport.answers()):
                return False
            await self._rest(retry_delay_s(attempt, self._retries))
            if attempt > self._retries:
                attempt = 0
        return True

    async def _attempt(self, blocks: list[PackedBlock]) -> tuple[NetworkError | None, list[PackedBlock]]:
        """Send once; returns the first error, and what is still to be sent."""
        sending = asyncio.create_task(self._send(blocks))
        started = self._clock.monotonic()
        while not (await asyncio.wait({sending}, timeout=_LOOK_S))[0]:
            slow = not self._outage.said and self._clock.monotonic() - started >= SLOW_S
            if not slow and not self._hurry.closing:
                continue
            answers = await self._transport.answers()
            if slow:
                self._outage.say(self._silent(answers))
            if self._hurry.is_over(answers):
                sending.cancel()
                await asyncio.wait({sending})
                return self._silent(answers), blocks
        try:
            outcomes = sending.result()
        except NetworkError as error:
            return error, blocks
        except Exception as error:  # a transport's own fault must not end the sender
            return NetworkError(f"{self._transport.name} failed: {error!r}"), blocks
        return self._book(blocks, outcomes)

    async def _send(self, blocks: Sequence[PackedBlock]) -> list[int | NetworkError]:
        if self._partition is None:
            # Once, and kept: a topic that grows later moves nobody.
            partitions = await self._transport.partitions()
            self._partition = zlib.crc32(blocks[0].producer.encode()) % partitions
        partition = self._partition
        oldest_us = self._clock.time_ns() // 1000 - BACKFILL_AGE_US
        records = []
        for block in blocks:
            if block.events and block.last_us < oldest_us:
                block.backfill = True  # it has waited through an outage
            records.append(
                Outgoing(partition, block.producer.encode(), block.value(), block.headers(partition))
            )
        return await self._transport.send(records)

    def _book(
        self, blocks: list[PackedBlock], outcomes: list[int | NetworkError]
    ) -> tuple[NetworkError | None, list[PackedBlock]]:
        first: NetworkError | None = None
        waiting: list[PackedBlock] = []
        for block, outcome in zip(blocks, outcomes, strict=True):
            count, size = len(block.events), block.event_bytes
            if isinstance(outcome, int):
                self._buffer.settle(count, size)
            elif isinstance(outcome, TooLarge) and count > 1:
                waiting += block.halves()
            elif isinstance(outcome, TooLarge):
                self._buffer.settle(count, size, dropped="too_large")
                self._on_error(outcome)
            else:
                waiting.append(block)
                if first is None:
                    first = outcome
        return first, waiting

    def _silent(self, answers: bool) -> NetworkError:
        if answers:
            return NetworkError(f"{self._transport.name} does not acknowledge them")
        return NetworkError(f"nothing answers at {self._transport.name}", START_ONE)
