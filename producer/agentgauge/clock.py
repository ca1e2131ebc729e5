"""Where the SDK gets time and identities from; both can be replaced, so that tests decide them."""

import os
import random
import time
import uuid
from typing import Final, Protocol


class Clock(Protocol):
    """What the module `time` offers."""

    def time_ns(self) -> int:
        """Nanoseconds since the epoch."""

    def perf_counter_ns(self) -> int:
        """Nanoseconds since anything, for durations."""

    def monotonic(self) -> float:
        """Seconds since anything, for waits."""


class IdSource(Protocol):
    """Makes identities."""

    def trace_id(self) -> str:
        """32 hexadecimal digits, as W3C trace context wants."""

    def span_id(self) -> str:
        """16 hexadecimal digits."""

    def producer_id(self) -> str:
        """Of one sender; must never occur twice."""


class RandomIds:
    """Random identities from a generator of our own: a host that seeds `random` must not make its
    traces collide.
    """

    def __init__(self) -> None:
        self._bits = random.Random().getrandbits

    def reseed(self) -> None:
        """After a fork: the child must not go on with the parent's sequence."""
        self._bits = random.Random().getrandbits

    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return self._bits(128).to_bytes(16, "big").hex()

    def span_id(self) -> str:
        """16 hexadecimal digits."""
        return self._bits(64).to_bytes(8, "big").hex()

    def producer_id(self) -> str:
        """A random UUID."""
        return uuid.uuid4().hex


SYSTEM_CLOCK: Final[Clock] = time
RANDOM_IDS: Final = RandomIds()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=RANDOM_IDS.reseed)
