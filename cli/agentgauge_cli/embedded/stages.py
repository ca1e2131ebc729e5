"""Feeds a stage with all partitions of its input, in this process, by following the log."""

import asyncio
from typing import Final

from agentgauge_processors.engine.contract import Log, Stage, Tail
from agentgauge_processors.engine.runner import Runner
from agentgauge_processors.engine.sqlite import wall_clock_us

CHECKPOINT_S: Final = 0.5
_POLL_S: Final = 1.0
_LOOK_S: Final = 0.01


class StageHost:
    """One stage that owns every partition of its input, from `start` to `stop`."""

    def __init__(self, stage: Stage, log: Log) -> None:
        self.runner = Runner(stage, log, checkpoint_s=CHECKPOINT_S, clock=wall_clock_us)
        self._input = stage.input
        self._log = log
        self._tail: Tail | None = None

    async def start(self) -> None:
        """Load the last checkpoints. Raises LogError and StateError."""
        await self.runner.start()
        partitions = range(await self._log.partitions(self._input))
        positions = await self.runner.assigned(partitions)
        assert positions is not None, "nobody else assigns partitions here"
        self._tail = self._log.tail({(self._input, partition): at for partition, at in positions.items()})

    async def follow(self) -> None:
        """Feed records until cancelled. `runner.run()` belongs beside it."""
        assert self._tail is not None, "start() comes first"
        while True:
            for batch in await self._tail.poll(_POLL_S):
                for record in batch.records:
                    self.runner.feed(record)
                    await self.runner.room()

    async def settle(self) -> None:
        """Apply all that the input holds by now, and write every result of it, due or not."""
        partitions = range(await self._log.partitions(self._input))
        ends = {partition: await self._log.end_offset(self._input, partition) for partition in partitions}
        while any((self.runner.next(partition) or 0) < end for partition, end in ends.items()):
            await asyncio.sleep(_LOOK_S)
        # Shielded: who gives up waiting must not break a checkpoint off half-way.
        await asyncio.shield(self.runner.checkpoint(last=True))

    async def stop(self) -> None:
        """Make a last checkpoint and give the partitions back. `follow` must have ended."""
        if self._tail is not None:
            await self._tail.close()
        await self.runner.stop()
