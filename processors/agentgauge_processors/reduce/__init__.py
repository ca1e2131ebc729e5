"""Reduce: from blocks of events to partial aggregates, each event counted once."""

from agentgauge_processors.reduce.stage import ReduceStage

__all__ = ["ReduceStage"]
