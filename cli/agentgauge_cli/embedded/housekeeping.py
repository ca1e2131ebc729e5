"""Keeps the log small: records that every reader has passed go, and so does what is too old."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.topics import Topic

Positions = Mapping[tuple[Topic, int], int]

TRIM_EVERY_S: Final = 10.0
PRUNE_EVERY: Final = 360
"""Trims, so about hourly; and at the start."""


async def keep_house(log: SqliteLog, passed: Callable[[], Positions]) -> None:
    """Until cancelled. `passed` says below which offsets no reader will ever read again, whatever
    crashes: durable positions, not those in memory.
    """
    while True:
        await log.prune()
        for _ in range(PRUNE_EVERY):
            for (topic, partition), position in passed().items():
                await log.trim(topic, partition, position)
            await asyncio.sleep(TRIM_EVERY_S)
