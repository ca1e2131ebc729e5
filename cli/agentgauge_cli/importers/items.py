"""The two things that a session file tells of: responses of a model, and tool calls.

Each is put together from the lines that mention it, and becomes one span.
"""

import hashlib
from typing import Any, Final

import msgspec

from agentgauge_cli.importers.lines import Content, Line, Message, Usage
from agentgauge_schemas.conventions import CHAT, EXECUTE_TOOL
from agentgauge_schemas.event import Event

PROVIDER: Final = "anthropic"
MAIN_AGENT: Final = "claude-code"
SUBAGENT: Final = "claude-code/subagent"
TOOL_ERROR: Final = "tool_error"
NO_RESULT: Final = "no_result"
"""Of a call whose file ends without its result: the session was killed, or left, while it ran."""


class Response:
    """One response of a model: several lines, one a block, each with the usage so far."""

    def __init__(self, ordinal: int, response_id: str, line: Line, start_us: int | None) -> None:
        self.ordinal = ordinal
        self.id = response_id
        self.prompt: object = None
        """The content of the user's message that it answers, if that is wanted and no tool's result."""
        self._line = line
        self._start_us = start_us
        self._first_us = 0
        self._last_us = 0
        self._lines: set[tuple[str | None, bytes]] = set()
        self._usage = Usage()
        self._model: str | None = None
        self._stop_reason: str | None = None
        self._output: list[dict[str, str]] = []
        self._output_chars = 0

    def add(self, line: Line, message: Message, time_us: int, *, content: bool) -> bool:
        """One more line of it; False when it is one of those before, repeated under another uuid.

        Its usage replaces the earlier one: output grows while it streams.
        """
        identity = line.timestamp, hashlib.sha256(line.message).digest()
        if identity in self._lines:
            return False
        if not self._lines:
            self._first_us = time_us
        self._lines.add(identity)
        self._last_us = max(self._last_us, time_us)
        self._usage = message.usage or self._usage
        self._model = message.model or self._model
        self._stop_reason = message.stop_reason or self._stop_reason
        for block in message.blocks:
            self._output_chars += block.size()
            if content and (part := _part(block)):
                self._output.append(part)
        return True

    def event(self) -> Event:
        """The span of the call. Its time to first token is that to the first *finished* block, the
        earliest that a file knows; with a single block there is none.
        """
        usage = self._usage
        five_minutes, hour = usage.cache_writes()
        cache_read = usage.cache_read_input_tokens or 0
        start = self._start_us
        event = Event(
            kind="span",
            operation=CHAT,
            name=f"{CHAT} {self._model}" if self._model else CHAT,
            provider=PROVIDER,
            model=self._model,
            time_us=self._last_us,
            duration_us=None if start is None else max(0, self._last_us - start),
            input_tokens=usage.input_tokens + cache_read + five_minutes + hour,
            output_tokens=usage.output_tokens,
            cache_read_tokens=cache_read,
            cache_write_5m_tokens=five_minutes,
            cache_write_1h_tokens=hour,
            service_tier=usage.service_tier,
            span_id=self.id,
            response_id=self.id,
            finish_reasons=[self._stop_reason] if self._stop_reason else [],
            input=self.prompt,
            output=self._output or None,
            metadata=_given(
                request_id=self._line.request_id,
                agent_id=self._line.agent_id,
                output_chars=self._output_chars,
            ),
        )
        if start is not None and len(self._lines) > 1:
            event.time_to_first_token_us = max(0, self._first_us - start)
        return _placed(event, self._line)


class ToolCall:
    """One call of a tool, from the line that asks for it to the line with its result."""

    def __init__(
        self, ordinal: int, block: Content, line: Line, time_us: int, response_id: str, *, content: bool
    ) -> None:
        self.ordinal = ordinal
        self.id = block.id
        self._line = line
        self._tool = block.name or "unknown"
        self._response_id = response_id
        self._start_us = time_us
        raw = bytes(block.input)
        self._input = msgspec.json.decode(raw) if content and raw else None
        self._input_sha256 = block.input_sha256
        self._input_bytes: int | None = None
        if raw:
            self._input_sha256 = hashlib.sha256(raw).hexdigest()[:16]
            self._input_bytes = len(raw)

    def finished(self, result: Content, time_us: int, *, content: bool) -> Event:
        """The span of a call that has its result."""
        event = self._event(max(self._start_us, time_us))
        event.duration_us = max(0, time_us - self._start_us)
        event.output = result.content if content else None
        event.metadata["output_chars"] = result.size()
        if result.is_error:
            event.status = "error"
            event.error_type = TOOL_ERROR
        return event

    def unfinished(self) -> Event:
        """The span of a call that never got a result: it has no duration, and counts as failed."""
        event = self._event(self._start_us)
        event.status = "error"
        event.error_type = NO_RESULT
        return event

    def _event(self, time_us: int) -> Event:
        event = Event(
            kind="span",
            operation=EXECUTE_TOOL,
            name=f"{EXECUTE_TOOL} {self._tool}",
            tool=self._tool,
            time_us=time_us,
            span_id=self.id,
            tool_call_id=self.id,
            parent_id=self._response_id,
            input=self._input,
            metadata=_given(
                agent_id=self._line.agent_id, input_sha256=self._input_sha256, input_bytes=self._input_bytes
            ),
        )
        return _placed(event, self._line)


def _placed(event: Event, line: Line) -> Event:
    """With the agent and the session; a session is one trace, its subagents' work included."""
    event.agent = SUBAGENT if line.agent_id or line.is_sidechain else MAIN_AGENT
    event.session_id = event.conversation_id = event.trace_id = line.session_id
    return event


def _part(block: Content) -> dict[str, str] | None:
    """What a response's output says of a block; a tool's arguments stand in the tool's own span."""
    if block.type == "tool_use":
        return {"type": block.type, "id": block.id or "", "name": block.name or ""}
    text = block.text if block.text is not None else block.thinking
    return None if text is None else {"type": block.type, "text": text}


def _given(**values: Any) -> dict[str, Any]:
    """Those that are known."""
    return {name: value for name, value in values.items() if value is not None}
