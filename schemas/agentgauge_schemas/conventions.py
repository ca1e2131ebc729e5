"""The names agentgauge shares with the OpenTelemetry GenAI semantic conventions, v1.41.1.

Names in the conventions still move, so every one that we use stands here and nowhere else.
Source: https://github.com/open-telemetry/semantic-conventions, tag v1.41.1, docs/gen-ai.
"""

from typing import Final

# gen_ai.operation.name
CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
GENERATE_CONTENT: Final = "generate_content"
EMBEDDINGS: Final = "embeddings"
EXECUTE_TOOL: Final = "execute_tool"
INVOKE_AGENT: Final = "invoke_agent"
INVOKE_WORKFLOW: Final = "invoke_workflow"
CREATE_AGENT: Final = "create_agent"
RETRIEVAL: Final = "retrieval"

FUNCTION: Final = "function"
"""Ours: any other traced call; the user's own word for it is `Event.event_type`."""

LLM_OPERATIONS: Final = frozenset({CHAT, TEXT_COMPLETION, GENERATE_CONTENT, EMBEDDINGS})
"""Operations that are one call of a model, the only ones that carry billable usage."""

# Metric names, as the Prometheus sink translates them.
OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TIME_TO_FIRST_TOKEN: Final = "gen_ai.client.operation.time_to_first_chunk"
TOKEN_USAGE: Final = "gen_ai.client.token.usage"

# Attribute names, for readers of the conventions; the event model spells them shorter.
ATTRIBUTES: Final = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "model": "gen_ai.request.model",
    "response_model": "gen_ai.response.model",
    "agent": "gen_ai.agent.name",
    "conversation_id": "gen_ai.conversation.id",
    "tool": "gen_ai.tool.name",
    "tool_call_id": "gen_ai.tool.call.id",
    "response_id": "gen_ai.response.id",
    "finish_reasons": "gen_ai.response.finish_reasons",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_tokens": "gen_ai.usage.cache_read.input_tokens",
    "error_type": "error.type",
    "service": "service.name",
    "environment": "deployment.environment.name",
    "release": "service.version",
    "host": "host.name",
    "user": "user.id",
    "session_id": "session.id",
}
"""Field of our event or resource -> attribute of the conventions."""
