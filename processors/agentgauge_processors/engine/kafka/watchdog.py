"""What Kafka's clients do not notice themselves: standing still. A watchdog ends the process then, and
its supervisor starts it afresh.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from aiokafka.errors import KafkaError

from agentgauge_processors.engine.contract import LogError
from agentgauge_processors.engine.errors import ExitCode, StartupProblem
from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.kafka.member import Die, Member
from agentgauge_processors.engine.rules import set_within

LOOK_S: Final = 5.0
UNASSIGNED_S: Final = 30.0
STALLED_US: Final = 60_000_000
RESETS: Final = 3
RESETS_WITHIN_S: Final = 30.0

_logger = logging.getLogger(__name__)


class Watchdog:
    """Watches one member of a group."""

    def __init__(
        self,
        member: Member,
        connection: Connection,
        die: Die,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._member = member
        self._connection = connection
        self._die = die
        self._clock = clock
        self._resets: deque[float] = deque(maxlen=RESETS)
        self._assigned_at = clock()
        self._stalled: set[int] = set()

    def count_reset(self) -> None:
        """The group does not know this member any more. Called in the consumer's thread."""
        self._resets.append(self._clock())

    async def watch(self, stopping: asyncio.Event) -> None:
        """Look every 5 s until told to stop."""
        while not await set_within(stopping, LOOK_S):
            try:
                self._look_at_resets()
                await self._look_at_assignment()
                await self._look_at_progress()
            except (LogError, StartupProblem, KafkaError) as error:
                _logger.warning("%s: cannot tell whether all is well: %s", self._member.group, error)

    def _look_at_resets(self) -> None:
        resets = list(self._resets)
        if len(resets) == RESETS and resets[-1] - resets[0] <= RESETS_WITHIN_S:
            self._die(
                ExitCode.WATCHDOG,
                f"{self._member.group}: thrown out {RESETS} times in {RESETS_WITHIN_S:.0f} s: another process"
                " has the same --slot, perhaps on another machine",
            )

    async def _look_at_assignment(self) -> None:
        now = self._clock()
        if self._member.assigned:
            self._assigned_at = now
        elif now - self._assigned_at > UNASSIGNED_S:
            self._assigned_at = now
            if await self._is_due_a_partition():
                self._die(ExitCode.WATCHDOG, f"{self._member.group}: no partition for {UNASSIGNED_S:.0f} s")

    async def _is_due_a_partition(self) -> bool:
        """Whether the group is at rest, and small enough that everybody should have something."""
        runner = self._member.runner
        async with self._connection.admin() as admin:
            responses = await admin.describe_consumer_groups([self._member.group])
        _, _, state, _, _, members, *_ = responses[0].groups[0]
        return state == "Stable" and await runner.log.partitions(runner.stage.input) >= len(members)

    async def _look_at_progress(self) -> None:
        stalled = set(await self._member.runner.stalled(STALLED_US))
        # Twice in a row: after an outage the first look may come before the first record.
        if stalled & self._stalled:
            self._die(
                ExitCode.WATCHDOG,
                f"{self._member.group}: no record for {STALLED_US // 1_000_000} s of partitions"
                f" {sorted(stalled & self._stalled)}, which have some",
            )
        self._stalled = stalled
