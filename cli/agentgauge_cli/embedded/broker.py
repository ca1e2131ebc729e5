"""The broker of embedded mode: librdkafka's own cluster, which speaks real Kafka on loopback.

Its limits, which shape the rest of this package: a topic has 4 partitions; a partition keeps about
5 MB or 100,000 records and then forgets the oldest silently; nothing is compacted; a consumer group
has one member; nothing survives the process.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaException, Producer

from agentgauge_cli.errors import CliError

PARTITIONS: Final = 4
"""Of every topic."""
_ANSWER_WITHIN_S: Final = 10.0


class EmbeddedBroker:
    """One broker inside this process, until `stop`."""

    def __init__(self) -> None:
        self._owner: Producer | None = None
        self.port = 0
        """Where it listens on 127.0.0.1, chosen by the system; clients are led here by its metadata."""

    async def start(self, topics: Iterable[str]) -> None:
        """Start it with these topics. Raises CliError when it does not answer."""
        # The cluster lives inside a client of it: this producer sends nothing, it owns the cluster.
        self._owner = owner = Producer(
            {"bootstrap.servers": "made-by-the-next-line", "test.mock.num.brokers": 1, "log_level": 3}
        )
        try:
            self.port = await asyncio.to_thread(_prepare, owner, list(topics))
        except KafkaException as error:
            raise CliError(f"the embedded broker does not start: {error}") from error

    async def stop(self) -> None:
        """End it; idempotent."""
        self._owner = None

    @property
    def bootstrap(self) -> str:
        """What a client inside this process connects to."""
        return f"127.0.0.1:{self.port}"


def _prepare(owner: Producer, topics: list[str]) -> int:
    # A topic exists from the first time that somebody asks for it.
    for topic in topics:
        owner.list_topics(topic, timeout=_ANSWER_WITHIN_S)
    (broker,) = owner.list_topics(timeout=_ANSWER_WITHIN_S).brokers.values()
    return int(broker.port)
