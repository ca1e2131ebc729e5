"""The Kafka carrier of the engine: `Log` on a broker."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer

from agentgauge_processors.engine.contract import Append, Checkpoint, Fenced, Message, Record
from agentgauge_processors.engine.kafka.connection import (
    PLAINTEXT,
    PRODUCER,
    Connection,
    Security,
    stop_within,
)
from agentgauge_processors.engine.kafka.errors import log_errors
from agentgauge_processors.engine.kafka.reader import Reader
from agentgauge_processors.engine.kafka.tail import KafkaTail
from agentgauge_processors.engine.kafka.transaction import TransactionalWriter
from agentgauge_schemas.topics import DEFAULT_PREFIX, Topic


class KafkaLog:
    """As the contract's `Log`. It connects when it is first used; close it with `stop()`.

    A checkpoint is one Kafka transaction, all of it to the partition's own number, by a producer
    whose transactional id is that of the partition: whoever opens the partition later fences it.
    """

    def __init__(self, kafka: str, prefix: str = DEFAULT_PREFIX, *, security: Security = PLAINTEXT) -> None:
        self._connection = Connection(kafka, security)
        self._prefix = prefix
        self._reader = Reader(self._connection)
        self._appender: AIOKafkaProducer | None = None
        self._appender_starting = asyncio.Lock()
        self._writers: dict[tuple[str, int], TransactionalWriter] = {}

    async def partitions(self, topic: Topic) -> int:
        """As `Log.partitions`."""
        name = topic.name_with(self._prefix)
        with log_errors(f"asking for the partitions of {name}"):
            producer = await self._started_appender()
            return len(await producer.partitions_for(name))

    async def end_offset(self, topic: Topic, partition: int) -> int:
        """As `Log.end_offset`."""
        return await self._reader.end_offset(topic.name_with(self._prefix), partition)

    async def read(
        self, topic: Topic, partition: int, offset: int, *, max_bytes: int = 1 << 22
    ) -> list[Record]:
        """As `Log.read`; a megabyte or so at a time."""
        return await self._reader.read(topic.name_with(self._prefix), partition, offset, max_bytes)

    def tail(self, positions: Mapping[tuple[Topic, int], int]) -> KafkaTail:
        """As `Log.tail`."""
        return KafkaTail(self._connection, self._prefix, positions)

    async def append(self, appends: Sequence[Append]) -> None:
        """As `Log.append`. Waits up to two minutes for a broker that is away."""
        if not appends:
            return
        with log_errors("appending"):
            producer = await self._started_appender()
            try:
                acknowledgements = [
                    await producer.send(
                        message.topic.name_with(self._prefix),
                        message.value,
                        message.key,
                        partition,
                        headers=list(message.headers),
                    )
                    for partition, message in appends
                ]
                await asyncio.gather(*acknowledgements)
            except BaseException:
                # One rejected batch makes an idempotent producer fail for ever.
                if self._appender is producer:
                    self._appender = None
                await stop_within(producer)
                raise

    async def open(self, stage: str, topic: Topic, partition: int) -> Mapping[bytes, bytes]:
        """As `Log.open`: first fence, then load, so that nothing is committed in between."""
        await self.close(stage, partition)
        writer = TransactionalWriter(self._connection, self._prefix, stage, partition)
        await writer.start()
        self._writers[stage, partition] = writer
        return await self._reader.read_latest(topic.name_with(self._prefix), partition)

    async def commit(self, stage: str, topic: Topic, partition: int, checkpoint: Checkpoint) -> None:
        """As `Log.commit`. On any error the process should end: the outcome may be unknown."""
        writer = self._writers.get((stage, partition))
        if writer is None:
            raise Fenced(f"{stage}/{partition} is not open")
        state = [Message(topic, key, value) for key, value in checkpoint.state]
        await writer.commit([*state, *checkpoint.outputs])

    async def close(self, stage: str, partition: int) -> None:
        """As `Log.close`."""
        writer = self._writers.pop((stage, partition), None)
        if writer is not None:
            await writer.close()

    async def stop(self) -> None:
        """Close every connection; takes some 5 s at most."""
        writers = list(self._writers)
        await asyncio.gather(*(self.close(stage, partition) for stage, partition in writers))
        appender, self._appender = self._appender, None
        if appender is not None:
            await stop_within(appender)
        await self._reader.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _started_appender(self) -> AIOKafkaProducer:
        async with self._appender_starting:
            if self._appender is None:
                producer = AIOKafkaProducer(**self._connection.settings(), **PRODUCER)
                try:
                    await producer.start()
                except BaseException:
                    await stop_within(producer)
                    raise
                self._appender = producer
        return self._appender
