"""The Prometheus sink: holds nothing of its own, and shows nothing before it knows everything."""

import asyncio
import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest

from agentgauge_processors.engine.contract import Batch, Log
from agentgauge_schemas.topics import Topic
from agentgauge_sinks.contract import Positions
from agentgauge_sinks.prometheus.page import render
from agentgauge_sinks.prometheus.server import MetricsServer
from agentgauge_sinks.prometheus.state import State


def wall_clock_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1_000


class PrometheusSink:
    """Reads totals and accounts from the beginning, and serves the newest of each key."""

    name = "prometheus"
    topics: Sequence[Topic] = (Topic.SERIES, Topic.PRODUCERS, Topic.DLQ)

    def __init__(self, host: str, port: int, *, now_us: Callable[[], int] = wall_clock_us) -> None:
        """A port of 0 takes any free one."""
        self._state = State()
        self._now_us = now_us
        self._address = (host, port)
        self._server: MetricsServer | None = None
        self._started = False
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)
        self._next: dict[tuple[Topic, int], int] = {}
        self._behind: dict[tuple[Topic, int], int] = {}

    @property
    def ready(self) -> bool:
        """Whether all that stood in the topics at the start has been read; before that, totals could
        be older than those that Prometheus has already, and would look as if they fell.
        """
        return self._started and not self._behind

    def page(self) -> str | None:
        """What a scrape gets: the pipeline's results, and this process's own metrics. None before it
        is ready. For any thread.
        """
        if not self.ready:
            return None
        return render(self._state.snapshot(), self._now_us()) + generate_latest(self._process).decode()

    @property
    def port(self) -> int:
        """Where it listens. Only after `start`."""
        assert self._server is not None, "not started"
        return self._server.port

    async def start(self, log: Log) -> Positions:
        """Listen, and read from the beginning; after a failure of the log, from where it was."""
        if self._server is None:
            self._server = MetricsServer(self.page, *self._address)
        ends = {
            (topic, partition): await log.end_offset(topic, partition)
            for topic in self.topics
            for partition in range(await log.partitions(topic))
        }
        self._next = {where: self._next.get(where, 0) for where in ends}
        self._behind = {
            (topic, partition): end
            for (topic, partition), end in ends.items()
            # Dead letters are no totals, and may be long to read.
            if topic is not Topic.DLQ and end > self._next[topic, partition]
        }
        self._started = True
        return self._next

    async def apply(self, batches: Sequence[Batch]) -> None:
        """Take over the newest records; scrapes see all batches or none."""
        self._state.apply(batches)
        for batch in batches:
            where = (batch.topic, batch.partition)
            self._next[where] = batch.next
            if batch.next >= self._behind.get(where, 0):
                self._behind.pop(where, None)

    async def flush(self) -> None:
        """Nothing is ever put off."""

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            server, self._server = self._server, None
            await asyncio.to_thread(server.close)
