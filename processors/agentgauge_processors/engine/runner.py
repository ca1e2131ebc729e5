"""Drives one stage over the partitions that this process owns, on any carrier.

    assigned ─▶ fence, load, verify ─▶ feed(record) … ─▶ revoked: a last checkpoint, forget
                                           │
                     every flush_s:      drain ──▶ append, acknowledged
                     every checkpoint_s: drain + cut, of one instant ──▶ append ──▶ commit, all partitions at once

What is appended is tagged with the record it comes from, so it may be sent again; what is committed
is state and results as one. A checkpoint is committed only after the appends that it covers are
acknowledged, so nothing is ever lost between the two.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from agentgauge_processors.engine.contract import (
    Append,
    Checkpoint,
    Log,
    LogError,
    Record,
    Stage,
    Tick,
    Unavailable,
)
from agentgauge_processors.engine.restore import restore
from agentgauge_processors.engine.rules import RulesFollower, set_within

FLUSH_S: Final = 0.1
MAX_PENDING: Final = 500
"""Records applied but not yet drained, above which `room()` waits."""
SNAPSHOT_SHARE: Final = 10
"""Checkpoints are at least this many times as far apart as cutting one takes."""
REVOKE_S: Final = 5.0
"""How long a partition is held back from its next owner for the sake of a last checkpoint."""
ENDS_US: Final = 1_000_000
"""How often the input's ends are asked for."""

_logger = logging.getLogger(__name__)


def now_us() -> int:
    """Microseconds since the epoch: the clock outside tests."""
    return time.time_ns() // 1000


class Runner:
    """One stage on one log. Methods are called from one event loop; none but `feed` is quick.

    After a failed append or commit it refuses to write anything more, until the partitions are
    assigned anew: what was drained or cut is not in the stage any more, and only a reload from the
    last checkpoint brings it back.
    """

    def __init__(
        self,
        stage: Stage,
        log: Log,
        *,
        flush_s: float = FLUSH_S,
        checkpoint_s: float,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self.stage = stage
        self.log = log
        self.committed: dict[int, int] = {}
        """Partition -> the position of its last checkpoint. For display: no logic reads it."""
        self._flush_s = flush_s
        self._checkpoint_s = checkpoint_s
        self._clock = clock
        self._rules = RulesFollower(stage, log)
        self._opened: frozenset[int] = frozenset()
        self._owned: frozenset[int] = frozenset()
        self._epoch = 0
        self._failure: BaseException | None = None
        self._loading = asyncio.Lock()
        self._checkpointing = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._pending = 0
        self._room = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stragglers: set[asyncio.Future[None]] = set()
        self._snapshot_s = 0.0
        self._ends_read_us = 0
        self._fed_us: dict[int, int] = {}

    # -- ownership ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Read `.rules` to its end: before anything that they might affect. Raises Unavailable."""
        await self._rules.catch_up()

    async def assigned(self, partitions: Iterable[int]) -> Mapping[int, int] | None:
        """Take these partitions over, and only these; returns where each goes on.

        None: a newer assignment or revocation came meanwhile, and nothing is owned. Raises
        LogError and StateError, after which nothing is owned either.
        """
        self._forget()
        epoch = self._epoch
        # The locks: an older load and an older checkpoint are out, before anybody is fenced.
        async with self._loading, self._checkpointing:
            if epoch != self._epoch:
                return None
            self._failure = None
            mine = await self._load(frozenset(partitions))
            if epoch != self._epoch:
                self._release(mine)
                return None
            self._owned = mine
            self._fed_us = dict.fromkeys(mine, self._clock())
            self.committed = {partition: self.stage.next(partition) for partition in sorted(mine)}
            return dict(self.committed)

    async def revoked(self) -> None:
        """Give all partitions up, after a last checkpoint if that takes no longer than 5 s.

        Raises LogError when that checkpoint fails. One that takes longer goes on, and either
        completes or is fenced by the next owner: it is never cancelled.
        """
        try:
            if self._owned:
                last = asyncio.ensure_future(self.checkpoint(last=True))
                done, _ = await asyncio.wait({last}, timeout=REVOKE_S)
                if done:
                    last.result()
                else:
                    _logger.warning("%s: the last checkpoint takes long, going on without", self.stage.name)
                    self._stragglers.add(last)
                    last.add_done_callback(self._stragglers.discard)
        finally:
            self._forget()

    async def run(self) -> None:
        """Flush, checkpoint and follow the rules until `stop()`. Raises what makes going on wrong."""
        loops = [
            asyncio.ensure_future(self._every(self.flush, lambda: self._flush_s)),
            asyncio.ensure_future(self._every(self.checkpoint, self._checkpoint_interval)),
            asyncio.ensure_future(self._rules.follow(self._stopping)),
        ]
        try:
            await asyncio.wait(loops, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            # They end by themselves: cancelling could hit the inside of a transaction.
            self._stopping.set()
            done, _ = await asyncio.wait(loops, timeout=REVOKE_S)
        for loop in done:
            loop.result()

    async def stop(self) -> None:
        """End `run`, make a last checkpoint, and give the partitions back to the log."""
        self._stopping.set()
        try:
            await self.revoked()
        finally:
            await self._close(self._opened)

    # -- records -----------------------------------------------------------------------------

    def next(self, partition: int) -> int | None:
        """The offset that the stage needs next; None for a partition that is not owned."""
        return self.stage.next(partition) if partition in self._owned else None

    def feed(self, record: Record) -> None:
        """Apply a record. One of a partition that is not owned, or below its position, is ignored."""
        if record.partition in self._owned and record.offset >= self.stage.next(record.partition):
            try:
                self.stage.apply(record)
            except BaseException as error:
                self._failure = error  # half-applied: nothing of it may be written
                raise
            self._pending += 1
            self._fed_us[record.partition] = self._clock()

    async def room(self) -> None:
        """Return at once, or wait until the stage has been drained: call it after every `feed`."""
        while self._pending > MAX_PENDING:
            self._room.clear()
            await self._room.wait()

    async def stalled(self, for_us: int) -> list[int]:
        """Partitions whose log goes on but which got no record for that long. Raises Unavailable."""
        now = self._clock()
        quiet = [partition for partition, fed in self._fed_us.items() if now - fed > for_us]
        # Reading, not comparing offsets: a log may end with offsets that hold no record.
        return [each for each in quiet if await self._has_more(each)]

    # -- writing -----------------------------------------------------------------------------

    async def flush(self) -> None:
        """Append what the stage has to say, and wait for the acknowledgement. One at a time."""
        async with self._sending:
            tick = await self._tick()
            if self._owned:
                self._raise_failure()
                await self._append(self._drain(tick))

    async def checkpoint(self, *, last: bool = False) -> None:
        """Commit state and results of all partitions, as of one instant."""
        async with self._checkpointing:
            async with self._sending:
                # A last checkpoint is in a hurry: whether a source is idle can be said later.
                tick = Tick(self._clock(), {}) if last else await self._tick()
                if not self._owned:
                    return
                self._raise_failure()
                epoch = self._epoch
                began = time.perf_counter()
                # One instant: no await from here until all is cut.
                appends = self._drain(tick)
                cuts = self._cut(tick, last=last)
                positions = {partition: self.stage.next(partition) for partition in cuts}
                self._snapshot_s = time.perf_counter() - began
                await self._append(appends)
            if epoch == self._epoch:
                await self._commit(cuts)
            if epoch == self._epoch:
                self.committed.update(positions)

    def _drain(self, tick: Tick) -> list[Append]:
        appends = self.stage.drain(tick)
        self._pending = 0
        self._room.set()
        return appends

    def _cut(self, tick: Tick, *, last: bool) -> dict[int, Checkpoint]:
        cuts = {partition: self.stage.cut(partition, tick, last=last) for partition in sorted(self._owned)}
        return {partition: cut for partition, cut in cuts.items() if cut is not None}

    async def _append(self, appends: Sequence[Append]) -> None:
        epoch = self._epoch
        try:
            await self.log.append(appends)
        except BaseException as error:
            if self._matters(epoch, error):
                raise

    async def _commit(self, cuts: Mapping[int, Checkpoint]) -> None:
        epoch, stage = self._epoch, self.stage
        commits = [
            self.log.commit(stage.name, stage.state, partition, cut) for partition, cut in cuts.items()
        ]
        # All of them end, whatever happens to one: none is left or cancelled half-way.
        try:
            _raise_first(await asyncio.gather(*commits, return_exceptions=True))
        except BaseException as error:
            if self._matters(epoch, error):
                raise

    def _matters(self, epoch: int, error: BaseException) -> bool:
        """Remember what failed. It does not matter to partitions that were given up meanwhile."""
        if epoch != self._epoch and isinstance(error, LogError):
            _logger.info("%s: after the partitions were given up: %s", self.stage.name, error)
            return False
        self._failure = error
        return True

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # -- time --------------------------------------------------------------------------------

    async def _tick(self) -> Tick:
        """The time, and at most once a second the ends of those partitions that are quiet now."""
        now = self._clock()
        ends: dict[int, int] = {}
        if self._owned and not 0 <= now - self._ends_read_us < ENDS_US:
            self._ends_read_us = now
            quiet = [partition for partition in self._owned if now - self._fed_us[partition] > ENDS_US]
            try:
                read = [self.log.end_offset(self.stage.input, partition) for partition in quiet]
                ends = dict(zip(quiet, await asyncio.gather(*read), strict=True))
            except Unavailable as error:
                _logger.warning("%s: %s", self.stage.name, error)
        return Tick(self._clock(), ends)

    async def _has_more(self, partition: int) -> bool:
        position = self.next(partition)
        if position is None:
            return False
        return bool(await self.log.read(self.stage.input, partition, position, max_bytes=1))

    def _checkpoint_interval(self) -> float:
        return max(self._checkpoint_s, SNAPSHOT_SHARE * self._snapshot_s)

    async def _every(self, action: Callable[[], Awaitable[None]], interval: Callable[[], float]) -> None:
        while not await set_within(self._stopping, interval()):
            await action()

    def _forget(self) -> None:
        self._epoch += 1
        self._release(self._owned)
        self._owned = frozenset()
        self._fed_us.clear()
        self.committed.clear()
        self._pending = 0
        self._room.set()

    def _release(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self.stage.release(partition)

    async def _load(self, mine: frozenset[int]) -> frozenset[int]:
        await self._close(self._opened - mine)
        self._opened = mine
        partitions = sorted(mine)
        loads = [restore(self.stage, self.log, partition) for partition in partitions]
        results = await asyncio.gather(*loads, return_exceptions=True)
        try:
            _raise_first(results)
        except BaseException:
            self._release(each for each, result in zip(partitions, results, strict=True) if result is None)
            raise
        return mine

    async def _close(self, partitions: Iterable[int]) -> None:
        await asyncio.gather(*(self.log.close(self.stage.name, partition) for partition in partitions))


def _raise_first(results: Iterable[BaseException | None]) -> None:
    for result in results:
        if result is not None:
            raise result
