"""The sender: one thread that takes events from a buffer, packs them into blocks and delivers them.

All clients of a process with the same endpoint share one (see `senders`). Its thread starts with
the first event. It is one producer: it has an id, numbers its events, says every 30 s that it is
alive, and with a final block that it ended well.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from agentgauge.buffer import Buffer, FlushResult
from agentgauge.clock import Clock, IdSource
from agentgauge.errors import NetworkError
from agentgauge.hurry import Hurry
from agentgauge.outage import Outage
from agentgauge.packing import Pace, Packer
from agentgauge.settings import Settings
from agentgauge.transports.base import Transport
from agentgauge_schemas.block import Resource

if TYPE_CHECKING:
    from agentgauge.worker import Worker  # imports asyncio: at run time the thread does that

EXIT_S: Final = 5.0
"""How long a sender may hold back the end of its process."""

THREAD_NAME: Final = "agentgauge-sender"

_logger: Final = logging.getLogger("agentgauge")

OnError = Callable[[Exception], None]

_inherited: Final[list[object]] = []
"""What a forked child has of its parent's senders. Kept: collecting an event loop would close the
parent's epoll registrations.
"""


class Sender:
    """All methods may be called from any thread. Only `flush` and `close` block."""

    def __init__(
        self,
        make_transport: Callable[[], Transport],
        settings: Settings,
        resource: Resource,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        """Starts nothing yet. `resource`: whose the blocks without events are."""
        self._make_transport = make_transport
        self._retries = settings.retry_attempts
        self._resource = resource
        self._clock = clock
        self._ids = ids
        self._pace = Pace(*settings.flush_range_s, settings.batch_size)
        self._max_events = settings.queue_events
        self._max_bytes = settings.queue_bytes
        self.on_error: list[OnError] = []
        self._begin()

    def _begin(self) -> None:
        self.producer_id = self._ids.producer_id()
        self._buffer = Buffer(self._max_events, self._max_bytes, self._wake)
        self._hurry = Hurry(self._clock)
        self._outage = Outage(lambda: self._buffer.pending)
        self._thread: threading.Thread | None = None
        self._worker: Worker | None = None
        self.put = self._buffer.put
        self.drop = self._buffer.drop

    def begin_again(self) -> None:
        """In the child after a fork: a new producer with an empty queue. Whatever the parent had
        queued is the parent's to send, and nothing of its thread, locks and connection is touched.
        """
        _inherited.append((self._worker, self._thread, self._buffer))
        self._resource = msgspec.structs.replace(self._resource, process=os.getpid())
        self._begin()

    def share_with(self, settings: Settings) -> None:
        """Serve another client too: the shorter wait and the larger queue count."""
        base_s, widest_s = settings.flush_range_s
        self._pace.base_s = min(self._pace.base_s, base_s)
        self._pace.widest_s = min(self._pace.widest_s, widest_s)
        self._pace.batch_size = min(self._pace.batch_size, settings.batch_size)
        self._max_events = self._buffer.max_events = max(self._max_events, settings.queue_events)
        self._max_bytes = self._buffer.max_bytes = max(self._max_bytes, settings.queue_bytes)

    def flush(self, timeout_s: float) -> FlushResult:
        """Send what is queued, and wait at most so long for its acknowledgement."""
        if threading.current_thread() is self._thread or self._thread is None:
            return self._buffer.result()
        with self._hurry.flushing():
            self._wake()
            return self._buffer.wait_settled(timeout_s)

    def begin_closing(self, timeout_s: float) -> None:
        """Take no more events, send what is queued and a final block, at most for so long."""
        self._buffer.close()
        self._hurry.begin_closing(timeout_s)
        if self._thread is not None:
            self._wake()

    def wait_closed(self, timeout_s: float) -> FlushResult:
        """Wait for the end of the thread, at most so long; it is a daemon and holds nobody back."""
        if self._thread is not None and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
            if self._thread.is_alive() and self._buffer.pending:
                self._outage.say(NetworkError("there was not enough time"))
        return self._buffer.result()

    def close(self, timeout_s: float) -> FlushResult:
        """`begin_closing` and `wait_closed`; idempotent."""
        self.begin_closing(timeout_s)
        return self.wait_closed(timeout_s)

    def _wake(self) -> None:
        if self._thread is None:
            self._start()
        elif self._worker is not None:
            self._worker.wake()
        # Else the thread is just starting: the first that it does is to look.

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the interpreter is shutting down
            _logger.debug("cannot send any more: %s", error)
            return
        self._thread = thread
        _close_at_the_end_of_a_child(self)

    def _run(self) -> None:
        from agentgauge.loop import run

        try:
            run(self._main())
        except Exception:
            _logger.exception("agentgauge: the sender failed; events are not delivered any more")

    async def _main(self) -> None:
        from agentgauge.worker import Worker

        worker = Worker(
            self._buffer,
            Packer(self.producer_id, self._resource),
            self._pace,
            self._hurry,
            self._outage,
            self._make_transport(),
            self._clock,
            retries=self._retries,
            on_error=self._report,
        )
        self._worker = worker
        await worker.run()

    def _report(self, error: Exception) -> None:
        for callback in tuple(self.on_error):
            try:
                callback(error)
            except Exception:
                _logger.exception("agentgauge: on_error raised")


def _close_at_the_end_of_a_child(sender: Sender) -> None:
    """Processes of `multiprocessing` end without `atexit`, but run finalizers of their own."""
    if "multiprocessing.process" not in sys.modules:
        return
    from multiprocessing import parent_process, util

    if parent_process() is not None:
        util.Finalize(None, sender.close, args=(EXIT_S,), exitpriority=0)
