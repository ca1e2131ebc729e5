"""Storage: events, runs, windows, totals and accounts in SQLite or PostgreSQL.

Reading order: `tables`, `sink`, `rows`, `runs`, `results`, `positions`, `report`.
"""

from agentgauge_sinks.storage.sink import StorageSink

__all__ = ["StorageSink"]
