"""Hand-made lines of a coding agent's session file, as Claude Code writes them."""

import json
from typing import Any

START = "2026-02-12T10:00:"


class Session:
    """Builds lines; times are seconds after 10:00:00 of one day."""

    def __init__(self, session: str = "s1", **common: Any) -> None:
        self._common = {"sessionId": session, "version": "2.1.39", "cwd": "/home/dev/shop", **common}
        self._lines = 0

    def line(
        self, kind: str, second: float, *, parent: str | None, uuid: str | None = None, **more: Any
    ) -> bytes:
        self._lines += 1
        fields = {
            "type": kind,
            "timestamp": f"{START}{second:06.3f}Z",
            "uuid": uuid or f"u{self._lines}",
            "parentUuid": parent,
            **self._common,
            **more,
        }
        return json.dumps(fields).encode()

    def prompt(self, second: float, text: str = "hi", *, parent: str | None = None, **more: Any) -> bytes:
        return self.line("user", second, parent=parent, message={"role": "user", "content": text}, **more)

    def result(
        self,
        second: float,
        call: str,
        *,
        parent: str | None,
        content: Any = "done",
        error: bool = False,
        **more: Any,
    ) -> bytes:
        block = {"type": "tool_result", "tool_use_id": call, "is_error": error, "content": content}
        message = {"role": "user", "content": [block]}
        return self.line("user", second, parent=parent, message=message, **more)

    def answer(
        self,
        second: float,
        response: str,
        *blocks: dict[str, Any],
        parent: str | None,
        out: int = 10,
        **more: Any,
    ) -> bytes:
        usage = {
            "input_tokens": 3,
            "output_tokens": out,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
            "service_tier": "standard",
        }
        usage |= more.pop("usage", {})
        message = {
            "id": response,
            "model": more.pop("model", "claude-opus-4-6"),
            "role": "assistant",
            "stop_reason": more.pop("stop_reason", None),
            "usage": usage,
            "content": list(blocks),
        }
        return self.line("assistant", second, parent=parent, message=message, **more)


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def tool(call: str, name: str = "Bash", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": name, "input": arguments}
