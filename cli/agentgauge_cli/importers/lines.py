"""One line of a coding agent's session file, as far as we read it.

A file is JSON Lines. Its `user` and `assistant` lines matter to us; of every other type (summaries,
progress, snapshots, whatever a later version adds) only the place in the chain of lines does. All
that may be missing is optional, and what is not understood is skipped, never guessed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from agentgauge_schemas.event import Amount

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ABSENT: Final = msgspec.Raw()


class Line(msgspec.Struct, frozen=True, rename="camel"):
    """What every line may have. `message` is read by `decode_message`, for the types that need it."""

    type: str = ""
    uuid: str | None = None
    parent_uuid: str | None = None
    timestamp: str | None = None
    session_id: str | None = None
    agent_id: str | None = None
    request_id: str | None = None
    version: str | None = None
    cwd: str | None = None
    is_sidechain: bool | None = None
    is_meta: bool | None = None
    message: msgspec.Raw = _ABSENT


class CacheCreation(msgspec.Struct, frozen=True):
    """Cache writes by how long they are kept."""

    ephemeral_5m_input_tokens: Amount = 0
    ephemeral_1h_input_tokens: Amount = 0


class Usage(msgspec.Struct, frozen=True):
    """As the provider counts: `input_tokens` excludes what was read from and written to the cache."""

    input_tokens: Amount = 0
    output_tokens: Amount = 0
    cache_read_input_tokens: Amount | None = 0
    cache_creation_input_tokens: Amount | None = 0
    cache_creation: CacheCreation | None = None
    service_tier: str | None = None

    def cache_writes(self) -> tuple[int, int]:
        """Tokens written for 5 minutes and for 1 hour. Older files know the sum only: 5 minutes."""
        split = self.cache_creation or CacheCreation()
        five_minutes, hour = split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens
        unsplit = (self.cache_creation_input_tokens or 0) - five_minutes - hour
        return five_minutes + max(0, unsplit), hour


class Content(msgspec.Struct, frozen=True):
    """One block of a message's content. `chars` and `input_sha256` stand where the text was removed."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    chars: int | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = _ABSENT
    input_sha256: str | None = None
    tool_use_id: str | None = None
    is_error: bool | None = None
    content: Any = None

    def size(self) -> int:
        """Characters of its text, a tool's result included; other media count nothing."""
        if self.chars is not None:
            return self.chars
        return text_size(self.content) + len(self.text or "") + len(self.thinking or "")


class Message(msgspec.Struct, frozen=True):
    """The `message` of a `user` or `assistant` line."""

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    content: str | list[Content] = []

    @property
    def blocks(self) -> Sequence[Content]:
        """The content; a plain text is one block."""
        if isinstance(self.content, str):
            return (Content(type="text", text=self.content),)
        return self.content


_decode_line = msgspec.json.Decoder(Line).decode
_decode_message = msgspec.json.Decoder(Message).decode


def decode_line(line: bytes) -> Line:
    """Raises msgspec.DecodeError for what is not a JSON object, or has a field of another type."""
    return _decode_line(line)


def decode_message(line: Line) -> Message:
    """The message of a line. Raises msgspec.DecodeError; a line without one has an empty message."""
    return _decode_message(line.message) if line.message else Message()


def time_us(timestamp: str) -> int:
    """ISO 8601 to microseconds since the epoch; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def text_size(content: object) -> int:
    """Characters of a tool's result: a text, or a list of blocks of which some are texts."""
    if isinstance(content, str):
        return len(content)
    if isinstance(content, list):
        texts = (block.get("text") for block in content if isinstance(block, dict))
        return sum(len(text) for text in texts if isinstance(text, str))
    return 0
