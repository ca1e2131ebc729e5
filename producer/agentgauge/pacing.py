"""Pacing: not faster than the embedded broker's bridge takes records away.

A partition of the embedded broker keeps about 5 MB and then forgets the oldest without a word. The
bridge that empties it commits how far it has come, as the consumer group `<prefix>.bridge`; where
no such group has committed anything, there is a real broker and nobody waits.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agentgauge.errors import NetworkError

MAX_AHEAD_BYTES: Final = 1_500_000
MAX_AHEAD_RECORDS: Final = 20_000

_POLL_S: Final = 0.02


class Pacer:
    """Knows what this program has sent, and asks how much of it has been taken when that is a lot."""

    def __init__(self, servers: Sequence[str], topic: str, group: str, *, patience_s: float) -> None:
        """`patience_s`: how long the bridge may stand still before it counts as dead."""
        self._servers = list(servers)
        self._topic = topic
        self._group = group
        self._patience_s = patience_s
        self._admin: AIOKafkaAdminClient | None = None
        self._ahead: dict[int, deque[tuple[int, int]]] = {}

    def note_sent(self, partition: int, offset: int, size: int) -> None:
        """A record was acknowledged."""
        self._ahead.setdefault(partition, deque()).append((offset, size))

    async def wait_for_room(self, planned: Mapping[int, int]) -> None:
        """Until so many bytes may be sent to each of these partitions. Raises NetworkError when the
        bridge stands still.
        """
        moved_at = time.monotonic()
        while not all(self._has_room(partition, size) for partition, size in planned.items()):
            if await self._forget_taken():
                moved_at = time.monotonic()
                continue
            if time.monotonic() - moved_at > self._patience_s:
                raise NetworkError(
                    f"nothing has taken events from {self._topic!r} for {self._patience_s:g} s"
                )
            await asyncio.sleep(_POLL_S)

    async def close(self) -> None:
        """Give the connection back; idempotent."""
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()

    def _has_room(self, partition: int, size: int) -> bool:
        ahead = self._ahead.get(partition)
        if not ahead:
            return True
        return len(ahead) < MAX_AHEAD_RECORDS and sum(size for _, size in ahead) + size <= MAX_AHEAD_BYTES

    async def _forget_taken(self) -> bool:
        """Ask how far the bridge is; returns whether that was further than before."""
        taken = await self._committed()
        moved = False
        for partition, ahead in self._ahead.items():
            position = taken.get(partition)
            while ahead and (position is None or ahead[0][0] < position):
                ahead.popleft()
                moved = True
        return moved

    async def _committed(self) -> dict[int, int]:
        """The next offset of the bridge by partition; a partition without one has no bridge."""
        partitions = [TopicPartition(self._topic, partition) for partition in self._ahead]
        try:
            if self._admin is None:
                admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
                await admin.start()
                self._admin = admin
            found = await self._admin.list_consumer_group_offsets(self._group, partitions=partitions)
        except KafkaError as error:
            raise NetworkError(f"cannot ask how far {self._group!r} has come: {error}") from error
        return {key.partition: value.offset for key, value in found.items() if value.offset >= 0}
