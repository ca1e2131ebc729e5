"""Blocks of three shapes, deterministic: part of every figure.

steady: 200 events, one agent, one user, 2 models, 4 tools; mixed: 200 events, 20 users, 10 tools;
small: 20 events of the steady kind. Events are about 650 bytes of JSON, 70 % calls of models.
"""

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from agentgauge_schemas.block import BlockHeaders, Resource, encode_block
from agentgauge_schemas.event import Event

SEED: Final = 20260811


class Shape(NamedTuple):
    """What a block holds."""

    events: int
    users: int
    models: int
    tools: int


SHAPES: Final = {
    "steady": Shape(events=200, users=1, models=2, tools=4),
    "mixed": Shape(events=200, users=20, models=2, tools=10),
    "small": Shape(events=20, users=1, models=2, tools=4),
}
MODELS: Final = (("anthropic", "claude-haiku-4-5-20251001"), ("openai", "gpt-4o"))


class Produced(NamedTuple):
    """One block as it is sent, and the broker time at which it would arrive."""

    headers: list[tuple[str, bytes]]
    value: bytes
    time_us: int


def blocks(shape: Shape, total: int, *, start_us: int, producers: int = 20) -> Iterator[Produced]:
    """At least `total` events, 20,000 a second of event time, each producer one agent."""
    rng = random.Random(SEED)
    sequences = [0] * producers
    sent = 0
    while sent < total:
        number = (sent // shape.events) % producers
        now_us = start_us + sent * 50
        events = [_event(rng, shape, number, now_us + index * 50) for index in range(shape.events)]
        headers = BlockHeaders(
            producer=f"bench-{number:03d}",
            partition=0,
            seq=sequences[number],
            count=shape.events,
            flush_ms=500,
        )
        sequences[number] += shape.events
        sent += shape.events
        resource = Resource(project="bench", environment="prod", service="agents", agent=f"agent-{number}")
        value = encode_block(resource, [msgspec.json.encode(event) for event in events])
        yield Produced(headers.encode(), value, now_us + shape.events * 50 + 500_000)


def _event(rng: random.Random, shape: Shape, number: int, time_us: int) -> Event:
    failed = rng.random() < 0.03
    event = Event(
        kind="span",
        time_us=time_us,
        duration_us=int(rng.lognormvariate(13, 0.8)),
        user=f"user-{number}-{rng.randrange(shape.users)}",
        status="error" if failed else "ok",
        error_type="TimeoutError" if failed else None,
        trace_id=f"{rng.getrandbits(128):032x}",
        span_id=f"{rng.getrandbits(64):016x}",
        parent_id=f"{rng.getrandbits(64):016x}",
        session_id=f"session-{number}",
        input={"prompt": "x" * 180},
        output={"text": "y" * 60},
    )
    if rng.random() < 0.7:
        event.operation = "chat"
        event.provider, event.model = MODELS[rng.randrange(shape.models)]
        event.name = f"chat {event.model}"
        event.input_tokens = int(rng.lognormvariate(6.5, 1.0))
        event.output_tokens = int(rng.lognormvariate(5.0, 0.9))
        event.time_to_first_token_us = int(rng.lognormvariate(12, 0.5))
    else:
        event.operation = "execute_tool"
        event.tool = f"tool-{rng.randrange(shape.tools)}"
        event.name = f"execute_tool {event.tool}"
    return event
