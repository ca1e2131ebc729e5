"""Storage: events, runs, windows, totals and accounts in SQLite or PostgreSQL.

Reading order: `tables`, `sink`, `rows`, `runs`, `results`, `positions`, `report`.
"""

from agentgauge_sinks.contract import LogFactory
from agentgauge_sinks.service import run_sink
from agentgauge_sinks.storage.report import build_report
from agentgauge_sinks.storage.report_model import Report
from agentgauge_sinks.storage.sink import StorageSink

__all__ = ["Report", "StorageSink", "build_report", "run_storage"]


def run_storage(open_log: LogFactory, url: str) -> int:
    """Write to the storage until SIGTERM or SIGINT; returns the exit code. Blocks.

    Raises StartupProblem when the storage cannot be used, and what `open_log` raises.
    """
    return run_sink(StorageSink(url), open_log)
