"""Following `.rules`: all of it before the first record, then whatever comes."""

import asyncio
import logging
from typing import Final

from agentgauge_processors.engine.contract import Log, OffsetExpired, Stage, Unavailable
from agentgauge_schemas.topics import Topic

POLL_S: Final = 2.0
UNREADABLE_S: Final = 30.0
"""A price table is in force 60 s after its record's time: a worker that could not read it by then would
price otherwise than a replay."""

_logger = logging.getLogger(__name__)


class RulesFollower:
    """Hands the records of `.rules` to a stage, in order."""

    def __init__(self, stage: Stage, log: Log) -> None:
        self._stage = stage
        self._log = log
        self._next = 0

    async def catch_up(self) -> None:
        """Read to the end. Raises Unavailable."""
        while True:
            try:
                records = await self._log.read(Topic.RULES, 0, self._next)
            except OffsetExpired as expired:
                self._next = expired.first
                continue
            if not records:
                return
            for record in records:
                self._stage.rule(record)
            self._next = records[-1].offset + 1

    async def follow(self, stopping: asyncio.Event) -> None:
        """Catch up every 2 s until told to stop. Raises Unavailable after 30 s without success."""
        clock = asyncio.get_running_loop().time
        read_at = clock()
        while not await set_within(stopping, POLL_S):
            try:
                await self.catch_up()
                read_at = clock()
            except Unavailable as error:
                if clock() - read_at > UNREADABLE_S:
                    raise
                _logger.warning("cannot read the rules: %s", error)


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
