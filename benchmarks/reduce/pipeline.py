"""The whole pipeline on a real broker: CPU an event of all our processes behind Kafka.

A worker (`agentgauge worker all`) runs while this process publishes the blocks; the figure is the
CPU time (user and system, all threads) that the worker spends from then until the last event is in
`.series`, less what an idle worker spends in that time.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from agentgauge_processors.engine.kafka import KafkaLog, create_topics
from agentgauge_schemas.results import Series
from agentgauge_schemas.topics import Topic
from benchmarks.reduce.shapes import SHAPES, Produced, blocks

PARTITIONS = 4
DEADLINE_S = 180.0
IDLE_S = 5.0
TICKS = os.sysconf("SC_CLK_TCK")


class Result(NamedTuple):
    """Of one run."""

    cpu_us: float
    """CPU microseconds an event."""
    idle: float
    """CPU seconds a second of the worker without any event."""
    wall_s: float
    """From the first block sent to the last event in `.series`."""


async def measure(bootstrap: str, shape: str, events: int) -> Result:
    """One run with fresh topics."""
    prefix = f"bench-{uuid.uuid4().hex[:8]}"
    await create_topics(bootstrap, prefix, events_partitions=PARTITIONS, merge_partitions=PARTITIONS)
    made = list(blocks(SHAPES[shape], events, start_us=time.time_ns() // 1_000 - events * 50))
    count = len(made) * SHAPES[shape].events
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("agentgauge")), "worker", "all"]
        command += ["--kafka", bootstrap, "--prefix", prefix, "--data-dir", folder]
        with (Path(folder) / "worker.log").open("wb") as log:
            worker = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220 # begun before anything is timed
        try:
            async with KafkaLog(bootstrap, prefix) as kafka:
                await _publish(bootstrap, prefix, made[:PARTITIONS])  # wakes every part up once
                await _counted(kafka, PARTITIONS * SHAPES[shape].events)
                before, begun = _cpu_s(worker.pid), time.monotonic()
                await asyncio.sleep(IDLE_S)
                idle = (_cpu_s(worker.pid) - before) / (time.monotonic() - begun)
                before, begun = _cpu_s(worker.pid), time.monotonic()
                await _publish(bootstrap, prefix, made[PARTITIONS:])
                await _counted(kafka, count)
                wall = time.monotonic() - begun
                spent = _cpu_s(worker.pid) - before - idle * wall
        finally:
            worker.terminate()
            worker.wait(30)
    return Result(spent / (count - PARTITIONS * SHAPES[shape].events) * 1e6, idle, wall)


async def _publish(bootstrap: str, prefix: str, made: Sequence[Produced]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_request_size=8 << 20,
        max_batch_size=1 << 20,
    )
    await producer.start()
    try:
        waiting = []
        for block in made:
            owner = dict(block.headers)["producer"]
            waiting.append(
                await producer.send(
                    Topic.EVENTS.name_with(prefix),
                    block.value,
                    partition=zlib.crc32(owner) % PARTITIONS,
                    headers=block.headers,
                )
            )
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()


async def _counted(kafka: KafkaLog, events: int) -> None:
    """Wait until the agents' totals hold that many spans."""
    tail = kafka.tail({(Topic.SERIES, partition): 0 for partition in range(PARTITIONS)})
    decode = msgspec.json.Decoder(Series).decode
    totals: dict[bytes, int] = {}
    deadline = time.monotonic() + DEADLINE_S
    try:
        while sum(totals.values()) < events:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{sum(totals.values())} of {events} events after {DEADLINE_S:.0f} s")
            for batch in await tail.poll(0.5):
                for record in batch.records:
                    if record.key and record.key.startswith(b'["agent"') and record.value:
                        totals[record.key] = decode(record.value).total.count
    finally:
        await tail.close()
    assert sum(totals.values()) == events, f"{sum(totals.values())} counted, {events} sent"


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
