"""Dead letters, as they are read from the log."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from agentgauge_cli.errors import CliError
from agentgauge_cli.reading import records
from agentgauge_processors.engine.contract import Log, Record
from agentgauge_schemas.dlq import DeadLetter
from agentgauge_schemas.topics import Topic


class LetterId(NamedTuple):
    """Where a letter stands in the dead-letter topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class Letter(NamedTuple):
    """One record of the dead-letter topic; `content` is None when it is none of ours."""

    record: Record
    content: DeadLetter | None

    @property
    def id(self) -> LetterId:
        """What a user calls it."""
        return LetterId(self.record.partition, self.record.offset)


async def all_letters(log: Log) -> AsyncIterator[Letter]:
    """All that the log keeps now, partition by partition."""
    for partition in range(await log.partitions(Topic.DLQ)):
        end = await log.end_offset(Topic.DLQ, partition)
        async for record in records(log, Topic.DLQ, partition, 0, end):
            yield _parsed(record)


async def find_letters(log: Log, wanted: Sequence[LetterId]) -> AsyncIterator[Letter]:
    """These letters. Raises CliError for the first that is not there."""
    partitions = await log.partitions(Topic.DLQ)
    for one in wanted:
        found = None
        if one.partition < partitions:
            end = min(one.offset + 1, await log.end_offset(Topic.DLQ, one.partition))
            async for record in records(log, Topic.DLQ, one.partition, one.offset, end):
                found = record
        if found is None:
            raise CliError(
                f"there is no dead letter {one}: 'agentgauge dlq list' prints those that there are"
            )
        yield _parsed(found)


async def newest_letters(log: Log, limit: int) -> list[Letter]:
    """At most `limit`, the newest first."""
    found: list[Letter] = []
    for partition in range(await log.partitions(Topic.DLQ)):
        found += await _newest_of(log, partition, limit)
    found.sort(key=lambda letter: (letter.record.timestamp_us, letter.id), reverse=True)
    return found[:limit]


async def _newest_of(log: Log, partition: int, limit: int) -> list[Letter]:
    end = await log.end_offset(Topic.DLQ, partition)
    reach = limit
    while True:
        start = max(0, end - reach)
        found = [_parsed(record) async for record in records(log, Topic.DLQ, partition, start, end)]
        if len(found) >= limit or start == 0:
            return found[-limit:]
        reach *= 4  # offsets have gaps: each transaction ends with a marker


def _parsed(record: Record) -> Letter:
    try:
        return Letter(record, DeadLetter.parse(record.value or b"", record.headers))
    except (KeyError, ValueError):
        return Letter(record, None)
