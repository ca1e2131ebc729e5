"""`python -m benchmarks.scrape`: one scrape of 100,000 samples over HTTP, as Prometheus asks for it."""

import asyncio
import gzip
import platform
import random
import statistics
import time
import urllib.request

import msgspec

from agentgauge_processors.engine.contract import Append, Message
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.group import VIEWS, group_key
from agentgauge_schemas.histogram import add, bucket
from agentgauge_schemas.results import Series, WindowSummary
from agentgauge_schemas.topics import Topic
from agentgauge_sinks.prometheus import PrometheusSink

RUNS = 7
SAMPLES = 100_000
GROUPS = 1_800
"""Of the view `llm`, each with both histograms and both windows: a little over 100,000 samples."""
TARGET_S = 2.0
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(f"msgspec {msgspec.__version__}")
    asyncio.run(_measure())


async def _measure() -> None:
    with SqliteLog(":memory:") as log:
        rng = random.Random(20260811)
        await log.append([_group(rng, number) for number in range(GROUPS)])
        sink = PrometheusSink("127.0.0.1", 0)
        tail = log.tail(await sink.start(log))
        begun = time.process_time()
        while batches := await tail.poll(0.01):
            await sink.apply(batches)
        print(f"{GROUPS:,} groups read in {time.process_time() - begun:.2f} s CPU")
        for encoding in ("identity", "gzip"):
            walls, cpus = [], []
            for _ in range(RUNS):
                begun, cpu = time.perf_counter(), time.process_time()
                page = await asyncio.to_thread(_scrape, sink.port, encoding)
                walls.append(time.perf_counter() - begun)
                cpus.append(time.process_time() - cpu)
            samples = sum(not line.startswith("#") for line in page.splitlines())
            assert samples >= SAMPLES, samples
            print(
                f"{encoding:8}: {samples:,} samples in {statistics.median(walls):.2f} s "
                f"({min(walls):.2f}-{max(walls):.2f}, target {TARGET_S}), "
                f"{statistics.median(cpus):.2f} s CPU, {len(page) / 1e6:.1f} MB"
            )
        await sink.stop()


def _group(rng: random.Random, number: int) -> Append:
    values = ("default", "production", f"agent-{number}", "chat", "anthropic", "claude-haiku-4-5-20251001")
    total = Aggregate(count=200, errors={"TimeoutError": 3}, cost_nanousd=10**9, input_tokens=10**6)
    for buckets in (total.duration_buckets, total.ttft_buckets):
        for _ in range(200):
            add(buckets, {bucket(int(rng.lognormvariate(13, 0.8))): 1})
    now_us = time.time_ns() // 1_000
    summary = WindowSummary(start_us=now_us, count=20, errors=1, p50_us=1e6, p95_us=2e6, p99_us=3e6)
    series = Series(
        view="llm",
        group=dict(zip(VIEWS["llm"], values, strict=True)),
        version=number,
        total=total,
        windows={"1m": summary, "5m": summary},
        watermark_us=now_us,
    )
    key = group_key("llm", values).encode()
    return Append(number % 4, Message(Topic.SERIES, key, msgspec.json.encode(series)))


def _scrape(port: int, encoding: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Accept": ACCEPT, "Accept-Encoding": encoding}
    )
    with urllib.request.urlopen(request) as answer:
        body: bytes = answer.read()
    return (gzip.decompress(body) if encoding == "gzip" else body).decode()


if __name__ == "__main__":
    main()
