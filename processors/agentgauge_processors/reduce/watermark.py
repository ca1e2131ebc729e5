"""How far the event time of a source partition has come, as reduce alone judges it."""

import msgspec

MIN_DELAY_US = 2_000_000
MAX_DELAY_US = 10_000_000
ACTIVE_US = 60_000_000
"""A producer's flush interval counts for as long as it was seen within this time."""


class Watermark(msgspec.Struct, omit_defaults=True):
    """The highest event time seen, capped by the broker's, minus what normal producers may be late:
    the largest flush interval active in the partition and 1 s, within 2 to 10 s.

    Kept in the checkpoint; `advance` is called with blocks in order, never with backfill.
    """

    high_us: int = 0
    flushes: dict[int, int] = {}
    """Flush interval in ms -> broker time at which it was last seen."""
    value_us: int = 0
    """The watermark itself: never falls; 0 while nothing is known."""

    def advance(self, latest_us: int, flush_ms: int, broker_us: int) -> None:
        """A block came whose latest event is of `latest_us`; 0 when it has none and its producer
        has nothing waiting, which says that all up to the broker's time is sent.
        """
        self.flushes[flush_ms] = broker_us
        if len(self.flushes) > 1:
            self.flushes = {
                flush: seen for flush, seen in self.flushes.items() if seen > broker_us - ACTIVE_US
            }
        high = min(latest_us, broker_us) if latest_us else broker_us - flush_ms * 1_000
        self.high_us = max(self.high_us, high)
        delay = max(self.flushes) * 1_000 + 1_000_000
        delay = min(max(delay, MIN_DELAY_US), MAX_DELAY_US)
        self.value_us = max(self.value_us, self.high_us - delay)
