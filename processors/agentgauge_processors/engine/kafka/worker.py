"""The worker process: one or both stages, from the check of the topics to the last checkpoint."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NoReturn

from agentgauge_processors.engine.contract import LogError, Stage
from agentgauge_processors.engine.errors import ExitCode, StartupProblem
from agentgauge_processors.engine.kafka.connection import PLAINTEXT, Connection, Security
from agentgauge_processors.engine.kafka.log import KafkaLog
from agentgauge_processors.engine.kafka.quiet import configure_logging
from agentgauge_processors.engine.kafka.slot import held_slot, writable_directory
from agentgauge_processors.engine.kafka.topics import check_topics
from agentgauge_processors.engine.rules import set_within
from agentgauge_processors.engine.runner import Runner
from agentgauge_schemas.topics import DEFAULT_PREFIX, Topic

if TYPE_CHECKING:
    # Faust takes a second to import: only a worker that runs pays for it.
    from agentgauge_processors.engine.kafka.member import Member

StageName = Literal["reduce", "merge"]

CHECKPOINT_S: Final[dict[str, float]] = {"reduce": 1.0, "merge": 0.5}
STOP_S: Final = 25.0
"""A last checkpoint that takes longer than this will not come any more."""
LEAVE_S: Final = 8.0
"""All is safe by then; Faust, told to stop in the middle of a rebalance, may block for ever."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker needs to know."""

    kafka: str
    prefix: str = DEFAULT_PREFIX
    stages: Sequence[StageName] = ("reduce", "merge")
    slot: int | None = None
    """Makes the worker a static member of its groups; unique among the workers of a stage."""
    data_dir: Path = Path("agentgauge-data")
    """For lock files only: all state is on the broker."""
    security: Security = PLAINTEXT


def run_worker(settings: WorkerSettings) -> int:
    """Run a worker until SIGTERM or SIGINT; returns the exit code of an orderly end.

    Raises StartupProblem. When going on would be wrong, the process ends at once with one of
    `ExitCode`, without returning. Configures logging: for the main module of a process.
    """
    configure_logging()
    return asyncio.run(Worker(settings).run_until_signal())


class Worker:
    """One process of the pipeline."""

    session_s: float | None = None
    """How long a member that does not answer is kept in its group; None: as `member` says."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.connection = Connection(settings.kafka, settings.security)

    async def run_until_signal(self) -> int:
        """Run until SIGTERM or SIGINT. Must be awaited in the main thread."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        return await self.run(stopping)

    async def run(self, stopping: asyncio.Event) -> int:
        """Run until told to stop. Raises StartupProblem."""
        settings = self.settings
        data_dir = writable_directory(settings.data_dir)
        await self._check()
        from agentgauge_processors.engine.kafka.member import group_name

        with ExitStack() as slots:
            if settings.slot is not None:
                for stage in settings.stages:
                    group = group_name(settings.prefix, stage)
                    slots.enter_context(held_slot(data_dir, group, settings.slot))
            log = self.make_log()
            try:
                members = [await self._new_member(name, log) for name in settings.stages]
                for member in members:
                    await member.runner.start()
            except LogError as error:
                await log.stop()
                raise StartupProblem(f"cannot read the topics at {settings.kafka}: {error}") from error
            return await self._work(members, log, stopping)

    # -- what a test may replace -------------------------------------------------------------

    def make_log(self) -> KafkaLog:
        """The log that both stages use."""
        return KafkaLog(self.settings.kafka, self.settings.prefix, security=self.settings.security)

    def make_stage(self, name: StageName, events_partitions: int, merge_partitions: int) -> Stage:
        """A new stage."""
        if name == "reduce":
            from agentgauge_processors.reduce import ReduceStage

            return ReduceStage(events_partitions=events_partitions, merge_partitions=merge_partitions)
        from agentgauge_processors.merge import MergeStage

        return MergeStage(merge_partitions=merge_partitions)

    def make_member(self, runner: Runner, partitions: int) -> "Member":
        """A new member of the stage's group, for a topic with so many partitions."""
        from agentgauge_processors.engine.kafka.member import Member

        settings = self.settings
        return Member(
            runner,
            self.connection,
            settings.prefix,
            settings.data_dir,
            die,
            partitions=partitions,
            slot=settings.slot,
            session_s=self.session_s,
        )

    # ----------------------------------------------------------------------------------------

    async def _check(self) -> None:
        settings = self.settings
        problems = await check_topics(settings.kafka, settings.prefix, security=settings.security)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise StartupProblem(f"{problems[0]}{more}")

    async def _new_member(self, name: StageName, log: KafkaLog) -> "Member":
        events, merge = await log.partitions(Topic.EVENTS), await log.partitions(Topic.PARTIALS)
        stage = self.make_stage(name, events, merge)
        runner = Runner(stage, log, checkpoint_s=CHECKPOINT_S[name])
        return self.make_member(runner, events if stage.input is Topic.EVENTS else merge)

    async def _work(self, members: Sequence["Member"], log: KafkaLog, stopping: asyncio.Event) -> int:
        from agentgauge_processors.engine.kafka.watchdog import Watchdog

        loops = [asyncio.ensure_future(member.runner.run()) for member in members]
        for member in members:
            watchdog = Watchdog(member, self.connection, die)
            try:
                await member.start()
            except Exception as error:
                die(ExitCode.CRASHED, f"{member.group}: cannot join: {error!r}")
            if self.settings.slot is not None:
                member.count_resets(watchdog.count_reset)
            loops += [
                asyncio.ensure_future(watchdog.watch(stopping)),
                asyncio.ensure_future(member.show_positions(stopping)),
            ]
        _logger.info("working on %s at %s", " and ".join(self.settings.stages), self.settings.kafka)
        await _until_stopped_or_broken(members, loops, stopping)
        with _within(STOP_S, ExitCode.WATCHDOG, "the last checkpoint takes too long"):
            try:
                await asyncio.gather(*(member.runner.stop() for member in members))
            except LogError as error:
                die(ExitCode.FENCED, f"the last checkpoint: {error}")
        with _within(LEAVE_S, ExitCode.STOPPED, "Faust does not stop, leaving without it"):
            for member in members:
                await member.commit_positions()
                await member.stop()
            await log.stop()
            await asyncio.wait(loops)
        return ExitCode.STOPPED


@contextmanager
def _within(seconds: float, code: ExitCode, why: str) -> Iterator[None]:
    """End the process hard when what is inside takes longer: even if it blocks the event loop."""
    timer = threading.Timer(seconds, die, (code, why))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


async def _until_stopped_or_broken(
    members: Sequence["Member"], loops: Sequence[asyncio.Future[None]], stopping: asyncio.Event
) -> None:
    while not await set_within(stopping, 0.25):
        for loop in loops:
            if loop.done() and (error := loop.exception()) is not None:
                code = ExitCode.FENCED if isinstance(error, LogError) else ExitCode.CRASHED
                die(code, repr(error), error)
        for member in members:
            if (crash := member.crashed) is not None:
                die(ExitCode.CRASHED, f"{member.group}: {crash!r}", crash)


def die(code: ExitCode, why: str, error: BaseException | None = None) -> NoReturn:
    """End the process this instant, writing nothing more: another one goes on from the last checkpoint."""
    _logger.critical("%s (exit %d)", why, code, exc_info=error)
    logging.shutdown()
    os._exit(code)
