"""Dead letters as reduce writes them, for what reads them."""

from collections.abc import Sequence

from agentgauge_processors.engine.contract import Append, Log, Message
from agentgauge_schemas.block import BlockHeaders, Resource, encode_block
from agentgauge_schemas.dlq import DeadLetter, Reason
from agentgauge_schemas.topics import Topic

RESOURCE = Resource(project="shop", service="checkout", agent="planner")
RECEIVED_US = 1_770_724_991_123_000


def event_letter(event: bytes, *, index: int = 0, offset: int = 7, error: str = "bad") -> DeadLetter:
    """One rejected event of a block with sequences from 100 on."""
    headers = BlockHeaders(producer="p-1", partition=2, seq=100 + index, count=1)
    return DeadLetter(
        value=encode_block(RESOURCE, [event]), kind="event", reason="invalid_event", error=error,
        topic="agentgauge.events", partition=2, offset=offset, time_us=RECEIVED_US, producer="p-1",
        seq=100 + index, count=1, origin_headers=tuple(headers.encode()),
    )  # fmt: skip


def block_letter(value: bytes, *, reason: Reason = "undecodable", offset: int = 7) -> DeadLetter:
    """A whole record."""
    headers = BlockHeaders(producer="p-1", partition=2, seq=100, count=3)
    return DeadLetter(
        value=value, kind="block", reason=reason, error="not a block", topic="agentgauge.events",
        partition=2, offset=offset, time_us=RECEIVED_US, producer="p-1", seq=100, count=3,
        origin_headers=tuple(headers.encode()),
    )  # fmt: skip


async def append_letters(log: Log, partition: int, letters: Sequence[DeadLetter]) -> None:
    """Into the dead-letter topic."""
    await log.append(
        [
            Append(partition, Message(Topic.DLQ, None, letter.value, tuple(letter.headers())))
            for letter in letters
        ]
    )
