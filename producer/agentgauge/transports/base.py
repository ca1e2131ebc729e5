"""What a transport is: it takes finished blocks to where they are kept."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from agentgauge.errors import NetworkError

START_ONE: Final = "Start one with 'agentgauge up'."
"""The cure where nothing answers."""


class Outgoing(NamedTuple):
    """One block, as a record to be written."""

    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class TooLarge(NetworkError):
    """The endpoint refuses this very record for its size: only smaller ones have a chance."""


class Transport(Protocol):
    """Used by one task of one event loop. A transport that has failed connects anew by itself.

    Retries, order and accounting are the caller's: a transport that reports a failure may still have
    delivered, and blocks are told apart by their producer and sequence.
    """

    name: str
    """Of the endpoint, for messages to the user."""

    async def partitions(self) -> int:
        """How many partitions a block may go to. Connects; raises NetworkError."""

    async def send(self, records: Sequence[Outgoing]) -> list[int | NetworkError]:
        """Deliver in order; for each its offset (acknowledged) or what went wrong. Raises
        NetworkError when none could be sent.
        """

    async def answers(self) -> bool:
        """Whether anything accepts a connection there, at this moment. Takes at most a second."""

    async def close(self) -> None:
        """Give connections back; idempotent."""
