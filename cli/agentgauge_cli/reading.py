"""Reading a stretch of a log once, for commands that end."""

from collections.abc import AsyncIterator

from agentgauge_processors.engine.contract import Log, OffsetExpired, Record
from agentgauge_schemas.topics import Topic


async def records(log: Log, topic: Topic, partition: int, start: int, end: int) -> AsyncIterator[Record]:
    """What a partition keeps in [start, end), ascending. Blocks on the log, never beyond `end`."""
    position = start
    while position < end:
        try:
            found = await log.read(topic, partition, position)
        except OffsetExpired as expired:
            position = expired.first
            continue
        if not found:
            return
        for record in found:
            if record.offset < end:
                yield record
        position = found[-1].offset + 1
