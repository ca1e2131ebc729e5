"""An import is done when the broker has it all: nothing is left in a queue, nothing is lost silently."""

import socket
from collections.abc import Sequence
from time import monotonic
from typing import Final, Protocol

from agentgauge_cli.errors import CliError

STUCK_AFTER_S: Final = 60.0
"""Without any progress for this long, the import fails."""
_STEP_S: Final = 0.5


class Flushed(Protocol):
    """The part of the SDK's `FlushResult` that matters here."""

    @property
    def pending(self) -> int:
        """Events that wait still."""

    @property
    def dropped(self) -> int:
        """Events that were given up."""

    @property
    def failures(self) -> Sequence[object]:
        """What went wrong meanwhile."""


class Flushing(Protocol):
    """What can be waited for."""

    def flush(self, timeout: float) -> Flushed:
        """Wait until all is delivered, at most that long (seconds)."""


def require_broker(kafka: str, *, timeout_s: float) -> None:
    """Raises CliError unless one of the addresses takes a connection in that time."""
    for address in kafka.split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s).close()
        except OSError:
            continue
        return
    raise CliError(
        f"nothing answers at {kafka}: start a pipeline with 'agentgauge up', or name another --kafka"
    )


def wait_until_delivered(publisher: Flushing, *, stuck_after_s: float = STUCK_AFTER_S) -> None:
    """Blocks while there is progress. Raises CliError when there is none, or when events were dropped."""
    least: int | None = None
    moved = monotonic()
    while (result := publisher.flush(_STEP_S)).pending:
        if least is None or result.pending < least:
            least, moved = result.pending, monotonic()
        elif monotonic() - moved > stuck_after_s:
            reason = f" ({result.failures[-1]})" if result.failures else ""
            raise CliError(
                f"{result.pending} events were not delivered{reason}; import again, each counts once"
            )
    if result.dropped:
        raise CliError(f"{result.dropped} events were dropped; import again, each counts once")
