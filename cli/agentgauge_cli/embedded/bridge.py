"""From the embedded broker into the log: what agents publish becomes durable here."""

import logging
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from agentgauge_processors.engine.contract import Append, Log, Message
from agentgauge_schemas.topics import Topic

_logger = logging.getLogger(__name__)

_POLL_MS: Final = 500
_FETCH_WAIT_MS: Final = 50
"""The embedded broker answers a fetch at once or after this wait, never in between."""


def bridge_group(prefix: str) -> str:
    """The consumer group whose committed offsets say what the bridge has taken: writers that wait
    for it (a partition of the embedded broker keeps about 5 MB) lose nothing.
    """
    return f"{prefix}.bridge"


class Bridge:
    """Moves the records of `.events` into the log, in order, each once in the life of the broker."""

    def __init__(self, bootstrap: str, prefix: str, log: Log) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._log = log
        self._consumer: AIOKafkaConsumer | None = None
        self._taken: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """Connect, and begin at the oldest record: the broker is as young as this process."""
        topic = Topic.EVENTS.name_with(self._prefix)
        partitions = await self._log.partitions(Topic.EVENTS)
        self._taken = {TopicPartition(topic, number): 0 for number in range(partitions)}
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=bridge_group(self._prefix),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=8 << 20,
        )
        await self._consumer.start()
        self._consumer.assign(list(self._taken))
        # Whoever finds these offsets knows that there is a bridge to wait for.
        await self._consumer.commit(self._taken)

    async def run(self) -> None:
        """Move records until cancelled. What is committed has been written to the log before."""
        assert self._consumer is not None, "start() comes first"
        while True:
            found = await self._consumer.getmany(timeout_ms=_POLL_MS)
            if not found:
                continue
            appends = [
                Append(
                    record.partition, Message(Topic.EVENTS, record.key, record.value, tuple(record.headers))
                )
                for records in found.values()
                for record in records
            ]
            await self._log.append(appends)
            for partition, records in found.items():
                self._note(partition, records)
            await self._consumer.commit({partition: self._taken[partition] for partition in found})

    async def stop(self) -> None:
        """Disconnect; idempotent."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def has_everything(self) -> bool:
        """Whether all that the broker had accepted when this was called is in the log."""
        assert self._consumer is not None, "start() comes first"
        ends = await self._consumer.end_offsets(list(self._taken))
        return all(self._taken[partition] >= end for partition, end in ends.items())

    def _note(self, partition: TopicPartition, records: list[ConsumerRecord]) -> None:
        missing = records[0].offset - self._taken[partition]
        if missing:
            # Not counted here: each producer's account shows the events as missing.
            _logger.warning(
                "the embedded broker forgot %d records of partition %d before they were taken: "
                "publish more slowly, or use a real broker with --kafka",
                missing,
                partition.partition,
            )
        self._taken[partition] = records[-1].offset + 1
