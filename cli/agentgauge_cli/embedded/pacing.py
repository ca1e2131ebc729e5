"""Bulk writers wait for the bridge: what the embedded broker has forgotten is lost."""

import time
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from agentgauge_cli.embedded.bridge import bridge_group
from agentgauge_cli.errors import CliError
from agentgauge_schemas.block import Resource
from agentgauge_schemas.topics import Topic

AHEAD_BYTES: Final = 2 * (1 << 20)
"""What a writer may be ahead of the bridge, before compression; the broker keeps 5 MB a partition."""
STUCK_AFTER_S: Final = 60.0
_LOOK_S: Final = 0.01
_ANSWER_WITHIN_S: Final = 5.0


class BlockPublisher(Protocol):
    """The part of the SDK's that is used here."""

    def publish(
        self,
        producer: str,
        seq: int,
        events: Sequence[bytes],
        *,
        resource: Resource,
        backfill: bool = False,
        repeatable: bool = False,
        final: bool = False,
    ) -> None:
        """Queue events of consecutive sequences. May block."""

    def flush(self, timeout: float | None = None) -> object:
        """Wait until all is acknowledged. May block for `timeout` seconds."""


class Pacer:
    """Knows how far the bridge of an embedded pipeline is. On a real broker there is none, and
    `wait` returns at once.
    """

    def __init__(self, kafka: str, prefix: str) -> None:
        """Connects; blocks for some seconds at most. Raises CliError when nobody answers."""
        self._consumer = Consumer(
            {"bootstrap.servers": kafka, "group.id": bridge_group(prefix), "enable.auto.commit": False}
        )
        self._topic = Topic.EVENTS.name_with(prefix)
        try:
            # Of all topics: asking a real broker for one by name may create it.
            topics = self._consumer.list_topics(timeout=_ANSWER_WITHIN_S).topics
        except KafkaException as error:
            self._consumer.close()
            raise CliError(f"no broker answers at {kafka}: {error}") from error
        partitions = topics[self._topic].partitions if self._topic in topics else ()
        # A bridge commits before it takes anything; below 0 says that nobody ever did.
        self._partitions = [part for part, at in self._committed(partitions).items() if at >= 0]

    def wait(self) -> None:
        """Return once the bridge has taken all that the broker holds now.

        Raises CliError when it takes nothing for a minute, or when the broker is gone.
        """
        ends = self._ends()
        taken, moved = self._committed(self._partitions), time.monotonic()
        while any(taken[partition] < end for partition, end in ends.items()):
            time.sleep(_LOOK_S)
            before, taken = taken, self._committed(self._partitions)
            if taken != before:
                moved = time.monotonic()
            elif time.monotonic() - moved > STUCK_AFTER_S:
                raise CliError("the embedded pipeline takes no more events: look at its output")

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _ends(self) -> dict[int, int]:
        try:
            return {
                partition: self._consumer.get_watermark_offsets(
                    TopicPartition(self._topic, partition), _ANSWER_WITHIN_S
                )[1]
                for partition in self._partitions
            }
        except KafkaException as error:
            raise CliError(f"the broker does not answer any more: {error}") from error

    def _committed(self, partitions: Iterable[int]) -> dict[int, int]:
        asked = [TopicPartition(self._topic, partition) for partition in partitions]
        if not asked:
            return {}
        try:
            found = self._consumer.committed(asked, _ANSWER_WITHIN_S)
        except KafkaException as error:
            raise CliError(f"the broker does not answer any more: {error}") from error
        return {each.partition: each.offset for each in found}


class PacedPublisher:
    """Publishes through another publisher, never far ahead of the bridge."""

    def __init__(self, publisher: BlockPublisher, pacer: Pacer) -> None:
        self._publisher = publisher
        self._pacer = pacer
        self._ahead = 0

    def publish(
        self,
        producer: str,
        seq: int,
        events: Sequence[bytes],
        *,
        resource: Resource,
        backfill: bool = False,
        repeatable: bool = False,
        final: bool = False,
    ) -> None:
        """As the SDK's; blocks while the bridge is behind. Raises CliError when that lasts."""
        self._publisher.publish(
            producer,
            seq,
            events,
            resource=resource,
            backfill=backfill,
            repeatable=repeatable,
            final=final,
        )
        self._ahead += sum(map(len, events))
        if self._ahead >= AHEAD_BYTES:
            self._publisher.flush(STUCK_AFTER_S)
            self._pacer.wait()
            self._ahead = 0
