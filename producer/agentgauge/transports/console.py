"""Writes each event as one line of JSON, for a look at what a program would publish."""

import sys
from collections.abc import Sequence
from typing import TextIO

import msgspec

from agentgauge.errors import NetworkError
from agentgauge.transports.base import Outgoing


class _RawBlock(msgspec.Struct):
    events: list[msgspec.Raw] = []


class ConsoleTransport:
    """Prints to `stream`, by default whatever is stderr at that time."""

    name = "console:"

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._written = 0
        self._decoder = msgspec.json.Decoder(_RawBlock)

    async def partitions(self) -> int:
        """One."""
        return 1

    async def send(self, records: Sequence[Outgoing]) -> list[int | NetworkError]:
        """Print the events, not the blocks."""
        stream = self._stream or sys.stderr
        for record in records:
            for event in self._decoder.decode(record.value).events:
                stream.write(bytes(event).decode() + "\n")
        stream.flush()
        first, self._written = self._written, self._written + len(records)
        return list(range(first, self._written))

    async def answers(self) -> bool:
        """Always."""
        return True

    async def close(self) -> None:
        """Nothing to do."""
