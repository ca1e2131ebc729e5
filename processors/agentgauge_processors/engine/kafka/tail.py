"""Following partitions: a consumer of our own, without a group."""

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from agentgauge_processors.engine.contract import Batch
from agentgauge_processors.engine.kafka.connection import CONSUMER, Connection, stop_within
from agentgauge_processors.engine.kafka.errors import log_errors
from agentgauge_processors.engine.kafka.reader import as_record
from agentgauge_schemas.topics import Topic


class KafkaTail:
    """As the contract's `Tail`. It connects at the first poll. While the broker is away nothing comes."""

    def __init__(
        self, connection: Connection, prefix: str, positions: Mapping[tuple[Topic, int], int]
    ) -> None:
        self._connection = connection
        self._positions = {
            TopicPartition(topic.name_with(prefix), partition): (topic, offset)
            for (topic, partition), offset in positions.items()
        }
        self._consumer: AIOKafkaConsumer | None = None

    async def poll(self, timeout_s: float) -> list[Batch]:
        """As `Tail.poll`. A batch without records says that the position moved over what nobody
        reads (a transaction's end).
        """
        with log_errors("following topics"):
            if self._consumer is None:
                self._consumer = await self._started()
            fetched = await self._consumer.getmany(timeout_ms=int(timeout_s * 1000))
            return [
                Batch(topic, where.partition, [as_record(each) for each in fetched.get(where, ())], position)
                for where, (topic, position) in await self._moved(self._consumer)
            ]

    async def close(self) -> None:
        """Give the connection back; idempotent."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_within(consumer)

    async def _started(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(**self._connection.settings(), **CONSUMER, auto_offset_reset="earliest")
        try:
            await consumer.start()
        except BaseException:
            await stop_within(consumer)
            raise
        consumer.assign(list(self._positions))
        for where, (_, offset) in self._positions.items():
            consumer.seek(where, offset)
        return consumer

    async def _moved(self, consumer: AIOKafkaConsumer) -> list[tuple[TopicPartition, tuple[Topic, int]]]:
        moved = []
        for where, (topic, before) in self._positions.items():
            try:
                async with asyncio.timeout(1.0):
                    position = await consumer.position(where)
            except TimeoutError:
                continue  # its position expired, and the broker has not said yet where the log begins
            if position != before:
                self._positions[where] = (topic, position)
                moved.append((where, (topic, position)))
        return moved
