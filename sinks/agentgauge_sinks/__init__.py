"""Sinks: exact views of the pipeline's topics, for those who do not read Kafka.

Reading order: `contract` (what a sink is), `runner` (what drives it), `prometheus`, `storage`.
"""

from agentgauge_sinks.contract import Backpressure, Displaced, Sink, SinkError
from agentgauge_sinks.runner import SinkRunner

__all__ = ["Backpressure", "Displaced", "Sink", "SinkError", "SinkRunner"]
