"""Merge: from partial aggregates to windows and totals, each entry applied once."""

from agentgauge_processors.merge.stage import MergeStage

__all__ = ["MergeStage"]
