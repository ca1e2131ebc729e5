"""From a user's word for what happened to the operation that the pipeline groups by."""

from typing import Final

from agentgauge_schemas.conventions import CHAT, EMBEDDINGS, EXECUTE_TOOL, FUNCTION, RETRIEVAL

_OPERATIONS: Final = {
    "llm_call": CHAT,
    "generation": CHAT,
    "chat": CHAT,
    "completion": CHAT,
    "tool_call": EXECUTE_TOOL,
    "execute_tool": EXECUTE_TOOL,
    "retrieval": RETRIEVAL,
    "embedding": EMBEDDINGS,
    "embeddings": EMBEDDINGS,
}


def operation_of(event_type: str | None) -> str:
    """The conventions' operation of an event type; of all others `function`."""
    return _OPERATIONS.get(event_type, FUNCTION) if isinstance(event_type, str) else FUNCTION
