"""The windows of one group: accumulators of event time, closed by the watermark.

    10 s  |--|--|--|--|--|--|      a pane takes every aggregate; when it closes it is added to
    1 m   |-----------------|      the one window of each size that holds it, and to the total
    5 m   |------------------ ...

    a window:  open ──(watermark >= end)──▶ closed: published, revised when late data comes
                                     └──(watermark >= end + retention)──▶ left memory

Nothing is too late for the books: what belongs to a window that left memory becomes a part of its
own, and readers add parts up.
"""

from typing import Final

import msgspec

from agentgauge_schemas.aggregate import PackedAggregate
from agentgauge_schemas.results import WINDOW_SIZES_S

SECOND_US: Final = 1_000_000
RETAINED_SIZES: Final = 6


def retention_s(size_s: int, allowed_lateness_s: int) -> int:
    """How long a closed window stays in memory: six of its own size, at most the allowed lateness.

    Windows that leave earlier cost no accuracy, only a further part; this bounds a busy group to
    some thirty windows.
    """
    return min(allowed_lateness_s, RETAINED_SIZES * size_s)


class Window(msgspec.Struct, array_like=True):
    """A window in memory."""

    size_s: int
    start_s: int
    total: PackedAggregate
    closed: bool = False
    revision: int = 0

    @property
    def end_s(self) -> int:
        """Exclusive."""
        return self.start_s + self.size_s


WindowId = tuple[int, int]
"""Size and start, seconds."""


def windows_of(pane_s: int) -> list[WindowId]:
    """The windows that hold a pane which starts at `pane_s`."""
    return [(size, pane_s - pane_s % size) for size in WINDOW_SIZES_S]
