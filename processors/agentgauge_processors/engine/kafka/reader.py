"""Reading on demand: one record, a whole state partition, an end offset."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from agentgauge_processors.engine.contract import OffsetExpired, Record
from agentgauge_processors.engine.kafka.connection import CONSUMER, Connection, stop_within
from agentgauge_processors.engine.kafka.errors import log_errors

READ_S: Final = 30.0
"""How long a read may go without progress."""


def as_record(record: ConsumerRecord) -> Record:
    """A consumer's record as stages know it. Kafka's clock has milliseconds."""
    return Record(
        record.partition,
        record.offset,
        record.timestamp * 1000,
        record.key,
        record.value,
        tuple((name, value or b"") for name, value in record.headers),
    )


class Reader:
    """Reads committed records at any position, one call at a time, through one consumer.

    Every method raises Unavailable when the broker does not answer; the next call starts afresh.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._consumer: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()

    async def end_offset(self, topic: str, partition: int) -> int:
        """The offset behind the last committed record."""
        async with self._lock:
            with log_errors(f"asking for the end of {topic}/{partition}"):
                _, end = await self._bounds(TopicPartition(topic, partition), ends_only=True)
        return end

    async def read(self, topic: str, partition: int, offset: int, max_bytes: int) -> list[Record]:
        """As `Log.read`."""
        async with self._lock:
            with log_errors(f"reading {topic}/{partition} at {offset}"):
                where = TopicPartition(topic, partition)
                first, end = await self._bounds(where)
                if offset < first:
                    raise OffsetExpired(first)
                async with aclosing(self._batches(where, offset, end)) as batches:
                    async for records in batches:
                        return _limited(records, max_bytes)
        return []

    async def read_latest(self, topic: str, partition: int) -> Mapping[bytes, bytes]:
        """The newest value of each key of a compacted partition, deleted ones left out."""
        latest: dict[bytes, bytes] = {}
        async with self._lock:
            with log_errors(f"loading {topic}/{partition}"):
                where = TopicPartition(topic, partition)
                first, end = await self._bounds(where)
                async with aclosing(self._batches(where, first, end)) as batches:
                    async for records in batches:
                        for record in records:
                            if record.key is None:
                                continue
                            if record.value is None:
                                latest.pop(record.key, None)
                            else:
                                latest[record.key] = record.value
        return latest

    async def close(self) -> None:
        """Give the connection back; idempotent."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_within(consumer)

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(**self._connection.settings(), **CONSUMER, auto_offset_reset="none")
            try:
                await consumer.start()
            except BaseException:
                await stop_within(consumer)
                raise
            self._consumer = consumer
        return self._consumer

    async def _bounds(self, where: TopicPartition, *, ends_only: bool = False) -> tuple[int, int]:
        consumer = await self._started()
        # The end, for a read_committed consumer, is where the first open transaction begins.
        end = (await consumer.end_offsets([where]))[where]
        first = 0 if ends_only else (await consumer.beginning_offsets([where]))[where]
        return first, end

    async def _batches(
        self, where: TopicPartition, offset: int, end: int
    ) -> AsyncGenerator[list[Record], None]:
        """What is between `offset` and `end`, never an empty list."""
        consumer = await self._started()
        consumer.assign([where])
        consumer.seek(where, offset)
        clock = asyncio.get_running_loop().time
        deadline = clock() + READ_S
        try:
            # Transaction markers take offsets too: only the position tells the end.
            while offset < end:
                fetched = (await consumer.getmany(where, timeout_ms=200)).get(where)
                position = await consumer.position(where)
                if position > offset:
                    offset, deadline = position, clock() + READ_S
                elif clock() > deadline:
                    raise TimeoutError(f"stuck at {offset}, the end is {end}")
                if fetched:
                    yield [as_record(record) for record in fetched]
        finally:
            consumer.pause(where)  # else it goes on fetching in the background


def _limited(records: list[Record], max_bytes: int) -> list[Record]:
    """The first of them up to that size, and at least one."""
    size = 0
    for count, record in enumerate(records):
        size += len(record.value or b"")
        if size > max_bytes and count:
            return records[:count]
    return records
