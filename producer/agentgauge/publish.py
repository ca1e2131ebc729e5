"""Publishing events that have an identity already: an import, a replay.

Unlike a client's events these may be published again: producer and sequence say which they are, and
the pipeline's accounts let each count once.
"""

import zlib
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from agentgauge.buffer import FlushResult
from agentgauge.courier import Courier
from agentgauge.packing import PackedBlock, cut
from agentgauge.settings import resolve, servers_of
from agentgauge.transports.base import Outgoing
from agentgauge_schemas.block import Headers, Resource
from agentgauge_schemas.topics import DEFAULT_PREFIX

DEFAULT_TIMEOUT_S: Final = 30.0
HOME: Final = 0
"""The partition of all of them. An account lives in one partition, so a producer that may come back
years later needs one that is still its own after the topic has grown.
"""


class BlockPublisher:
    """Synchronous: its methods block while the broker, or the embedded pipeline behind it, is slower.
    For one thread at a time. Connects at once.
    """

    def __init__(self, url: str, *, prefix: str = DEFAULT_PREFIX, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        """`url`: kafka://host:port[,host:port]. `timeout`: seconds without any progress after which a
        method raises NetworkError. Raises ConfigError, and NetworkError when nothing answers.
        """
        settings = resolve({"url": url, "prefix": prefix, "timeout": timeout}, {})
        self._courier = Courier(servers_of(settings), prefix, timeout_s=timeout)
        try:
            self._partitions = self._courier.connect()
        except BaseException:
            self._courier.stop()
            raise

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
        """Send events of consecutive sequences, the first of them `seq`; without events a block that
        only says `final`. Returns before they are acknowledged. Raises NetworkError.
        """
        parts = list(cut(events, len)) or [[]]
        for index, part in enumerate(parts, 1):
            block = PackedBlock(
                producer,
                seq,
                resource,
                part,
                backfill=backfill,
                repeatable=repeatable,
                final=final and index == len(parts),
            )
            record = Outgoing(HOME, producer.encode(), block.value(), block.headers(HOME))
            self._courier.put(record, len(part))
            seq += len(part)

    def publish_raw(self, value: bytes, headers: Headers) -> None:
        """Send a record as it is, to the partition that its headers name, else to its producer's.
        Counts as one event. Raises NetworkError.
        """
        found = dict(headers)
        producer, named = found.get("producer", b""), found.get("partition", b"")
        partition = int(named) if named.isdigit() else self._partitions
        if partition >= self._partitions:
            partition = zlib.crc32(producer) % self._partitions
        self._courier.put(Outgoing(partition, producer, value, list(headers)), 1)

    def flush(self, timeout: float | None = None) -> FlushResult:
        """Wait until everything is acknowledged, at most for `timeout` seconds; None: as long as there
        is progress. Raises nothing: look at `pending` and `dropped`.
        """
        return self._courier.wait(timeout)

    def close(self) -> None:
        """Flush and disconnect; idempotent. Raises NetworkError when something was not delivered."""
        try:
            self._courier.wait(None)
            self._courier.require_delivered()
        finally:
            self._courier.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._courier.stop()
