"""The delivery account: what became of each event of one producer.

An event is new if its sequence is at or above `next`, or inside an open range, which it closes;
anything else is a duplicate. Late retries, a disk spool and a replay are all this one rule.
"""

from typing import Final

import msgspec

SCHEMA_VERSION: Final = 1
MAX_OPEN_RANGES: Final = 64
SILENT_AFTER_US: Final = 90_000_000
"""A producer sends at least every 30 s; one that was silent for this long, without a final block,
ended without saying so."""


class Account(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Of one producer, as kept by reduce and published on `.producers`. Times: the broker's."""

    producer: str
    project: str = "default"
    service: str = ""
    host: str = ""
    partition: int
    next: int = 0
    """The sequence that comes next: all below is accounted for, here or in `open`."""
    open: list[tuple[int, int]] = []
    """Half-open ranges below `next` that have not arrived, ascending."""
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    """Arrived, but not valid: they stand in the dead-letter topic."""
    lost: int = 0
    """Given up: their ranges fell out of `open`."""
    dropped: dict[str, int] = {}
    """What the producer itself gave up, by its reason."""
    queue_depth: int = 0
    final: bool = False
    repeatable: bool = False
    first_seen_us: int = 0
    last_seen_us: int = 0
    version: int = 0
    """The `.events` offset of its last block (above the incarnation of that log)."""
    schema: int = SCHEMA_VERSION

    @property
    def missing(self) -> int:
        """Events that are known to exist and have not arrived (yet). Of a repeatable producer nobody
        knows: its sequences come from the data, with gaps where there is nothing.
        """
        return 0 if self.repeatable else sum(end - start for start, end in self.open)

    def ended_silently(self, now_us: int) -> bool:
        """No final block, and nothing for 90 s: about `queue_depth` events went with it."""
        return not self.final and not self.repeatable and now_us - self.last_seen_us > SILENT_AFTER_US

    def accept(self, seq: int, count: int) -> list[tuple[int, int]]:
        """Book the sequences [seq, seq+count); returns the half-open ranges of them that are new."""
        end = seq + count
        new: list[tuple[int, int]] = []
        if seq < self.next and self.open:
            still_open: list[tuple[int, int]] = []
            for start, stop in self.open:
                low, high = max(start, seq), min(stop, end)
                if low >= high:
                    still_open.append((start, stop))
                    continue
                new.append((low, high))
                if start < low:
                    still_open.append((start, low))
                if high < stop:
                    still_open.append((high, stop))
            self.open = still_open
        if end > self.next:
            low = max(seq, self.next)
            if low > self.next:
                begin = self.next
                if self.open and self.open[-1][1] == begin:  # heartbeats between lost blocks
                    begin, _ = self.open.pop()
                self.open.append((begin, low))
            if low < end:
                new.append((low, end))
            self.next = end
        if len(self.open) > MAX_OPEN_RANGES and not self.repeatable:
            self._give_up_oldest()
        fresh = sum(high - low for low, high in new)
        self.accepted += fresh
        self.duplicates += count - fresh
        return new

    def _give_up_oldest(self) -> None:
        while len(self.open) > MAX_OPEN_RANGES:
            start, stop = self.open.pop(0)
            self.lost += stop - start


class ServiceTotals(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What the folded accounts of a service came to. Key on `.producers`: `service:PROJECT/SERVICE`."""

    project: str
    service: str
    partition: int
    producers: int = 0
    folded: list[str] = []
    """The producers that this version folded: their own records end with it."""
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    lost: int = 0
    dropped: dict[str, int] = {}
    version: int = 0
    schema: int = SCHEMA_VERSION


def service_key(project: str, service: str, partition: int) -> str:
    """The record key of a service's totals (each source partition keeps its own)."""
    return f"service:{partition}:{project}/{service}"
