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
    """Moves the records of `.events` and `.rules` into the log, in order, each once in the broker's life."""

    def __init__(self, bootstrap: str, prefix: str, log: Log) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._topics = {topic.name_with(prefix): topic for topic in (Topic.EVENTS, Topic.RULES)}
        self._log = log
        self._consumer: AIOKafkaConsumer | None = None
        self._taken: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """Connect, and begin at the oldest event: the broker is as young as this process. Rules that
        are there already were put there by the mirror, which has started before.
        """
        partitions = [
            TopicPartition(name, number)
            for name, topic in self._topics.items()
            for number in range(await self._log.partitions(topic))
        ]
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=bridge_group(self._prefix),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=8 << 20,
        )
        await self._consumer.start()
        self._consumer.assign(partitions)
        ends = await self._consumer.end_offsets(partitions)
        self._taken = {each: ends[each] if self._topic(each) is Topic.RULES else 0 for each in partitions}
        for each, position in self._taken.items():
            self._consumer.seek(each, position)
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
                    place.partition,
                    Message(self._topic(place), record.key, record.value, tuple(record.headers)),
                )
                for place, records in found.items()
                for record in records
            ]
            await self._log.append(appends)
            for place, records in found.items():
                self._note(place, records)
            await self._consumer.commit({place: self._taken[place] for place in found})

    async def stop(self) -> None:
        """Disconnect; idempotent."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def has_everything(self) -> bool:
        """Whether all that the broker had accepted when this was called is in the log."""
        assert self._consumer is not None, "start() comes first"
        ends = await self._consumer.end_offsets(list(self._taken))
        return all(self._taken[place] >= end for place, end in ends.items())

    def _topic(self, place: TopicPartition) -> Topic:
        return self._topics[place.topic]

    def _note(self, place: TopicPartition, records: list[ConsumerRecord]) -> None:
        missing = records[0].offset - self._taken[place]
        if missing:
            # Not counted here: each producer's account shows the events as missing.
            _logger.warning(
                "the embedded broker forgot %d records of partition %d before they were taken: "
                "publish more slowly, or use a real broker with --kafka",
                missing,
                place.partition,
            )
        self._taken[place] = records[-1].offset + 1
