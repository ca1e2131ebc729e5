"""One run: start everything, do harm, let it come to rest, and compare."""

import asyncio
import random
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from tests.chaos import checker, wire
from tests.chaos.generator import Load
from tests.chaos.processes import Supervisor, module
from tests.chaos.watcher import Report
from tests.chaos.worker import Orders, Twin
from tests.support.broker import Broker
from tests.support.kafka_faults import AcknowledgementEater

from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.kafka.topics import create_topics
from agentgauge_schemas.topics import DEFINITIONS

EAGER_COMPACTION = {
    "segment.ms": "2000",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "3000",
}
SETTLE_S = 90.0


@dataclass(frozen=True)
class Scenario:
    """What a run consists of."""

    seconds: float
    """Of load; faults come all the while."""
    script: Callable[["Run"], Awaitable[None]]
    """What is done to the processes meanwhile; cancelled when the load ends."""
    blocks_per_s: float = 40.0
    """Of each generator."""
    generators: int = 2
    partitions: int = 4
    workers: int = 2
    """Of each stage."""
    static: bool = False
    """Workers have slots."""
    session_s: float = 6.0
    self_kill: float = 0.0
    self_stop: float = 0.0
    """Chances, at each dangerous point that a worker passes."""
    self_stages: tuple[str, ...] = ("reduce", "merge")
    """Whose workers do that."""
    at: str = ""
    """At this point only."""
    once: bool = False
    """And once only, whichever worker is first."""
    slow_merge_s: float = 0.0
    before_send_s: float = 0.0
    twin: Twin = ""
    seed: int = 1


@dataclass
class Outcome:
    """What a run showed."""

    problems: list[str] = field(default_factory=list)
    """Differences from the truth, and whatever fell meanwhile; [] is what a right pipeline gives."""
    watched: Report | None = None
    counts: dict[str, int] = field(default_factory=dict)
    events: int = 0
    duplicates: int = 0
    lost: int = 0
    settled_s: float = 0.0

    def __str__(self) -> str:
        lines = [
            f"{self.events} events, {self.duplicates} of them came again, {self.lost} never;"
            f" at rest after {self.settled_s:.0f} s",
            *(f"  {count} x {what}" for what, count in sorted(self.counts.items())),
            f"  watched: {self.watched}",
            *(f"  PROBLEM {problem}" for problem in self.problems or ["none"]),
        ]
        return "\n".join(lines)


class Run:
    """One run of a scenario. The broker may be shared by runs with other prefixes, unless it is harmed."""

    def __init__(self, scenario: Scenario, broker: Broker, folder: Path, prefix: str) -> None:
        self.scenario = scenario
        self.broker = broker
        self.folder = folder
        self.prefix = prefix
        self.supervisor = Supervisor(folder, scenario.seed)
        self.random = random.Random(scenario.seed)
        self.armed = folder / "armed"
        self.proxy = AcknowledgementEater(broker.proxy_port, _address(broker.proxied))

    async def go(self) -> Outcome:
        """All of it."""
        scenario, supervisor = self.scenario, self.supervisor
        await create_topics(self.broker.bootstrap, self.prefix, scenario.partitions, scenario.partitions)
        await self._compact_eagerly()
        self.armed.touch()
        try:
            for number in range(scenario.workers):
                self.add_worker("reduce", number)
                self.add_worker("merge", number)
            watcher = self._start_watcher()
            async with self.proxy:
                truth = await self._load()
            self.armed.unlink(missing_ok=True)
            outcome = Outcome(events=sum(truth.sent.values()), lost=sum(truth.lost.values()))
            began = time.monotonic()
            outcome.problems += await self._come_to_rest()
            outcome.settled_s = time.monotonic() - began
            await self._judge(outcome, truth, watcher)
        finally:
            supervisor.kill_all()
        outcome.counts = dict(supervisor.counts)
        return outcome

    def add_worker(self, stage: str, number: int) -> None:
        """One of the workers."""
        scenario = self.scenario
        orders = Orders(
            kafka=self.broker.bootstrap,
            prefix=self.prefix,
            stage="reduce" if stage == "reduce" else "merge",
            slot=number if scenario.static else None,
            data_dir=str(self.folder),
            session_s=scenario.session_s,
            seed=scenario.seed,
            twin=scenario.twin,
            slow_s=scenario.slow_merge_s,
            before_send_s=scenario.before_send_s if stage == "merge" else 0.0,
            kill=scenario.self_kill if stage in scenario.self_stages else 0.0,
            stop=scenario.self_stop if stage in scenario.self_stages else 0.0,
            stop_s=scenario.session_s + 2,
            at=scenario.at,
            once=scenario.once,
        )
        self.supervisor.add(f"{stage}-{number}", module("worker", asdict(orders)))

    async def _load(self) -> wire.Truth:
        outs = [self.folder / f"truth-{number}.json" for number in range(self.scenario.generators)]
        generators = [self._start_generator(number, out) for number, out in enumerate(outs)]
        script = asyncio.ensure_future(self.scenario.script(self))
        while any(generator.poll() is None for generator in generators):
            self.supervisor.tend()
            await asyncio.sleep(0.05)
        script.cancel()
        await asyncio.wait({script})
        if not script.cancelled():
            script.result()
        self.supervisor.counts["answers swallowed"] = self.proxy.eaten
        truth = wire.Truth()
        for out in outs:
            truth.merge(wire.Truth.from_json(out.read_text()))
        return truth

    def _start_generator(self, number: int, out: Path) -> subprocess.Popen[bytes]:
        scenario = self.scenario
        load = Load(
            kafka=self.broker.proxied,
            topic=f"{self.prefix}.events",
            partitions=scenario.partitions,
            name=f"generator-{number}",
            producers=2 * scenario.partitions,
            blocks_per_s=scenario.blocks_per_s,
            seconds=scenario.seconds,
            seed=scenario.seed + number,
            out=str(out),
        )
        return self.supervisor.start(f"generator-{number}", module("generator", asdict(load)))

    def _start_watcher(self) -> subprocess.Popen[bytes]:
        orders = {
            "kafka": self.broker.bootstrap,
            "topic": f"{self.prefix}.series",
            "partitions": self.scenario.partitions,
            "out": str(self.folder / "watched.json"),
        }
        return self.supervisor.start("watcher", module("watcher", orders))

    async def _come_to_rest(self) -> list[str]:
        """Until all that was sent is counted and committed; then the workers end, first reduce."""
        for stage, topic in (("reduce", "events"), ("merge", "partials")):
            deadline = time.monotonic() + SETTLE_S
            while lag := await self._lag(stage, topic):
                if time.monotonic() > deadline:
                    return [f"{stage} did not come to rest: {lag} records behind"]
                self.supervisor.tend()
                await asyncio.sleep(0.3)
            codes = await asyncio.to_thread(self.supervisor.end, stage)
            # One that was starting again when it was told to end has nothing to save.
            if not {0, -signal.SIGTERM}.issuperset(codes.values()):
                return [f"workers did not end in order: {codes}"]
        return []

    async def _lag(self, stage: str, topic: str) -> int:
        name = f"{self.prefix}.{topic}"
        everything = [TopicPartition(name, number) for number in range(self.scenario.partitions)]
        async with Connection(self.broker.bootstrap).admin() as admin:
            try:
                committed = await admin.list_consumer_group_offsets(f"{self.prefix}-{stage}")
            except KafkaError:
                return -1
        consumer = AIOKafkaConsumer(bootstrap_servers=self.broker.bootstrap)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(everything)
        finally:
            await consumer.stop()
        return sum(
            end - (max(0, committed[each].offset) if each in committed else 0) for each, end in ends.items()
        )

    async def _judge(self, outcome: Outcome, truth: wire.Truth, watcher: subprocess.Popen[bytes]) -> None:
        watcher.terminate()
        await asyncio.to_thread(watcher.wait, 60)
        outcome.watched = Report.read(self.folder / "watched.json")
        if outcome.watched.violations:
            outcome.problems.append(
                f"watched: {outcome.watched.violations} falls: {outcome.watched.examples[:3]}"
            )
        where = (self.broker.bootstrap, self.prefix, self.scenario.partitions)
        log = await checker.delivered(*where)
        outcome.duplicates = sum(log.duplicates.values())
        outcome.problems += await checker.check_topics(*where, truth, log)

    async def _compact_eagerly(self) -> None:
        """So that the end of a short run reads compacted topics."""
        resources = [
            ConfigResource(
                ConfigResourceType.TOPIC,
                definition.topic.name_with(self.prefix),
                {**definition.config, **EAGER_COMPACTION},
            )
            for definition in DEFINITIONS
            if definition.config["cleanup.policy"] == "compact"
        ]
        async with Connection(self.broker.bootstrap).admin() as admin:
            await admin.alter_configs(resources)


def _address(bootstrap: str) -> tuple[str, int]:
    host, port = bootstrap.rsplit(":", 1)
    return host, int(port)
