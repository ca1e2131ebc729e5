"""Every keyword of every reference signature, and the field of ours that it becomes.

The five documents describe five clients of one event model; this table says how they meet in it.
`docs/architecture.md` shows it (`markdown_table`), and a test compares it with the list of all
documented signatures and with the fields that there are.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

CLIENT: Final = "client setting"
"""Decides what the client does; it is in no event."""
LOCAL: Final = "local only"
"""Stays in the process: nothing of it is published."""
QUERY: Final = "query"
"""Chooses what is read back."""
RULE: Final = "rule"
"""Part of a record of `.rules`."""

Destinations = tuple[str, ...]
"""Fields, as `Event.model` or `Resource.project`, or one of the four constants above."""


class Keyword(NamedTuple):
    """One keyword of one documented signature."""

    document: str
    signature: str
    keyword: str
    destinations: Destinations


_Signature = dict[str, str | Destinations]

_SCORE: Final[_Signature] = {
    "name": "Event.name",
    "value": "Event.value",
    "comment": "Event.comment",
    "data_type": "Event.data_type",
}
_AGENT_MONITOR: Final[_Signature] = {
    "agent_id": "Resource.agent",
    "api_key": CLIENT,
    "api_url": CLIENT,
    "batch_size": CLIENT,
    "flush_interval": "BlockHeaders.flush_ms",
    "retry_attempts": CLIENT,
    "timeout": CLIENT,
    "debug": CLIENT,
    "enabled": CLIENT,
    "redact_keys": CLIENT,
    "on_error": CLIENT,
}
_MESSAGE: Final[_Signature] = {
    "session_id": "Event.session_id",
    "content": "Event.content",
    "metadata": "Event.metadata",
}
_UNKNOWN_KEYWORDS: Final[_Signature] = {"**kwargs": "Event.metadata"}
_GENERATION: Final[_Signature] = {
    "name": "Event.name",
    "model": "Event.model",
    "model_parameters": "Event.model_parameters",
}
_USAGE: Final[_Signature] = {
    "inputTokens": "Event.input_tokens",
    "outputTokens": "Event.output_tokens",
}

_TABLE: Final[dict[str, dict[str, _Signature]]] = {
    "agentmonitor-sdk": {
        "AgentMonitor": _AGENT_MONITOR,
        "AsyncAgentMonitor": _AGENT_MONITOR,
        "AgentMonitor.track": {
            "event_type": ("Event.event_type", "Event.operation"),
            "capture_input": CLIENT,
            "capture_output": CLIENT,
            "metadata": "Event.metadata",
        },
        "AgentMonitor.track_event": {
            "event_type": ("Event.event_type", "Event.operation"),
            "input_data": "Event.input",
        },
        "TrackedEvent.set_output": {"output": "Event.output"},
        "TrackedEvent.set_cost": {
            "cost_usd": ("Event.cost_nanousd", "Event.cost_source"),
            "rollup": "Event.rollup",
        },
        "TrackedEvent.set_metadata": {"**kwargs": "Event.metadata"},
        "AgentMonitor.log_event": {
            "event_type": ("Event.event_type", "Event.operation"),
            "input_data": "Event.input",
            "output_data": "Event.output",
            "metadata": "Event.metadata",
            "cost_usd": ("Event.cost_nanousd", "Event.cost_source"),
            "latency_ms": "Event.duration_us",
            "status": "Event.status",
            "error_message": "Event.error_message",
            "timestamp": "Event.time_us",
        },
        "AgentMonitor.flush": {"timeout": CLIENT},
        "AgentMonitor.close": {"timeout": CLIENT},
        "AsyncAgentMonitor.stop": {"timeout": CLIENT},
        # Keys of any metadata that are lifted into fields; a copy stays in the metadata.
        "metadata": {
            "model": "Event.model",
            "provider": "Event.provider",
            "tokens": "Event.unspecified_tokens",
            "input_tokens": "Event.input_tokens",
            "output_tokens": "Event.output_tokens",
            "user_id": "Event.user",
            "session_id": "Event.session_id",
        },
    },
    "agent-tracking-sdk": {
        "APIConfig": {"api_key": CLIENT, "client_id": "Resource.client_id", "api_url": CLIENT},
        "AgentPerformanceTracker": {"config": CLIENT, "spool_dir": CLIENT},
        "AgentPerformanceTracker.start_conversation": {"agent_id": "Event.agent"},
        "AgentPerformanceTracker.log_user_message": _MESSAGE,
        "AgentPerformanceTracker.log_agent_message": {
            **_MESSAGE,
            "response_time_ms": "Event.duration_us",
            "tokens_used": "Event.unspecified_tokens",
        },
        "AgentPerformanceTracker.end_conversation": {
            "session_id": "Event.session_id",
            "quality_score": "Event.value",
        },
        "AgentPerformanceTracker.get_conversation_history": {"session_id": QUERY},
        "AgentPerformanceTracker.set_agent_status": {
            "agent_id": "Event.agent",
            "status": "Event.agent_status",
        },
        "AgentPerformanceTracker.log_operation": {
            "agent_id": "Event.agent",
            "name": ("Event.name", "Event.event_type"),
            "duration_ms": "Event.duration_us",
            "status": "Event.status",
            "metadata": "Event.metadata",
        },
        "AgentPerformanceTracker.log_llm_usage": {
            "agent_id": "Event.agent",
            "model": "Event.model",
            "input_tokens": "Event.input_tokens",
            "output_tokens": "Event.output_tokens",
            "session_id": "Event.session_id",
            "cost_usd": ("Event.cost_nanousd", "Event.cost_source"),
            "provider": "Event.provider",
        },
        "AgentPerformanceTracker.log_security_event": {
            "agent_id": "Event.agent",
            "event": "Event.name",
            "severity": "Event.severity",
            "metadata": "Event.metadata",
        },
        "AgentPerformanceTracker.log_compliance_event": {
            "agent_id": "Event.agent",
            "policy": "Event.name",
            "passed": "Event.passed",
            "metadata": "Event.metadata",
        },
    },
    "agenttrace-sdk": {
        "AgentTrace": {
            "api_key": CLIENT,
            "project_id": "Resource.project",
            "api_url": CLIENT,
            "debug": CLIENT,
            "flush_interval": "BlockHeaders.flush_ms",
            "batch_size": CLIENT,
            "enabled": CLIENT,
            "sample_rate": "Event.sampled",
            "http_client": CLIENT,
        },
        "observe": {"name": "Event.name", "capture_input": CLIENT, "capture_output": CLIENT},
        "AgentTrace.trace": {
            "name": "Event.name",
            "input": "Event.input",
            "metadata": "Event.metadata",
            "tags": "Event.tags",
            "user_id": "Event.user",
            "session_id": "Event.session_id",
        },
        "AgentTrace.session": {"id": "Event.session_id"},
        "Session.trace": {"name": "Event.name"},
        "AgentTrace.get_prompt": {
            "name": "Event.prompt_name",
            "version": "Event.prompt_version",
            "label": QUERY,
            "fallback": QUERY,
        },
        "AgentTrace.score": {**_SCORE, "trace_id": ("Event.target_id", "Event.target_kind")},
        "AgentTrace.git_link": {
            "trace_id": "Event.trace_id",
            "commit_sha": "Event.git_sha",
            "branch": "Event.git_branch",
            "repo_url": "Event.git_repository",
        },
        "TraceContext": {
            "id": "Event.trace_id",
            "input": "Event.input",
            "output": "Event.output",
            "metadata": "Event.metadata",
            "tags": "Event.tags",
            "level": "Event.level",
            "error": ("Event.error_message", "Event.status"),
            "prompt": ("Event.prompt_name", "Event.prompt_version"),
        },
        "TraceContext.generation": _GENERATION,
        "GenerationContext": {
            "input": "Event.input",
            "output": "Event.output",
            "usage": ("Event.input_tokens", "Event.output_tokens"),
        },
        "GenerationContext.usage": _USAGE,
        "TraceContext.span": {"name": "Event.name"},
        "SpanContext": {"output": "Event.output"},
        "TraceContext.event": {"name": "Event.name", "data": "Event.metadata"},
        "TraceContext.score": _SCORE,
        "TraceContext.checkpoint": {
            "name": "Event.name",
            "description": "Event.description",
            "files": "Event.files",
        },
        "TraceContext.file_op": {
            "operation": "Event.file_operation",
            "path": "Event.file_path",
            "before": "Event.file_before",
            "after": "Event.file_after",
        },
        "TraceContext.terminal_cmd": {
            "command": "Event.command",
            "exit_code": "Event.exit_code",
            "stdout": "Event.stdout",
            "stderr": "Event.stderr",
        },
        "Prompt": {"name": "Event.prompt_name", "version": "Event.prompt_version", "content": LOCAL},
        "Prompt.compile": {"**variables": LOCAL},
        "wrap_openai": {"client": CLIENT, "agentgauge": CLIENT},
        "wrap_anthropic": {"client": CLIENT, "agentgauge": CLIENT},
    },
    "agents-hub-monitoring": {
        "BaseMonitor": {"name": CLIENT, "level": CLIENT, "include_events": CLIENT, "exclude_events": CLIENT},
        "LangfuseMonitor": {
            "public_key": CLIENT,
            "secret_key": CLIENT,
            "host": CLIENT,
            "release": "Resource.release",
        },
        "ConsoleMonitor": {"log_level": CLIENT, "include_timestamps": CLIENT},
        "Agent.run(context)": {
            "conversation_id": "Event.conversation_id",
            "user_id": "Event.user",
            "session_id": "Event.session_id",
        },
        "BaseMonitor.track_llm_call": _UNKNOWN_KEYWORDS,
        "BaseMonitor.track_llm_result": _UNKNOWN_KEYWORDS,
        "BaseMonitor.track_agent_run": _UNKNOWN_KEYWORDS,
        "BaseMonitor.track_tool_use": _UNKNOWN_KEYWORDS,
        "BaseMonitor.track_tool_usage": _UNKNOWN_KEYWORDS,
        "BaseMonitor.track_user_message": _UNKNOWN_KEYWORDS,
        "BaseMonitor.track_assistant_message": _UNKNOWN_KEYWORDS,
        "BaseMonitor.start_conversation": _UNKNOWN_KEYWORDS,
        "BaseMonitor.end_conversation": _UNKNOWN_KEYWORDS,
        "BaseMonitor.track_moderation": _UNKNOWN_KEYWORDS,
        "BaseMonitor.track_memory": _UNKNOWN_KEYWORDS,
        "BaseMonitor.track_retrieval": _UNKNOWN_KEYWORDS,
        "BaseMonitor.track_event": {
            "name": ("Event.name", "Event.event_type"),
            "properties": "Event.metadata",
        },
        "BaseMonitor.track_error": {
            "error": ("Event.error_type", "Event.error_message", "Event.traceback"),
            "context": "Event.metadata",
            "**ids": ("Event.conversation_id", "Event.session_id", "Event.user"),
        },
        "BaseMonitor.score_conversation": {
            "conversation_id": ("Event.target_id", "Event.target_kind", "Event.conversation_id"),
            "name": "Event.name",
            "value": "Event.value",
            "comment": "Event.comment",
        },
        "BaseMonitor.add_user_feedback": {
            "conversation_id": ("Event.target_id", "Event.target_kind", "Event.conversation_id"),
            "score": "Event.value",
            "comment": "Event.comment",
        },
        "BaseMonitor.create_alert": {
            "name": RULE,
            "condition": RULE,
            "channels": RULE,
            "recipients": RULE,
        },
    },
    "monitoring-tutorial": {
        "AgentLogger": {"agent_id": LOCAL, "log_file": LOCAL},
        "AgentLogger.log_event": {"event_type": LOCAL, "data": LOCAL, "level": LOCAL},
        "AgentLogger.log_request": {"user_id": LOCAL, "input_text": LOCAL},
        "AgentLogger.log_response": {"user_id": LOCAL, "output_text": LOCAL, "execution_time": LOCAL},
        "AgentLogger.log_tool_call": {"tool_name": LOCAL, "parameters": LOCAL, "result": LOCAL},
        "AgentLogger.log_error": {"error_type": LOCAL, "error_message": LOCAL, "context": LOCAL},
        "Tracer.trace": {"operation_name": LOCAL, "parent_id": LOCAL},
        "Tracer.add_metadata": {"key": LOCAL, "value": LOCAL},
        "Tracer.get_trace": {"trace_id": LOCAL},
        "MetricsCollector.record_metric": {"name": LOCAL, "value": LOCAL, "tags": LOCAL},
        "MetricsCollector.increment_counter": {"name": LOCAL, "amount": LOCAL},
        "MetricsCollector.get_stats": {"name": LOCAL, "window_seconds": LOCAL},
        "MetricsCollector.get_counter": {"name": LOCAL},
        "MetricsDashboard": {"metrics_collector": LOCAL},
        "CostMonitor": {"budget_limit": LOCAL},
        "CostMonitor.record_cost": {"user_id": LOCAL, "cost": LOCAL, "model": LOCAL, "tokens": LOCAL},
        "CostMonitor.add_alert": {"level": LOCAL, "message": LOCAL},
        "CostMonitor.get_user_cost": {"user_id": LOCAL},
        "CostMonitor.get_alerts": {"level": LOCAL},
        "FeedbackCollector.collect_rating": {
            "user_id": "Event.user",
            "interaction_id": ("Event.target_id", "Event.target_kind"),
            "rating": "Event.value",
            "comment": "Event.comment",
        },
        "FeedbackCollector.get_average_rating": {"user_id": LOCAL},
        "FeedbackCollector.get_recent_feedback": {"limit": LOCAL},
        "FeedbackCollector.get_low_ratings": {"threshold": LOCAL},
        "FeedbackAnalyzer": {"feedback_collector": LOCAL, "client": LOCAL, "model": LOCAL},
        # Published only where a client is given.
        "AgentMonitor": {"agent_id": "Event.agent", "client": CLIENT},
        "AgentMonitor.monitor_request": {"user_id": "Event.user", "input_text": "Event.input"},
        "AgentMonitor.monitor_response": {
            "user_id": "Event.user",
            "output_text": "Event.output",
            "context": ("Event.trace_id", "Event.duration_us"),
        },
        "AgentMonitor.monitor_tool_call": {
            "tool_name": "Event.tool",
            "parameters": "Event.input",
            "result": "Event.output",
        },
        "AgentMonitor.monitor_cost": {
            "user_id": "Event.user",
            "model": "Event.model",
            "tokens": "Event.unspecified_tokens",
            "cost": ("Event.cost_nanousd", "Event.cost_source"),
        },
        "AgentMonitor.monitor_error": {
            "error_type": "Event.error_type",
            "error_message": "Event.error_message",
            "context": "Event.metadata",
        },
        "AlertManager.add_rule": {"name": LOCAL, "condition": LOCAL, "severity": LOCAL, "message": LOCAL},
        "AlertManager.check_alerts": {"metrics": LOCAL},
        "AlertManager.trigger_alert": {"alert": LOCAL},
        "AlertManager.get_active_alerts": {"severity": LOCAL},
    },
}


def keywords() -> Iterator[Keyword]:
    """The whole table, in the order of the documents."""
    for document, signatures in _TABLE.items():
        for signature, parameters in signatures.items():
            for keyword, becomes in parameters.items():
                destinations = (becomes,) if isinstance(becomes, str) else becomes
                yield Keyword(document, signature, keyword, destinations)


def markdown_table() -> str:
    """The table for the documentation."""
    rows = ["| document | signature | keyword | becomes |", "|---|---|---|---|"]
    for document, signature, keyword, destinations in keywords():
        fields = ", ".join(f"`{name}`" if "." in name else name for name in destinations)
        rows.append(f"| {document} | `{signature}` | `{keyword}` | {fields} |")
    return "\n".join(rows) + "\n"
