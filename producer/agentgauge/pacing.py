"""Pacing: not faster than the embedded broker's bridge takes records away.

A partition of the embedded broker keeps about 5 MB and then forgets the oldest without a word. The
bridge that empties it commits how far it has come, as the consumer group `<prefix>.bridge`; where
no such group has committed anything, there is a real broker and nobody waits.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agentgauge.errors import NetworkError

MAX_AHEAD_BYTES: Final = 1_500_000
MAX_AHEAD_RECORDS: Final = 20_000

_POLL_S: Final = 0.02
_LOOK_AFTER_BYTES: Final = 1_000_000
"""Whether there is a bridge is asked again after so much: it may have started since."""


class Pacer:
    """Knows what this program has sent and what of it the bridge has taken."""

    def __init__(self, servers: Sequence[str], topic: str, group: str, *, patience_s: float) -> None:
        """`patience_s`: how long the bridge may stand still."""
        self._servers = list(servers)
        self._topic = topic
        self._group = group
        self._patience_s = patience_s
        self._admin: AIOKafkaAdminClient | None = None
        self._sent: dict[int, deque[tuple[int, int]]] = {}
        self._unasked = _LOOK_AFTER_BYTES
        self._bridged = False

    def note_sent(self, partition: int, offset: int, size: int) -> None:
        """A record of `size` bytes was acknowledged."""
        self._sent.setdefault(partition, deque()).append((offset, size))
        self._unasked += size

    async def wait_for_room(self, partition: int, size: int) -> None:
        """Until a record of `size` bytes may be sent. Raises NetworkError if the bridge stands still."""
