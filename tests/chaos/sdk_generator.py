"""A process that says known things through the SDK, and writes down their sums.

python -m tests.chaos.sdk_generator '{"kafka": ..., "prefix": ..., ...}'
"""

import json
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import wire
from tests.chaos.generator import AGENTS, DAYS_BACK, MODELS, TOOLS, USERS

import agentgauge

CLOSE_S = 120.0


@dataclass(frozen=True)
class SdkLoad:
    """What the process is told."""

    kafka: str
    prefix: str
    name: str
    events_per_s: float
    seconds: float
    seed: int
    out: str


def say(client: agentgauge.Client, event: wire.Event) -> None:
    """One event, by the names of its fields."""
    fields: dict[str, object] = {key: value for key, value in event.items() if key not in ("kind", "time_us")}
    client.record("span", time_us=int(event["time_us"]), **fields)  # type: ignore[arg-type]  # any field may be among them


def run(load: SdkLoad, stopping: threading.Event) -> wire.Truth:
    """Until the time is over. Raises when an event was not delivered."""
    truth = wire.Truth()
    client = agentgauge.Client(
        url=f"kafka://{load.kafka}",
        prefix=load.prefix,
        project=wire.PROJECT,
        environment=wire.ENVIRONMENT,
        release=wire.RELEASE,
        service=load.name,
        flush_interval=0.5,
    )
    assert client._sender is not None
    producer = client._sender.producer_id
    began, done = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < load.seconds and not stopping.is_set():
        while done < elapsed * load.events_per_s:
            done += 1
            event = _event(done * 104_729 + load.seed)
            truth.add(producer, [event])
            say(client, event)
        time.sleep(0.005)
    last = wire.tool_call(time.time_ns() // 1000, "closer", "closer", "close", 1)
    truth.add(producer, [last])
    say(client, last)
    result = client.close(CLOSE_S)
    if result.pending or result.dropped:
        raise RuntimeError(f"not delivered: {result}")
    print(result)
    return truth


def _event(number: int) -> wire.Event:
    """Of now, or of some days ago."""
    when = time.time_ns() // 1000 - (0 if number % 4 else DAYS_BACK * 86_400_000_000)
    agent, user = AGENTS[number % len(AGENTS)], USERS[number % len(USERS)]
    if number % 3:
        return wire.model_call(when, agent, user, MODELS[number % 7 % 3], number)
    return wire.tool_call(when, agent, user, TOOLS[number % 5 % 4], number)


if __name__ == "__main__":
    told = SdkLoad(**json.loads(sys.argv[1]))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Path(told.out).write_text(run(told, stop).to_json())
