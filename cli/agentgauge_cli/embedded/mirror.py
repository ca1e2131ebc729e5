"""From the log back to the embedded broker: the results, for whoever reads them with a Kafka client."""

import asyncio
import logging
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agentgauge_processors.engine.contract import Batch, Log, Tail
from agentgauge_schemas.topics import MAX_MESSAGE_BYTES, Topic

_logger = logging.getLogger(__name__)

MIRRORED: Final = (Topic.SERIES, Topic.WINDOWS, Topic.ALERTS, Topic.PRODUCERS, Topic.DLQ)
_POLL_S: Final = 1.0


class Mirror:
    """Republishes what the log holds of the output topics, and then what is added.

    The broker was empty when this process began. Windows alone are not repeated: they are many, and
    storage has them. Rules are repeated once: new ones come from the broker, by the bridge, which
    therefore starts after this. A record that the broker refuses is named and left out.
    """

    def __init__(self, bootstrap: str, prefix: str, log: Log) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._log = log
        self._producer: AIOKafkaProducer | None = None
        self._tail: Tail | None = None

    async def start(self) -> None:
        """Connect, and publish the rules."""
        positions = {}
        for topic in MIRRORED:
            for partition in range(await self._log.partitions(topic)):
                begin = 0 if topic is not Topic.WINDOWS else await self._log.end_offset(topic, partition)
                positions[topic, partition] = begin
        self._tail = self._log.tail(positions)
        # Not idempotent on purpose: such a producer refuses everything after one refused batch.
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=False,
            compression_type="zstd",
            max_batch_size=1 << 20,
            max_request_size=MAX_MESSAGE_BYTES,
        )
        await self._producer.start()
        rules = await self._log.read(Topic.RULES, 0, 0)
        await self._publish(Batch(Topic.RULES, 0, rules, 0))

    async def run(self) -> None:
        """Republish until cancelled."""
        assert self._tail is not None, "start() comes first"
        while True:
            for batch in await self._tail.poll(_POLL_S):
                await self._publish(batch)

    async def stop(self) -> None:
        """Disconnect; idempotent."""
        if self._tail is not None:
            await self._tail.close()
        if self._producer is not None:
            await self._producer.stop()

    async def _publish(self, batch: Batch) -> None:
        assert self._producer is not None, "start() comes first"
        name = batch.topic.name_with(self._prefix)
        sent = [
            await self._producer.send(
                name,
                record.value,
                key=record.key,
                partition=batch.partition,
                timestamp_ms=record.timestamp_us // 1_000,
                headers=list(record.headers),
            )
            for record in batch.records
        ]
        for outcome in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(outcome, KafkaError):
                _logger.warning("a record of %s could not be published: %r", name, outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
