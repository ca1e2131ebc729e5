"""Outages: each is said once, whoever notices it first."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from agentgauge.errors import NetworkError

_logger: Final = logging.getLogger("agentgauge")


class Outage:
    """Whether events cannot be delivered at present. Thread-safe."""

    def __init__(self, pending: Callable[[], int]) -> None:
        """`pending`: how many events wait."""
        self._pending = pending
        self._lock = threading.Lock()
        self._said = False

    @property
    def said(self) -> bool:
        """Whether the user knows already."""
        return self._said

    def say(self, error: NetworkError) -> None:
        """One warning, then silence until it is over."""
        count = self._pending()
        with self._lock:
            # A block without events, a sign of life, is no loss to speak of.
            silent = self._said or count == 0
            self._said = self._said or not silent
        if silent:
            _logger.debug("agentgauge: %s", error)
            return
        events = "1 event" if count == 1 else f"{count} events"
        text = f"agentgauge: {events} not delivered: {error}. {error.cure}"
        _logger.warning("%s", text.rstrip())

    def over(self) -> None:
        """Events are delivered again."""
        with self._lock:
            self._said = False
