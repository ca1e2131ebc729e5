"""What merge publishes: the records of `.series`, `.windows` and `.alerts`, all JSON.

`version` orders the records of one key: readers keep the highest and compare nothing else. It is
the `.partials` offset of the last entry applied, above the incarnation of that log.
"""

from typing import Final, Literal

import msgspec

from agentgauge_schemas.aggregate import Aggregate

SCHEMA_VERSION: Final = 1
WINDOW_SIZES_S: Final = (10, 60, 300, 3_600, 86_400)
INCARNATION_SHIFT: Final = 44


def version_of(incarnation: int, offset: int) -> int:
    """A version from a position in `.partials`: below 2^53 for 511 incarnations."""
    return incarnation << INCARNATION_SHIFT | offset


class WindowSummary(msgspec.Struct, omit_defaults=True):
    """A closed window in short, inside a series record."""

    start_us: int
    count: int = 0
    errors: int = 0
    cost_nanousd: int = 0
    tokens: int = 0
    p50_us: float | None = None
    p95_us: float | None = None
    p99_us: float | None = None


class Series(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The totals of one group since the pipeline began. Key: the group's key."""

    view: str
    group: dict[str, str]
    version: int
    total: Aggregate
    windows: dict[str, WindowSummary] = {}
    """The last closed window of "1m" and "5m"."""
    watermark_us: int = 0
    schema: int = SCHEMA_VERSION


class Window(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One window of one group, or a part of one. Key: `window_key`.

    A window's value is the sum of its parts: part 0 is what was in memory (its newest version
    replaces older ones), any other part is late or old data that came after it had left memory.
    """

    view: str
    group: dict[str, str]
    size_s: int
    start_us: int
    part: int
    version: int
    revision: int = 0
    """How often part 0 was published before."""
    total: Aggregate
    schema: int = SCHEMA_VERSION


def window_key(key: str, size_s: int, start_us: int, part: int) -> str:
    """The record key of a window: a JSON array of the group's key and the three numbers."""
    return f"[{key},{size_s},{start_us},{part}]"


class Alert(
    msgspec.Struct,
    omit_defaults=True,
    kw_only=True,
    rename={"starts_at": "startsAt", "ends_at": "endsAt", "generator_url": "generatorURL"},
):
    """One alert in Alertmanager's v2 shape, plus our fields. Key: its fingerprint."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: str
    ends_at: str | None = None
    generator_url: str = ""
    fingerprint: str
    state: Literal["pending", "firing", "resolved"]
    rule: str
    value: float | None = None
    threshold: float | None = None
    window_s: int = 0
    version: int
    schema: int = SCHEMA_VERSION
