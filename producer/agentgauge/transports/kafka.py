"""Kafka: the one place of the SDK that knows aiokafka."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import RecordMetadata

from agentgauge.errors import NetworkError
from agentgauge.transports.base import START_ONE, Outgoing, TooLarge

MAX_REQUEST_BYTES: Final = 8 << 20
DELIVERY_TIMEOUT_MS: Final = 120_000
"""aiokafka's request timeout is how long it tries to deliver: longer than most restarts of a broker."""

THREAD_PREFIX: Final = "agentgauge-"
"""Of the names of the threads that aiokafka runs in for us."""

_PROBE_S: Final = 1.0
_STOP_S: Final = 0.5
_TOPIC_S: Final = 2.0

_logger: Final = logging.getLogger("agentgauge.kafka")


class _Quieter(logging.Filter):
    """Turns what aiokafka logs in our threads, some 80 lines a second in an outage, into our debug
    messages. The host's own use of aiokafka is not touched.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record goes on."""
        if not threading.current_thread().name.startswith(THREAD_PREFIX):
            return True
        _logger.debug("aiokafka: %s", record.getMessage())
        return False


_quieter: Final = _Quieter()


def _quiet_aiokafka() -> None:
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "aiokafka":
            logging.getLogger(name).addFilter(_quieter)


class KafkaTransport:
    """One idempotent producer at a time, made when needed and replaced after any failed send: after
    one rejected batch it would fail for ever.
    """

    def __init__(self, servers: Sequence[str], topic: str, *, connect_timeout_s: float = 10.0) -> None:
        self.name = f"kafka://{','.join(servers)}"
        self._servers = list(servers)
        self._topic = topic
        self._connect_timeout_s = connect_timeout_s
        self._producer: AIOKafkaProducer | None = None

    async def partitions(self) -> int:
        """Of the topic. Connects; raises NetworkError."""
        producer = await self._connected()
        try:
            async with asyncio.timeout(_TOPIC_S):
                return len(await producer.partitions_for(self._topic))
        except TimeoutError:
            if not await self.answers():
                raise self._unreachable() from None
            raise NetworkError(
                f"there is no topic {self._topic!r} at {self.name}",
                "Create it with 'agentgauge topics create'.",
            ) from None
        except KafkaError as error:
            raise self._refused(error) from error

    async def send(self, records: Sequence[Outgoing]) -> list[int | NetworkError]:
        """Deliver in order; returns when each is acknowledged or given up, at most after 120 s."""
        producer = await self._connected()
        sent: list[asyncio.Future[RecordMetadata] | NetworkError] = []
        for record in records:
            try:
                sent.append(
                    await producer.send(
                        self._topic,
                        record.value,
                        key=record.key,
                        partition=record.partition,
                        headers=record.headers,
                    )
                )
            except KafkaError as error:
                sent.append(self._refused(error))
        outcomes = [item if isinstance(item, NetworkError) else await self._outcome(item) for item in sent]
        if any(isinstance(outcome, NetworkError) for outcome in outcomes):
            await self.close()
        return outcomes

    async def answers(self) -> bool:
        """Whether any of the servers accepts a connection."""
        for server in self._servers:
            host, _, port = server.rpartition(":")
            try:
                async with asyncio.timeout(_PROBE_S / len(self._servers)):
                    _, writer = await asyncio.open_connection(host, int(port))
            except (OSError, TimeoutError):
                continue
            writer.close()
            return True
        return False

    async def close(self) -> None:
        """Stop the producer; what it still holds is given up."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)

    async def _outcome(self, sent: asyncio.Future[RecordMetadata]) -> int | NetworkError:
        await asyncio.wait([sent])
        if sent.cancelled():
            return NetworkError(f"{self.name} did not take them: the producer was closed")
        error = sent.exception()
        if error is not None:
            return self._refused(error)
        offset: int = sent.result().offset
        return offset

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._servers,
                acks="all",
                enable_idempotence=True,
                compression_type="zstd",
                linger_ms=0,
                max_batch_size=1 << 20,
                max_request_size=MAX_REQUEST_BYTES,
                request_timeout_ms=DELIVERY_TIMEOUT_MS,
            )
            _quiet_aiokafka()
            try:
                async with asyncio.timeout(self._connect_timeout_s):
                    await producer.start()
            except (KafkaConnectionError, TimeoutError, OSError) as error:
                await _stop(producer)
                raise self._unreachable() from error
            except KafkaError as error:
                await _stop(producer)
                raise self._refused(error) from error
            self._producer = producer
        return self._producer

    def _unreachable(self) -> NetworkError:
        return NetworkError(f"nothing answers at {self.name}", START_ONE)

    def _refused(self, error: BaseException) -> NetworkError:
        reason = str(error) or type(error).__name__
        if isinstance(error, (MessageSizeTooLargeError, RecordListTooLargeError)):
            return TooLarge(f"{self.name} refuses the size of a block: {reason}")
        if isinstance(error, TopicAuthorizationFailedError):
            return NetworkError(
                f"{self.name} does not let this program write to {self._topic!r}",
                "Grant it, and events are sent.",
            )
        return NetworkError(f"{self.name} did not take them: {reason}")


async def _stop(producer: AIOKafkaProducer) -> None:
    # At once where everything is settled; else it would hang while it hopes to deliver.
    try:
        async with asyncio.timeout(_STOP_S):
            await producer.stop()
    except (TimeoutError, KafkaError, OSError) as error:
        _logger.debug("closing a producer: %r", error)
