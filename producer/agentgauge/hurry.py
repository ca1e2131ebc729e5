"""How much time a sender has: what those who flush and close tell its thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from agentgauge.clock import Clock

REFUSED_S: Final = 1.0
"""How long a closing sender goes on where nothing answers."""

FLUSH_RETRY_S: Final = 1.0
CLOSE_RETRY_S: Final = 0.25


class Hurry:
    """Set by any thread, read by the sender's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flushing = 0
        self._closing_since: float | None = None
        self._deadline = 0.0
        self.send_now = False
        """Somebody waits for what is queued. The sender resets it before it takes the queue."""

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """While somebody waits for a flush."""
        with self._lock:
            self._flushing += 1
            self.send_now = True
        try:
            yield
        finally:
            with self._lock:
                self._flushing -= 1

    def begin_closing(self, timeout_s: float) -> None:
        """From now on there are at most `timeout_s` left."""
        now = self._clock.monotonic()
        with self._lock:
            if self._closing_since is None:
                self._closing_since = now
                self._deadline = now + timeout_s
            self._deadline = min(self._deadline, now + timeout_s)

    @property
    def closing(self) -> bool:
        """Whether the sender is to end."""
        return self._closing_since is not None

    def is_over(self, answers: bool) -> bool:
        """Whether to give up, given whether anything answers at the other end."""
        if self._closing_since is None:
            return False
        limit = self._deadline if answers else min(self._deadline, self._closing_since + REFUSED_S)
        return self._clock.monotonic() >= limit

    def shorten(self, delay_s: float) -> float:
        """A wait before a retry, in view of who is waiting."""
        if self.closing:
            return min(delay_s, CLOSE_RETRY_S)
        return min(delay_s, FLUSH_RETRY_S) if self._flushing else delay_s
