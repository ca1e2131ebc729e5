"""Prometheus: totals, windows and accounts as metrics that are scraped.

Reading order: `metrics` (all of them), `sink`, `state`, `page`, `exposition`, `server`.
"""

from agentgauge_sinks.contract import LogFactory
from agentgauge_sinks.prometheus.sink import PrometheusSink
from agentgauge_sinks.service import run_sink

__all__ = ["PrometheusSink", "run_prometheus"]


def run_prometheus(open_log: LogFactory, host: str, port: int) -> int:
    """Serve /metrics until SIGTERM or SIGINT; returns the exit code. Blocks.

    Raises StartupProblem when it cannot listen there, and what `open_log` raises.
    """
    return run_sink(PrometheusSink(host, port), open_log)
