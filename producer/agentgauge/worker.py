"""What runs in a sender's thread. Imports asyncio, so it is imported there."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from agentgauge.buffer import Buffer
from agentgauge.clock import Clock
from agentgauge.delivery import Delivery
from agentgauge.hurry import Hurry
from agentgauge.outage import Outage
from agentgauge.packing import Pace, PackedBlock, Packer
from agentgauge.transports.base import Transport

HEARTBEAT_S: Final = 30.0


class Worker:
    """Waits until events are due, packs and delivers them, until it is told to close."""

    def __init__(
        self,
        buffer: Buffer,
        packer: Packer,
        pace: Pace,
        hurry: Hurry,
        outage: Outage,
        transport: Transport,
        clock: Clock,
        *,
        retries: int,
        on_error: Callable[[Exception], None],
    ) -> None:
        """To be made in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._buffer = buffer
        self._packer = packer
        self._pace = pace
        self._hurry = hurry
        self._transport = transport
        self._clock = clock
        self._delivery = Delivery(
            transport,
            buffer,
            clock,
            retries=retries,
            rest=self._rest,
            hurry=hurry,
            outage=outage,
            on_error=on_error,
        )
        self._sent_at = clock.monotonic()
        self._first_at: float | None = None

    def wake(self) -> None:
        """Look again at buffer and hurry; from any thread."""
        with suppress(RuntimeError):  # a closed loop: nobody is there to be woken
            self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self) -> None:
        """Until closing, and all is sent or the time is up."""
        try:
            while await self._cycle():
                pass
        finally:
            await self._transport.close()

    async def _cycle(self) -> bool:
        await self._until_due()
        closing = self._hurry.closing
        self._hurry.send_now = False
        waited_s = self._clock.monotonic() - (self._first_at or self._clock.monotonic())
        items = self._buffer.take()
        # What comes from here on has waited since now, at the most.
        self._first_at = self._clock.monotonic()
        blocks = self._packer.pack(items, self._clock.time_ns() // 1000)
        if closing and blocks:
            blocks[-1].final = True
        elif closing or (not blocks and self._is_heartbeat_due()):
            blocks.append(self._packer.empty(final=closing))
        if blocks:
            self._describe(blocks, self._pace.sent(len(items), waited_s))
            if not await self._delivery.deliver(blocks):
                return False
            self._sent_at = self._clock.monotonic()
        self._buffer.settle_all()
        return not closing

    async def _until_due(self) -> None:
        while not (self._hurry.closing or self._hurry.send_now):
            count, size = self._buffer.level(self._pace.wake_at)
            now = self._clock.monotonic()
            if count == 0:
                self._first_at = None
                wait_s = self._sent_at + HEARTBEAT_S - now
            else:
                if self._first_at is None:
                    self._first_at = now
                wait_s = self._pace.due_in(count, size, now - self._first_at)
            if wait_s <= 0:
                return
            await self._wait(wait_s)

    async def _rest(self, delay_s: float) -> None:
        """Between attempts: shorter as soon as somebody waits."""
        started = self._clock.monotonic()
        while (left := started + self._hurry.shorten(delay_s) - self._clock.monotonic()) > 0:
            await self._wait(left)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()

    def _is_heartbeat_due(self) -> bool:
        return self._clock.monotonic() - self._sent_at >= HEARTBEAT_S

    def _describe(self, blocks: list[PackedBlock], flush_ms: int) -> None:
        """What the producer says about itself in these blocks."""
        dropped = self._buffer.dropped
        depth = self._buffer.pending
        for block in blocks:
            depth -= len(block.events)
            block.flush_ms = flush_ms
            block.dropped = dropped
            block.queue_depth = depth
