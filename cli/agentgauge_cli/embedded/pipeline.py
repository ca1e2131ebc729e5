"""The whole pipeline in this process, from the first listening port to the last checkpoint."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from agentgauge_cli.embedded.bridge import Bridge
from agentgauge_cli.embedded.broker import PARTITIONS, EmbeddedBroker
from agentgauge_cli.embedded.datadir import DataDir
from agentgauge_cli.embedded.forwarder import Forwarder
from agentgauge_cli.embedded.housekeeping import Positions, keep_house
from agentgauge_cli.embedded.mirror import Mirror
from agentgauge_cli.embedded.page import render_page
from agentgauge_cli.embedded.ports import LOOPBACK, listen, port_of
from agentgauge_cli.embedded.stages import StageHost
from agentgauge_cli.embedded.status import StatusServer
from agentgauge_processors.engine.contract import Log, Stage
from agentgauge_processors.engine.sqlite import SqliteLog, wall_clock_us
from agentgauge_processors.merge import MergeStage
from agentgauge_processors.reduce import ReduceStage
from agentgauge_schemas.topics import DEFAULT_PREFIX, Topic
from agentgauge_sinks import Sink, SinkRunner
from agentgauge_sinks.prometheus import PrometheusSink
from agentgauge_sinks.storage import StorageSink
from agentgauge_sinks.storage.report import build_report

_logger = logging.getLogger(__name__)

_LAST_DRAIN_S: Final = 2.0
_SINK_ENDS_WITHIN_S: Final = 1.5
_LOOK_S: Final = 0.01


@dataclass(frozen=True, kw_only=True)
class EmbeddedSettings:
    """What an embedded pipeline needs to know. A port of 0 takes any free one."""

    data_dir: Path
    kafka_port: int = 9092
    metrics_port: int = 9464
    status_port: int = 3002
    prefix: str = DEFAULT_PREFIX
    reset: bool = False
    """Begin with an empty data directory."""


class EmbeddedPipeline:
    """`async with EmbeddedPipeline(settings) as pipeline:` takes events until the block ends.

    Entering raises CliError when a port or the directory cannot be had, and LogError, StateError or
    SinkError when what is in the directory cannot be used. Leaving takes at most about 4 s.
    """

    kafka: str
    """Where agents publish, `host:port`. This and the two below are known once it is entered."""
    metrics_url: str
    status_url: str

    def __init__(self, settings: EmbeddedSettings) -> None:
        self._settings = settings
        self._directory = DataDir(settings.data_dir)
        self._open = AsyncExitStack()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def log(self) -> Log:
        """What the stages and sinks run on, for who wants to follow the results."""
        return self._log

    @property
    def data_dir(self) -> Path:
        """Where state and storage live."""
        return self._directory.path.resolve()

    @property
    def storage_url(self) -> str:
        """The storage, as an SQLAlchemy URL."""
        return self._directory.storage_url

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            await self._start(opening)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self._drain_at_the_end()
        finally:
            await self._open.aclose()

    async def run_until(self, stopping: asyncio.Event) -> None:
        """Return when `stopping` is set; raise the error of a part that fails before that."""
        await self._unless_a_part_fails(_wait(stopping))

    async def drained(self) -> None:
        """Return when all that the broker had accepted by now is counted, stored and on /metrics.

        Waits for as long as that takes; raises the error of a part that fails meanwhile.
        """
        await self._unless_a_part_fails(self._drain())

    async def _start(self, opening: AsyncExitStack) -> None:
        """Start part after part; `opening` ends them in the opposite order."""
        settings, directory = self._settings, self._directory
        # First what a user can get wrong: when that is said, nothing has been touched yet.
        kafka = opening.enter_context(listen(settings.kafka_port, "--kafka-port"))
        with listen(settings.metrics_port, "--metrics-port") as free:
            metrics_port = port_of(free)  # its sink listens there itself
        status = opening.enter_context(listen(settings.status_port, "--status-port"))
        opening.enter_context(directory)
        if settings.reset:
            directory.clear()
        self.kafka = f"{LOOPBACK}:{port_of(kafka)}"
        self.metrics_url = f"http://{LOOPBACK}:{metrics_port}/metrics"
        self.status_url = f"http://{LOOPBACK}:{port_of(status)}"

        self._log = log = opening.enter_context(
            SqliteLog(directory.state, events_partitions=PARTITIONS, merge_partitions=PARTITIONS)
        )
        broker = EmbeddedBroker()
        opening.push_async_callback(broker.stop)
        await broker.start(topic.name_with(settings.prefix) for topic in Topic)

        self._sinks = [
            await self._run_sink(opening, StorageSink(self.storage_url)),
            await self._run_sink(opening, PrometheusSink(LOOPBACK, metrics_port)),
        ]
        for sink in self._sinks:
            opening.callback(sink.stop)
        self._merge = await self._run_stage(opening, MergeStage(merge_partitions=PARTITIONS))
        self._reduce = await self._run_stage(
            opening, ReduceStage(events_partitions=PARTITIONS, merge_partitions=PARTITIONS)
        )
        self._run(opening, keep_house(log, self._passed))

        mirror = Mirror(broker.bootstrap, settings.prefix, log)
        self._bridge = Bridge(broker.bootstrap, settings.prefix, log)
        for part in (mirror, self._bridge):
            opening.push_async_callback(part.stop)
            await part.start()
            self._run(opening, part.run())
        server = StatusServer(status, self._page, self._problems)
        opening.push_async_callback(server.stop)
        await server.start()
        # Last in, first out: whoever connects finds everything running.
        forwarder = Forwarder(kafka, LOOPBACK, broker.port)
        opening.push_async_callback(forwarder.stop)
        await forwarder.start()

    async def _run_stage(self, opening: AsyncExitStack, stage: Stage) -> StageHost:
        host = StageHost(stage, self._log)
        opening.push_async_callback(host.stop)
        await host.start()
        self._run(opening, host.runner.run())
        self._run(opening, host.follow())
        return host

    async def _run_sink(self, opening: AsyncExitStack, sink: Sink) -> SinkRunner:
        runner = SinkRunner(sink, self._log)
        task = self._run(opening, runner.run())

        async def end() -> None:
            runner.stop()
            await asyncio.wait({task}, timeout=_SINK_ENDS_WITHIN_S)

        opening.push_async_callback(end)
        while not runner.positions:
            if task.done():
                task.result()  # raises why it did not start
            await asyncio.sleep(_LOOK_S)
        return runner

    def _run(self, opening: AsyncExitStack, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)

        async def end() -> None:
            self._tasks.discard(task)
            task.cancel()
            await asyncio.wait({task})

        opening.push_async_callback(end)
        return task

    async def _drain(self) -> None:
        while not await self._bridge.has_everything():
            await asyncio.sleep(_LOOK_S)
        await self._reduce.settle()
        await self._merge.settle()
        for sink in self._sinks:
            await self._caught_up(sink)

    async def _caught_up(self, sink: SinkRunner) -> None:
        ends = {
            (topic, partition): await self._log.end_offset(topic, partition)
            for topic in sink.sink.topics
            for partition in range(await self._log.partitions(topic))
        }
        while any(sink.positions.get(place, 0) < end for place, end in ends.items()):
            await asyncio.sleep(_LOOK_S)

    async def _drain_at_the_end(self) -> None:
        try:
            async with asyncio.timeout(_LAST_DRAIN_S):
                await self.drained()
        except TimeoutError:
            _logger.info("not everything is stored yet: the rest follows at the next start")

    def _passed(self) -> Positions:
        storage = self._sinks[0].positions
        passed = {(Topic.PARTIALS, number): at for number, at in self._merge.runner.committed.items()}
        for number, at in self._reduce.runner.committed.items():
            passed[Topic.EVENTS, number] = min(at, storage.get((Topic.EVENTS, number), 0))
        return passed

    def _problems(self) -> dict[str, str]:
        return {sink.sink.name: sink.failure for sink in self._sinks if sink.failure}

    async def _page(self) -> str:
        report = await asyncio.to_thread(build_report, self.storage_url, wall_clock_us())
        addresses = {
            "agents publish to": f"kafka://{self.kafka}",
            "Prometheus scrapes": self.metrics_url,
            "data directory": str(self.data_dir),
        }
        return render_page(report, addresses, self._problems())

    async def _unless_a_part_fails(self, work: Coroutine[Any, Any, None]) -> None:
        wanted = asyncio.create_task(work)
        try:
            await asyncio.wait({wanted, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()
                    raise RuntimeError(f"a part of the pipeline ended: {task}")
            await wanted
        finally:
            wanted.cancel()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
