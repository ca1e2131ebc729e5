"""A process that scrapes /metrics each second as Prometheus would: no counter may ever fall.

python -m tests.chaos.scraper '{"url": ..., "out": ...}'
"""

import json
import re
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

EVERY_S = 1.0
MAX_KEPT = 20
COUNTERS = ("counter", "histogram")
OURS = ("agentgauge_", "gen_ai_")
"""The rest is about the sink's process, and begins anew with it."""

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass
class Scrapes:
    """What was seen."""

    scrapes: int = 0
    failed: int = 0
    """The sink was down, or said that it has not read everything yet."""
    counters: int = 0
    violations: int = 0
    examples: list[str] = field(default_factory=list)


def fetch(url: str) -> str | None:
    """The page, or None when there is none now."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return str(response.read().decode())
    except (urllib.error.URLError, OSError):
        return None


def samples(page: str) -> Iterator[tuple[str, str, float]]:
    """(Type, series, value) of each sample; the type is its family's."""
    kinds: dict[str, str] = {}
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            kinds[family] = kind
        elif line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            name = series.partition("{")[0]
            family = next(
                (each for each in (name, re.sub("_(bucket|count|sum)$", "", name)) if each in kinds), ""
            )
            yield kinds.get(family, ""), series, float(value)


def labels(series: str) -> dict[str, str]:
    """The labels of a series."""
    return dict(_LABEL.findall(series))


def watch(url: str, stopping: threading.Event) -> Scrapes:
    """Scrape until told to stop."""
    seen, last = Scrapes(), dict[str, float]()
    while not stopping.wait(EVERY_S):
        page = fetch(url)
        if page is None:
            seen.failed += 1
            continue
        seen.scrapes += 1
        found = {
            series: value
            for kind, series, value in samples(page)
            if kind in COUNTERS and series.startswith(OURS)
        }
        for series, value in found.items():
            if value < last.get(series, 0.0):
                seen.violations += 1
                seen.examples.append(f"{series}: from {last[series]} to {value}")
        for series in last.keys() - found.keys():
            seen.violations += 1
            seen.examples.append(f"{series}: gone")
        del seen.examples[MAX_KEPT:]
        last, seen.counters = found, len(found)
    return seen


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Path(told["out"]).write_text(json.dumps(asdict(watch(told["url"], stop))))
