"""One run: start everything, do harm, let it come to rest, and compare."""

import asyncio
import json
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
from tests.chaos import checker, sinks, wire
from tests.chaos.generator import Load
from tests.chaos.processes import Supervisor, module
from tests.chaos.scraper import Scrapes
from tests.chaos.sdk_generator import SdkLoad
from tests.chaos.watcher import Report
from tests.chaos.worker import Orders, Twin
from tests.support.broker import Broker, free_ports
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
CALM_S = 4.0
COMPACTION_S = 20.0


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
    """Which write the wire format by hand: also late, twice and never."""
    sdk_generators: int = 0
    """Which use the SDK."""
    sdk_events_per_s: float = 300.0
    sinks: bool = False
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
    after: int = 0
    """Not before a worker has passed so many points."""
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
    scraped: Scrapes | None = None
    compacted: int = 0
    """Records of `.series` that the broker had removed before the results were compared."""
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
            f"  watched: {self.watched}, {self.compacted} of them compacted away",
            f"  scraped: {self.scraped}",
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
        self._database = folder / "storage.sqlite"
        (self._metrics_port,) = free_ports(1)
        self._metrics_url = f"http://127.0.0.1:{self._metrics_port}/metrics"

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
            if scenario.sinks:
                self._add_sinks()
            watchers = self._start_watchers()
            async with self.proxy:
                truth = await self._load()
            self.armed.unlink(missing_ok=True)
            outcome = Outcome(events=sum(truth.sent.values()), lost=sum(truth.lost.values()))
            began = time.monotonic()
            outcome.problems += await self._come_to_rest()
            outcome.settled_s = time.monotonic() - began
            await self._judge(outcome, truth, watchers)
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
            after=scenario.after,
            once=scenario.once,
        )
        self.supervisor.add(f"{stage}-{number}", module("worker", asdict(orders)))

    async def _load(self) -> wire.Truth:
        scenario = self.scenario
        outs = [self.folder / f"truth-{number}.json" for number in range(scenario.generators)]
        sdk_outs = [self.folder / f"truth-sdk-{number}.json" for number in range(scenario.sdk_generators)]
        generators = [self._start_generator(number, out) for number, out in enumerate(outs)]
        generators += [self._start_sdk_generator(number, out) for number, out in enumerate(sdk_outs)]
        script = asyncio.ensure_future(scenario.script(self))
        while any(generator.poll() is None for generator in generators):
            self.supervisor.tend()
            await asyncio.sleep(0.05)
        script.cancel()
        await asyncio.wait({script})
        if not script.cancelled():
            script.result()
        self.supervisor.counts["answers swallowed"] = self.proxy.eaten
        truth = wire.Truth()
        for out in [*outs, *sdk_outs]:
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

    def _start_sdk_generator(self, number: int, out: Path) -> subprocess.Popen[bytes]:
        scenario = self.scenario
        load = SdkLoad(
            kafka=self.broker.proxied,
            prefix=self.prefix,
            name=f"sdk-{number}",
            events_per_s=scenario.sdk_events_per_s,
            seconds=scenario.seconds,
            seed=scenario.seed + number,
            out=str(out),
        )
        return self.supervisor.start(f"sdk-{number}", module("sdk_generator", asdict(load)))

    def _add_sinks(self) -> None:
        where = (self.broker.bootstrap, self.prefix)
        self.supervisor.add("sink-storage", sinks.storage_command(*where, self._database))
        self.supervisor.add("sink-prometheus", sinks.prometheus_command(*where, self._metrics_port))

    def _start_watchers(self) -> dict[str, subprocess.Popen[bytes]]:
        orders: dict[str, dict[str, object]] = {
            "watcher": {
                "kafka": self.broker.bootstrap,
                "topic": f"{self.prefix}.series",
                "partitions": self.scenario.partitions,
                "out": str(self.folder / "watched.json"),
            }
        }
        if self.scenario.sinks:
            orders["scraper"] = {"url": self._metrics_url, "out": str(self.folder / "scraped.json")}
        return {name: self.supervisor.start(name, module(name, each)) for name, each in orders.items()}

    async def _come_to_rest(self) -> list[str]:
        """Until all that was sent is counted and committed; then the workers end, first reduce."""
        for stage, topic in (("reduce", "events"), ("merge", "partials")):
            deadline = time.monotonic() + SETTLE_S
            while (lag := await self._lag(stage, topic)) or not self._is_calm():
                if time.monotonic() > deadline:
                    return [f"{stage} did not come to rest: {lag} records behind"]
                self.supervisor.tend()
                await asyncio.sleep(0.3)
            codes = await asyncio.to_thread(self.supervisor.end, stage)
            # One that was starting again when it was told to end has nothing to save.
            if not {0, -signal.SIGTERM}.issuperset(codes.values()):
                return [f"workers did not end in order: {codes}"]
        return []

    def _is_calm(self) -> bool:
        # One that was frozen may yet find out that it is not wanted any more.
        return time.monotonic() - self.supervisor.disturbed_at > CALM_S

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

    async def _judge(
        self, outcome: Outcome, truth: wire.Truth, watchers: dict[str, subprocess.Popen[bytes]]
    ) -> None:
        await self._end(watchers["watcher"])
        outcome.watched = watched = Report.read(self.folder / "watched.json")
        if watched.violations:
            outcome.problems.append(f"watched: {watched.violations} falls: {watched.examples[:3]}")
        outcome.compacted = await self._wait_for_compaction(watched.records)
        where = (self.broker.bootstrap, self.prefix, self.scenario.partitions)
        log = await checker.delivered(*where)
        outcome.duplicates = sum(log.duplicates.values())
        outcome.problems += await checker.check_topics(*where, truth, log)
        if self.scenario.sinks:
            outcome.problems += await self._check_sinks(truth)
            await self._end(watchers["scraper"])
            outcome.scraped = Scrapes(**json.loads((self.folder / "scraped.json").read_text()))
            if outcome.scraped.violations or not outcome.scraped.counters:
                outcome.problems.append(f"scraped: {outcome.scraped}")

    async def _end(self, watcher: subprocess.Popen[bytes]) -> None:
        watcher.terminate()
        await asyncio.to_thread(watcher.wait, 60)

    async def _wait_for_compaction(self, written: int) -> int:
        """Until the broker has removed some of the records of `.series`; returns how many."""
        name, deadline = f"{self.prefix}.series", time.monotonic() + COMPACTION_S
        while True:
            left = await checker.read_all(self.broker.bootstrap, name, self.scenario.partitions)
            if len(left) < written or time.monotonic() > deadline:
                return written - len(left)
            await asyncio.sleep(1)

    async def _check_sinks(self, truth: wire.Truth) -> list[str]:
        """As they are now, and again after their stores were removed and built anew from the topics."""
        series = await checker.read_latest(
            self.broker.bootstrap, f"{self.prefix}.series", self.scenario.partitions
        )
        expected = (self._database, self._metrics_url, truth, checker.watermark_of(series.values()))
        problems = [f"sinks: {each}" for each in await sinks.problems_of(*expected)]
        await asyncio.to_thread(self.supervisor.end, "sink")
        for file in self.folder.glob(f"{self._database.name}*"):
            file.unlink()
        self._add_sinks()
        problems += [f"rebuilt sinks: {each}" for each in await sinks.problems_of(*expected)]
        return problems

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
