"""agentgauge: what your agents do, as events on Kafka.

    import agentgauge

    agentgauge.init("kafka://localhost:9092", service="support-bot", agent="planner")

    @agentgauge.observe
    def answer(question: str) -> str: ...

Reading order: `client`, `span`, `observe`; `capture`, `redaction`; `buffer`, `packing`, `sender`,
`worker`, `delivery`, `transports`.
"""

from agentgauge.buffer import FlushResult
from agentgauge.client import Client
from agentgauge.default import (
    close,
    current_span,
    event,
    flush,
    generation,
    init,
    observe,
    score,
    span,
)
from agentgauge.errors import AgentgaugeError, ConfigError, NetworkError, ValidationError
from agentgauge.span import Span
from agentgauge.version import __version__

__all__ = [
    "AgentgaugeError",
    "Client",
    "ConfigError",
    "FlushResult",
    "NetworkError",
    "Span",
    "ValidationError",
    "__version__",
    "close",
    "current_span",
    "event",
    "flush",
    "generation",
    "init",
    "observe",
    "score",
    "span",
]
