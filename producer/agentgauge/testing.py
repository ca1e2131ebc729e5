"""For tests of programs that use agentgauge: what they publish, in memory, at times and ids you choose.

transport = MemoryTransport()
with Client(transport=transport, clock=ManualClock(), ids=CountingIds()) as client:
    ...
    client.flush()
assert transport.events[0].name == "answer"
"""

from itertools import count

from agentgauge.transports.memory import MemoryTransport, SentBlock

__all__ = ["CountingIds", "ManualClock", "MemoryTransport", "SentBlock"]


class ManualClock:
    """Time stands still until `advance`."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self._now_ns = now_us * 1_000

    def advance(self, seconds: float) -> None:
        """Let time pass, for all three clocks."""
        self._now_ns += round(seconds * 1e9)

    def time_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self._now_ns

    def perf_counter_ns(self) -> int:
        """The same."""
        return self._now_ns

    def monotonic(self) -> float:
        """The same, in seconds."""
        return self._now_ns / 1e9


class CountingIds:
    """1, 2, 3 ...: for each kind by itself."""

    def __init__(self) -> None:
        self._traces = count(1)
        self._spans = count(1)
        self._producers = count(1)

    def trace_id(self) -> str:
        """32 digits; the root span's id is the lower half."""
        return f"{next(self._traces):032x}"

    def span_id(self) -> str:
        """16 digits, the first of them 8: never a root's."""
        return f"8{next(self._spans):015x}"

    def producer_id(self) -> str:
        """`producer-1` ..."""
        return f"producer-{next(self._producers)}"
