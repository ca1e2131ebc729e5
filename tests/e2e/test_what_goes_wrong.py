"""Loss, old data and odd data, through the SDK and the whole pipeline: all of it is counted or named."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agentgauge import Client
from agentgauge.clock import SYSTEM_CLOCK, Clock
from agentgauge.publish import BlockPublisher
from agentgauge_cli.embedded.pipeline import EmbeddedPipeline, EmbeddedSettings
from agentgauge_schemas.block import Resource
from agentgauge_sinks.storage.report import build_report
from agentgauge_sinks.storage.report_model import Report

SECOND_US = 1_000_000
DAY_NS = 86_400 * 1_000_000_000

BURST_THEN_KILLED = """
import os, signal, sys
import agentgauge

client = agentgauge.Client(sys.argv[1], service="burst", queue_events=1_000_000, queue_bytes=1 << 30)
client.event("first")
before = client.flush(30).sent
sys.setswitchinterval(60)  # the sender gets no turn until the queue is full
for number in range(150_000):
    client.event("tick", {"number": number})
sys.setswitchinterval(0.001)
while client.flush(0).sent == before:
    pass  # until some of the queue has arrived
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
async def pipeline(tmp_path: Path) -> AsyncIterator[EmbeddedPipeline]:
    settings = EmbeddedSettings(data_dir=tmp_path / "data", kafka_port=0, metrics_port=0, status_port=0)
    async with EmbeddedPipeline(settings) as pipeline:
        yield pipeline


async def report(pipeline: EmbeddedPipeline, *, in_s: int = 0) -> Report:
    """What `agentgauge report` would say in a while."""
    await pipeline.drained()
    return build_report(pipeline.storage_url, time.time_ns() // 1_000 + in_s * SECOND_US)


async def metric(pipeline: EmbeddedPipeline, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    async with aiohttp.ClientSession() as session, session.get(pipeline.metrics_url) as response:
        page = await response.text()
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def log_events(count: int) -> list[bytes]:
    now_us = time.time_ns() // 1_000
    return [json.dumps({"kind": "log", "name": "x", "time_us": now_us}).encode() for _ in range(count)]


def publish(url: str, seq: int, count: int) -> None:
    """Blocks, until the broker has them."""
    with BlockPublisher(url) as publisher:
        resource = Resource(service="shop", project="p")
        publisher.publish("worker-7", seq, log_events(count), resource=resource)
        assert publisher.flush(30).pending == 0


async def test_blocks_that_never_arrive_are_named_with_their_producer_and_number(
    pipeline: EmbeddedPipeline,
) -> None:
    url = f"kafka://{pipeline.kafka}"
    await asyncio.to_thread(publish, url, 0, 10)
    await asyncio.to_thread(publish, url, 25, 5)  # 15 are gone
    (loss,) = (await report(pipeline)).losses
    assert (loss.producer, loss.service, loss.missing) == ("worker-7", "shop", 15)
    assert await metric(pipeline, "agentgauge_events_missing", service="shop") == 15

    await asyncio.to_thread(publish, url, 10, 15)  # they were only late
    found = await report(pipeline)
    assert (found.losses, found.producers.accepted, found.producers.missing) == ([], 30, 0)


async def test_a_process_killed_with_a_full_queue_ended_without_saying_so(
    pipeline: EmbeddedPipeline,
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BURST_THEN_KILLED, f"kafka://{pipeline.kafka}"
    )
    assert await process.wait() == -9
    found = await report(pipeline, in_s=91)
    (loss,) = found.losses
    assert loss.ended_silently
    assert loss.about > 0
    assert found.producers.accepted + loss.about == 150_001
    assert (await report(pipeline)).losses == []  # not yet: it might only be slow


class ShiftedClock:
    """The system's clock, by so much ahead (or behind)."""

    def __init__(self, by_ns: int) -> None:
        self._by_ns = by_ns

    def time_ns(self) -> int:
        return time.time_ns() + self._by_ns

    def perf_counter_ns(self) -> int:
        return SYSTEM_CLOCK.perf_counter_ns()

    def monotonic(self) -> float:
        return SYSTEM_CLOCK.monotonic()


def work(url: str, agent: str, clock: Clock, *, spans: int = 1, output: str = "") -> None:
    """An agent's process."""
    with Client(url, agent=agent, service=agent, clock=clock) as client:
        for _ in range(spans):
            with client.span("work") as span:
                span.output = output


async def test_hosts_with_wrong_clocks_and_huge_events_harm_nobody(pipeline: EmbeddedPipeline) -> None:
    url = f"kafka://{pipeline.kafka}"
    await asyncio.to_thread(work, url, "ahead", ShiftedClock(3 * DAY_NS))
    await asyncio.to_thread(work, url, "in-1970", ShiftedClock(DAY_NS - time.time_ns()))
    await asyncio.to_thread(work, url, "huge", SYSTEM_CLOCK, output="x" * (2 << 20))
    await pipeline.drained()
    await asyncio.to_thread(work, url, "normal", SYSTEM_CLOCK, spans=1_000)

    found = await report(pipeline)
    assert {row.agent: row.calls for row in found.agents} == {
        "ahead": 1,
        "in-1970": 1,
        "huge": 1,
        "normal": 1_000,
    }
    assert found.flags == {"future": 1, "truncated": 1}
    assert (found.losses, found.producers.rejected) == ([], 0)
    for flag in ("future", "late", "truncated"):
        assert (
            await metric(pipeline, "agentgauge_flagged_events_total", gen_ai_agent_name="normal", flag=flag)
            == 0
        )
