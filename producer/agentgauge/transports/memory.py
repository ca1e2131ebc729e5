"""Keeps what was sent, for tests of programs that use agentgauge."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from agentgauge.errors import NetworkError
from agentgauge.transports.base import Outgoing
from agentgauge_schemas.block import Block, BlockHeaders, decode_block
from agentgauge_schemas.event import Event


class SentBlock(NamedTuple):
    """A block as a reader of the topic would see it."""

    headers: BlockHeaders
    block: Block


class MemoryTransport:
    """`Client(transport=MemoryTransport())`: then `client.flush()`, and look at `events`."""

    name = "memory:"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: list[SentBlock] = []

    @property
    def blocks(self) -> list[SentBlock]:
        """All that came, empty ones too, in order."""
        with self._lock:
            return list(self._blocks)

    @property
    def events(self) -> list[Event]:
        """The events of all blocks, in order."""
        return [event for sent in self.blocks for event in sent.block.events]

    def clear(self) -> None:
        """Forget what came."""
        with self._lock:
            self._blocks.clear()

    async def partitions(self) -> int:
        """One."""
        return 1

    async def send(self, records: Sequence[Outgoing]) -> list[int | NetworkError]:
        """Keep them."""
        sent = [
            SentBlock(BlockHeaders.decode(record.headers), decode_block(record.value)) for record in records
        ]
        with self._lock:
            first = len(self._blocks)
            self._blocks += sent
        return list(range(first, first + len(sent)))

    async def answers(self) -> bool:
        """Always."""
        return True

    async def close(self) -> None:
        """Nothing to do: what came stays readable."""
