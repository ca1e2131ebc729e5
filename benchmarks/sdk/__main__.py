"""`python -m benchmarks.sdk [BOOTSTRAP]`: what observing a call costs, the caller's thread and in all.

The observed function takes a text of 400 characters and returns a small dictionary; both are
captured. Without BOOTSTRAP the tests' broker is started (Docker, or Java and Maven).
"""

import asyncio
import gc
import os
import platform
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from typing import Final, NamedTuple

import aiokafka
import msgspec
import orjson
from tests.support.broker import start_broker

from agentgauge import Client
from agentgauge_processors.engine.kafka.topics import create_topics

RUNS: Final = 7
CALLS: Final = 20_000
PACED_CALLS: Final = 2_000
TARGET_US: Final = 8.0
PROMPT: Final = "Say in one sentence what a message broker does. " * 8 + "Now, please. " + "." * 3
ANSWER: Final = {"answer": "It keeps messages until they are read.", "confidence": 0.92, "tokens": 9}

Function = Callable[[str], dict[str, object]]


class Cost(NamedTuple):
    """Microseconds a call."""

    p50: float
    p99: float
    thread_cpu: float
    process_cpu: float


def plain(prompt: str) -> dict[str, object]:
    return ANSWER


def main() -> None:
    print(f"{_cpu()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.platform()}")
    print(
        f"Python {platform.python_version()}, aiokafka {aiokafka.__version__},"
        f" orjson {orjson.__version__}, msgspec {msgspec.__version__}"
    )
    print(
        f"us a call, less the call itself; {CALLS:,} calls a run, {RUNS} runs, {len(PROMPT)} characters in;"
        f" target: p50 {TARGET_US:g}"
    )
    broker = None if len(sys.argv) > 1 else start_broker()
    bootstrap = sys.argv[1] if broker is None else broker.bootstrap
    prefix = f"benchmark-{uuid.uuid4().hex[:8]}"
    asyncio.run(create_topics(bootstrap, prefix, 4, 4))
    url = f"kafka://{bootstrap}"
    try:
        _measure("to a broker, back to back", Client(url, prefix=prefix, agent="a"), CALLS, pause_s=0)
        _measure("to a broker, 1 ms apart", Client(url, prefix=prefix, agent="a"), PACED_CALLS, pause_s=0.001)
        _measure(
            "with two keys redacted",
            Client(url, prefix=prefix, agent="a", redact_keys=["password", "api_key"]),
            CALLS,
            pause_s=0,
        )
        _measure("disabled", Client(enabled=False), CALLS, pause_s=0)
    finally:
        if broker is not None:
            broker.remove()


def _measure(name: str, client: Client, calls: int, *, pause_s: float) -> None:
    observed: Function = client.observe(plain)
    observed(PROMPT)
    client.flush(30)
    base = _least([_run(plain, client, calls, pause_s) for _ in range(3)])
    costs = [_run(observed, client, calls, pause_s) for _ in range(RUNS)]
    result = client.close()
    assert not client.enabled or (result.pending, result.dropped) == (0, 0), result
    columns = (
        f"{field} {_spread([getattr(cost, field) - getattr(base, field) for cost in costs])}"
        for field in Cost._fields
        if not (pause_s and field.endswith("cpu"))  # that would be the pauses'
    )
    print(f"{name:26} {'  '.join(columns)}", flush=True)


def _run(function: Function, client: Client, calls: int, pause_s: float) -> Cost:
    """Calls, and the flush of what they left; the flush counts for the process only."""
    now = time.perf_counter_ns
    took: list[int] = []
    gc.collect()
    process_started, thread_started = time.process_time(), time.thread_time()
    for _ in range(calls):
        started = now()
        function(PROMPT)
        took.append(now() - started)
        if pause_s:
            time.sleep(pause_s)
    thread_s = time.thread_time() - thread_started
    client.flush(30)
    process_s = time.process_time() - process_started
    took.sort()
    return Cost(
        took[calls // 2] / 1e3, took[calls * 99 // 100] / 1e3, thread_s / calls * 1e6, process_s / calls * 1e6
    )


def _least(costs: list[Cost]) -> Cost:
    return Cost(*map(min, zip(*costs, strict=True)))


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):5.2f} ({min(values):.2f}-{max(values):.2f})"


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
