"""Prometheus's text format, version 0.0.4.

Written here, not by `prometheus_client`, which renders and escapes the labels of each sample anew: a
page of 100,000 samples took it six times the CPU (`benchmarks/scrape`), held from all other threads.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from agentgauge_sinks.prometheus.metrics import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def labels_text(labels: Mapping[str, str]) -> str:
    """As they stand between the braces; join two of them with `also`."""
    return ",".join([f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()])


def also(labels: str, name: str, value: str) -> str:
    """One label more."""
    return f"{labels},{labels_text({name: value})}" if labels else labels_text({name: value})


class Page:
    """Samples, collected by metric and written in the metrics' order."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics
        self._lines: dict[str, list[str]] = {metric.name: [] for metric in metrics}

    def add(self, metric: Metric, labels: str, value: float) -> None:
        """One sample; integers are written exactly."""
        self._lines[metric.name].append(f"{metric.name}{{{labels}}} {value}\n")

    def add_histogram(
        self, metric: Metric, labels: str, at_most: Mapping[str, int], count: int, total: float
    ) -> None:
        """All samples of one histogram; `at_most` maps each boundary to the values up to it."""
        comma = "," if labels else ""
        head = f'{metric.name}_bucket{{{labels}{comma}le="'
        lines = [f'{head}{le}"}} {below}\n' for le, below in at_most.items()]
        lines.append(f'{head}+Inf"}} {count}\n')
        lines.append(f"{metric.name}_sum{{{labels}}} {total}\n{metric.name}_count{{{labels}}} {count}\n")
        self._lines[metric.name] += lines

    def text(self) -> str:
        """The page; metrics without a sample are left out."""
        parts: list[str] = []
        for metric in self._metrics:
            lines = self._lines[metric.name]
            if lines:
                parts.append(f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n")
                parts += lines
        return "".join(parts)
