"""One readable line per event: when, who, what, and how it went."""

from collections.abc import Callable, Iterator
from typing import Final

from agentgauge_cli.rendering import duration_text, printable, time_text
from agentgauge_schemas.block import Resource
from agentgauge_schemas.event import Event, Kind
from agentgauge_schemas.money import format_usd

MAX_TEXT: Final = 120
"""Characters of a content that a line shows."""
FAILED: Final = "ERROR"


def event_line(event: Event, resource: Resource) -> str:
    """`2026-02-10 12:03:11.123  planner  chat claude-opus-4-6  1.23 s  38,419 in, 97 out`."""
    agent = event.agent or resource.agent or resource.service or "-"
    parts = [time_text(event.time_us), agent.ljust(12), *_what(event), *_how(event)]
    return "  ".join(printable(part) for part in parts)


def _what(event: Event) -> Iterator[str]:
    describe = _DESCRIBED.get(event.kind)
    text = describe(event) if describe is not None else _words(event.name)
    yield text if event.kind == "span" else f"{event.kind} {text}".rstrip()


def _how(event: Event) -> Iterator[str]:
    if event.duration_us is not None:
        yield duration_text(event.duration_us)
    if event.input_tokens or event.output_tokens:
        yield f"{event.input_tokens:,} in, {event.output_tokens:,} out"
    elif event.unspecified_tokens:
        yield f"{event.unspecified_tokens:,} tokens"
    if event.cost_nanousd is not None:
        yield f"${format_usd(event.cost_nanousd)}"
    if event.status == "error":
        reason = _words(event.error_type, _shortened(event.error_message))
        yield f"{FAILED} {reason}".rstrip()


def _span(event: Event) -> str:
    operation = event.operation or event.event_type or "span"
    return _words(
        operation, event.tool or event.response_model or event.model or event.name or event.event_type
    )


def _score(event: Event) -> str:
    return _words(f"{event.name or 'score'}={_shortened(event.value)}", event.comment)


_DESCRIBED: Final[dict[Kind, Callable[[Event], str]]] = {
    "span": _span,
    "start": _span,
    "log": lambda event: _words(event.level, event.name, _shortened(event.content)),
    "message": lambda event: _words(event.role, _shortened(event.content)),
    "score": _score,
    "feedback": _score,
    "checkpoint": lambda event: _words(event.name, event.description),
    "status": lambda event: _words(event.agent_status),
    "moderation": lambda event: _words(
        event.moderation_stage, event.moderation_action, *event.moderation_categories
    ),
    "memory": lambda event: _words(event.memory_operation, event.name),
    "security": lambda event: _words(event.severity, event.name),
    "compliance": lambda event: _words(event.name, None if event.passed is None else _passed(event.passed)),
    "git": lambda event: _words(event.git_sha, event.git_branch),
    "file_op": lambda event: _words(event.file_operation, event.file_path),
    "terminal": lambda event: _words(
        event.command, None if event.exit_code is None else f"exit {event.exit_code}"
    ),
}


def _passed(passed: bool) -> str:
    return "passed" if passed else "failed"


def _words(*words: str | None) -> str:
    return " ".join(word for word in words if word)


def _shortened(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."
