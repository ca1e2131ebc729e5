"""Logging of a worker: ours as it is, the client libraries' without the floods of an outage."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Final

LIBRARIES: Final = ("aiokafka", "faust", "mode")
PERIOD_S: Final = 10.0
PER_PERIOD: Final = 3
"""How often the same message of a library is let through in that time: in an outage it comes 80 times a
second."""


class RateLimit(logging.Filter):
    """Lets each message of the client libraries through a few times per period, and says what it held back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """As logging.Filter."""
        if not record.name.startswith(LIBRARIES):
            return True
        key = (record.name, str(record.msg))
        now = self._clock()
        began, count = self._seen.get(key, (now, 0))
        if now - began >= PERIOD_S:
            if count > PER_PERIOD:
                record.msg = f"{record.msg} [and {count - PER_PERIOD} more like it before]"
            began, count = now, 0
        self._seen[key] = (began, count + 1)
        return count < PER_PERIOD


def configure_logging(level: int = logging.INFO) -> None:
    """Log to stderr: ours from `level`, the libraries' warnings. For the main module of a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(RateLimit())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("agentgauge_processors").setLevel(level)
