"""The watermark of a merge partition: the least of its sources', without any clock."""

import msgspec

from agentgauge_schemas.partials import Progress

ALL_IDLE_DELAY_US = 40_000_000
"""When every source is idle, event time follows the broker's clock this far behind: the 30 s after
which a source is idle, and the 10 s by which normal producers may be late."""


class Source(msgspec.Struct, array_like=True):
    """What reduce said last of one source partition."""

    incarnation: int
    next: int
    watermark_us: int
    idle: bool


class Clock(msgspec.Struct, omit_defaults=True):
    """Progress of all sources, and the watermark that follows from it. Kept in the checkpoint."""

    sources: int = 0
    """How many source partitions there are: all of them count."""
    progress: dict[int, Source] = {}
    watermark_us: int = 0

    def update(self, sources: int, items: list[Progress], broker_us: int) -> None:
        """Take progress over. Items older than what is known are ignored: a worker that lost its
        partition may still be sending them.
        """
        self.sources = max(self.sources, sources)
        for item in items:
            known = self.progress.get(item.source)
            if known is not None and (item.incarnation, item.next) < (known.incarnation, known.next):
                continue
            watermark = item.watermark_us if known is None else max(item.watermark_us, known.watermark_us)
            self.progress[item.source] = Source(item.incarnation, item.next, watermark, item.idle)
        self.watermark_us = max(self.watermark_us, self._candidate(broker_us))

    def _candidate(self, broker_us: int) -> int:
        if len(self.progress) < self.sources:
            return 0  # a source that never reported holds the watermark
        active = [source.watermark_us for source in self.progress.values() if not source.idle]
        if active:
            return min(active)
        return broker_us - ALL_IDLE_DELAY_US if self.progress else 0
