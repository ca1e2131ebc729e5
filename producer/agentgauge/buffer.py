"""The queue between the callers' threads and the sender's, and the count of what became of each event.

Every event is in exactly one place: `pending` (queued, or in a block that is not acknowledged),
`sent`, or `dropped` under a reason. Nothing here blocks but `wait_settled`.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from agentgauge_schemas.block import MAX_BLOCK_BYTES, Resource

Item: TypeAlias = tuple[int, Resource, bytes]
"""The event's time (microseconds), whose it is, and its JSON."""

MAX_FAILURES: Final = 10
NEVER: Final = 1 << 62


class FlushResult(NamedTuple):
    """What became of the events of a sender since it started. Clients that share an endpoint and
    credentials share a sender.
    """

    sent: int
    """Acknowledged by the broker."""
    pending: int
    dropped: int
    """Given up: the queue was full, the client closed, the event invalid, or refused."""
    failures: tuple[str, ...]
    """Why attempts to send failed, the ten latest reasons; what failed is tried again."""


class Buffer:
    """A queue that is bounded in events and in bytes. Thread-safe, and safe to enter again from a
    finalizer or signal handler that interrupts it: hence the re-entrant lock.
    """

    def __init__(self, max_events: int, max_bytes: int, wake: Callable[[], None]) -> None:
        """`wake` is called, with the lock held, when the sender should look; it must not block."""
        self.max_events = max_events
        self.max_bytes = max_bytes
        self._wake = wake
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._items: list[Item] = []
        self._pending = 0
        self._pending_bytes = 0
        self._taken_bytes = 0
        # Of `_pending` and `_pending_bytes`, so that `put` has little to compare.
        self._wake_at = 1
        self._wake_at_bytes = MAX_BLOCK_BYTES
        self._closed = False
        self._taken = 0
        self._settled = 0
        self._sent = 0
        self._failures: deque[str] = deque(maxlen=MAX_FAILURES)
        self._dropped: Counter[str] = Counter()

    def put(self, item: Item) -> None:
        """Queue an event, or drop it when there is no room."""
        with self._lock:
            pending = self._pending + 1
            pending_bytes = self._pending_bytes + len(item[2])
            if self._closed:
                self._dropped["closed"] += 1
            elif pending > self.max_events or pending_bytes > self.max_bytes:
                self._dropped["queue_full"] += 1
            else:
                self._items.append(item)
                self._pending = pending
                self._pending_bytes = pending_bytes
                if pending >= self._wake_at or pending_bytes >= self._wake_at_bytes:
                    self._wake_at = self._wake_at_bytes = NEVER
                    self._wake()

    def drop(self, reason: str) -> None:
        """Count an event that never came as far as the queue."""
        with self._lock:
            self._dropped[reason] += 1

    def level(self, wake_at: Callable[[int], int]) -> tuple[int, int]:
        """How many events and bytes are queued. From now on, `wake` is called once when there are
        `wake_at(events)` events, or enough bytes for a block.
        """
        with self._lock:
            count = len(self._items)
            self._wake_at = self._pending - count + wake_at(count)
            self._wake_at_bytes = self._taken_bytes + MAX_BLOCK_BYTES
            return count, self._pending_bytes - self._taken_bytes

    def take(self) -> list[Item]:
        """All that is queued, in order. It stays pending until it is settled."""
        with self._lock:
            items, self._items = self._items, []
            self._taken_bytes = self._pending_bytes
            self._wake_at = self._wake_at_bytes = NEVER
            self._taken += len(items)
            return items

    def settle(self, count: int, size: int, *, dropped: str = "") -> None:
        """Taken events were acknowledged, or given up for a reason."""
        with self._lock:
            self._pending -= count
            self._pending_bytes -= size
            self._taken_bytes -= size
            if dropped:
                self._dropped[dropped] += count
            else:
                self._sent += count

    def settle_all(self) -> None:
        """Everything that was taken is settled: those who wait for it may go on."""
        with self._lock:
            self._settled = self._taken
            self._changed.notify_all()

    def failed(self, reason: str) -> None:
        """Note a failed attempt to send; the same again is not news."""
        with self._lock:
            if not self._failures or self._failures[-1] != reason:
                self._failures.append(reason)

    def close(self) -> None:
        """Take no more events; those that come are counted as dropped."""
        with self._lock:
            self._closed = True

    def wait_settled(self, timeout_s: float) -> FlushResult:
        """Block until everything that was queued before this call is settled, or the time is up."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            goal = self._taken + len(self._items)
            while self._settled < goal and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return self.result()

    def result(self) -> FlushResult:
        """The counts, at this moment."""
        with self._lock:
            return FlushResult(self._sent, self._pending, self._dropped.total(), tuple(self._failures))

    @property
    def pending(self) -> int:
        """Events that are queued or not acknowledged."""
        with self._lock:
            return self._pending

    @property
    def dropped(self) -> dict[str, int]:
        """Events that were given up, by reason."""
        with self._lock:
            return dict(self._dropped)
