"""The courier: a bounded queue of records, and a thread that delivers them to Kafka in order.

Who puts records in waits when it is full. It is for programs that have more to publish than the
pipeline takes at once, and that wait for the end; a client's sender never makes its caller wait.
"""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

from agentgauge import loop
from agentgauge.buffer import MAX_FAILURES, FlushResult
from agentgauge.errors import NetworkError
from agentgauge.pacing import Pacer
from agentgauge.transports.base import Outgoing, TooLarge
from agentgauge.transports.kafka import THREAD_PREFIX, KafkaTransport
from agentgauge_schemas.topics import Topic

MAX_QUEUED_BYTES: Final = 4 << 20

_BATCH_BYTES: Final = 1 << 20
_BATCH_RECORDS: Final = 500
_RETRY_S: Final = 0.5
_STOP_S: Final = 5.0


class _Queued(NamedTuple):
    record: Outgoing
    events: int


class Courier:
    """`connect` first, `stop` at the end. For one thread besides its own."""

    def __init__(self, servers: Sequence[str], prefix: str, *, timeout_s: float) -> None:
        """`timeout_s`: how long nothing may move before a method stops waiting."""
        topic = Topic.EVENTS.name_with(prefix)
        self._timeout_s = timeout_s
        self._transport = KafkaTransport(servers, topic, connect_timeout_s=timeout_s)
        self._pacer = Pacer(servers, topic, f"{prefix}.bridge", patience_s=timeout_s)
        self._changed = threading.Condition()
        self._queue: deque[_Queued] = deque()
        self._queued_bytes = 0
        self._sent = 0
        self._dropped = 0
        self._failures: deque[str] = deque(maxlen=MAX_FAILURES)
        self._moved_at = time.monotonic()
        self._partitions: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, name=f"{THREAD_PREFIX}courier", daemon=True)

    def connect(self) -> int:
        """Start; returns how many partitions there are. Raises NetworkError."""
        self._thread.start()
        return self._partitions.result()

    def put(self, record: Outgoing, events: int) -> None:
        """Queue a record of so many events; waits for room. Raises NetworkError when nothing moves."""
        with self._changed:
            if not self._queue:
                self._moved_at = time.monotonic()
            if not self._wait_for(lambda: self._queued_bytes < MAX_QUEUED_BYTES):
                self.require_delivered()
            self._queue.append(_Queued(record, events))
            self._queued_bytes += len(record.value)
        self._loop.call_soon_threadsafe(self._woken.set)

    def wait(self, timeout_s: float | None) -> FlushResult:
        """Until the queue is empty, or for so long; None: while anything moves."""
        with self._changed:
            if timeout_s is None:
                self._wait_for(lambda: not self._queue)
            else:
                self._changed.wait_for(lambda: not self._queue, timeout_s)
            return FlushResult(self._sent, self._pending(), self._dropped, tuple(self._failures))

    def require_delivered(self) -> None:
        """Raises NetworkError when anything is queued still, or was refused."""
        with self._changed:
            missing = self._pending() + self._dropped
            if missing:
                reason = self._failures[-1] if self._failures else f"{self._transport.name} is silent"
                raise NetworkError(f"{missing} events were not delivered: {reason}")

    def stop(self) -> None:
        """Disconnect; what is queued is given up. Blocks at most 5 s; idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(_STOP_S)

    def _pending(self) -> int:
        return sum(queued.events for queued in self._queue)

    def _wait_for(self, condition: Callable[[], bool]) -> bool:
        """Wait, with the lock held; False when nothing moved for the timeout."""
        while not condition():
            left = self._moved_at + self._timeout_s - time.monotonic()
            if left <= 0:
                return False
            self._changed.wait(left)
        return True

    # The rest runs in the thread.

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):  # by `stop`
            loop.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        main = asyncio.current_task()
        assert main is not None
        self._task = main
        try:
            try:
                self._partitions.set_result(await self._transport.partitions())
            except NetworkError as error:
                self._partitions.set_exception(error)
                return
            while True:
                await self._woken.wait()
                self._woken.clear()
                while batch := self._head():
                    await self._deliver(batch)
        finally:
            await self._pacer.close()
            await self._transport.close()

    def _head(self) -> list[_Queued]:
        """As many of the first records as go out together."""
        with self._changed:
            batch: list[_Queued] = []
            room = _BATCH_BYTES
            for queued in islice(self._queue, _BATCH_RECORDS):
                if batch and len(queued.record.value) > room:
                    break
                batch.append(queued)
                room -= len(queued.record.value)
            return batch

    async def _deliver(self, batch: list[_Queued]) -> None:
        """Try once; what fails stays first in the queue."""
        records = [queued.record for queued in batch]
        planned: Counter[int] = Counter()
        for record in records:
            planned[record.partition] += len(record.value)
        try:
            await self._pacer.wait_for_room(planned)
            outcomes = await self._transport.send(records)
        except NetworkError as error:
            outcomes = [error] * len(batch)
        if self._book(batch, outcomes):
            await asyncio.sleep(_RETRY_S)

    def _book(self, batch: list[_Queued], outcomes: Sequence[int | NetworkError]) -> bool:
        """Returns whether anything has to be tried again."""
        again: list[_Queued] = []
        with self._changed:
            for queued, outcome in zip(batch, outcomes, strict=True):
                self._queue.popleft()
                if isinstance(outcome, int):
                    self._sent += queued.events
                    self._pacer.note_sent(queued.record.partition, outcome, len(queued.record.value))
                    continue
                reason = f"{outcome}. {outcome.cure}".rstrip()
                if not self._failures or self._failures[-1] != reason:
                    self._failures.append(reason)
                if isinstance(outcome, TooLarge):
                    self._dropped += queued.events
                else:
                    again.append(queued)
            self._queue.extendleft(reversed(again))
            self._queued_bytes = sum(len(queued.record.value) for queued in self._queue)
            if len(again) < len(batch):
                self._moved_at = time.monotonic()
            self._changed.notify_all()
        return bool(again)
