"""A process that sends known blocks, some late, some twice and some never, and writes down their sums.

python -m tests.chaos.generator '{"kafka": ..., "topic": ..., ...}'
"""

import asyncio
import json
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from tests.chaos import wire

AGENTS = [f"agent-{number}" for number in range(8)]
MODELS = ["small", "medium", "large"]
TOOLS = ["read", "write", "search", "run"]
USERS = [f"user-{number}" for number in range(12)]
SIZES = (1, 5, 20, 60, 60)
SPEED = 20
"""Event time runs so much faster than the clock: minutes of windows close while seconds pass."""
DAYS_BACK = 3
"""Event time begins so long ago; at the end it jumps to now, and every window before closes."""
NEVER, LATE, TWICE = 0.005, 0.01, 0.02
RESEND_S = 0.5


@dataclass(frozen=True)
class Load:
    """What a generator is told."""

    kafka: str
    topic: str
    partitions: int
    name: str
    producers: int
    blocks_per_s: float
    seconds: float
    seed: int
    out: str


class Generator:
    """Sends blocks of several producers; each goes to one partition for its life."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._random = random.Random(load.seed)
        self._truth = wire.Truth()
        self._seq = {f"{load.name}-{number}": 0 for number in range(load.producers)}
        self._client: AIOKafkaProducer | None = None
        self._replacing = asyncio.Lock()
        self._sending: set[asyncio.Task[None]] = set()
        self._number = 0
        self._began = time.time()

    async def run(self, stopping: asyncio.Event) -> wire.Truth:
        """Until the time is over or it is told to stop; all that counts is acknowledged then."""
        load, producers = self._load, list(self._seq)
        later: list[tuple[float, str, int, bytes, int]] = []
        done = 0
        while (elapsed := time.time() - self._began) < load.seconds and not stopping.is_set():
            for item in [item for item in later if item[0] <= elapsed]:
                later.remove(item)
                self._spawn(*item[1:])
            while done < elapsed * load.blocks_per_s:
                producer = producers[done % len(producers)]
                later += self._next_block(producer, elapsed)
                done += 1
            await asyncio.sleep(0.01)
        for item in later:
            self._spawn(*item[1:])
        while self._sending:
            await asyncio.wait(self._sending)
        for producer in producers:
            # The last one is of this very moment: it moves every source's event time past all windows.
            events = [wire.tool_call(int(time.time() * 1e6), "closer", "closer", "close", 1)]
            self._truth.add(producer, events)
            await self._send(producer, self._take(producer, 1), wire.value(events, final=True), 1)
        if self._client is not None:
            await self._client.stop()
        return self._truth

    def _next_block(self, producer: str, elapsed: float) -> list[tuple[float, str, int, bytes, int]]:
        """Make a block; returns when it has to be sent later, or again."""
        events = self._events(self._random.choice(SIZES), elapsed)
        seq, value = self._take(producer, len(events)), wire.value(events)
        fate = self._random.random()
        if fate < NEVER:
            self._truth.lost[producer] += len(events)
            return []
        self._truth.add(producer, events)
        again = (elapsed + self._random.uniform(0.1, 8), producer, seq, value, len(events))
        if fate < NEVER + LATE:
            return [again]
        self._spawn(producer, seq, value, len(events))
        return [again] if fate < NEVER + LATE + TWICE else []

    def _events(self, count: int, elapsed: float) -> list[wire.Event]:
        now = int((self._began - DAYS_BACK * 86_400 + elapsed * SPEED) * 1e6)
        events = []
        for _ in range(count):
            self._number += 1
            number = self._number * 7919 + self._load.seed
            when = now - self._random.randrange(20_000_000)
            agent, user = AGENTS[number % len(AGENTS)], USERS[number % len(USERS)]
            if number % 3:
                events.append(wire.model_call(when, agent, user, MODELS[number % 7 % 3], number))
            else:
                events.append(wire.tool_call(when, agent, user, TOOLS[number % 5 % 4], number))
        return events

    def _take(self, producer: str, count: int) -> int:
        seq = self._seq[producer]
        self._seq[producer] += count
        return seq

    def _spawn(self, producer: str, seq: int, value: bytes, count: int) -> None:
        task = asyncio.ensure_future(self._send(producer, seq, value, count))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, producer: str, seq: int, value: bytes, count: int) -> None:
        """Until it is acknowledged: the same block again and again, by a new client after each failure."""
        partition = list(self._seq).index(producer) % self._load.partitions
        headers = wire.headers(producer, partition, seq, count)
        while True:
            client = await self._connected(None)
            try:
                await client.send_and_wait(
                    self._load.topic, value, producer.encode(), partition, headers=headers
                )
            except KafkaError:
                await asyncio.sleep(RESEND_S)
                await self._connected(client)
            else:
                return

    async def _connected(self, broken: AIOKafkaProducer | None) -> AIOKafkaProducer:
        async with self._replacing:
            while self._client is None or self._client is broken:
                if self._client is not None:
                    stop = asyncio.ensure_future(self._client.stop())
                    await asyncio.wait({stop}, timeout=1)
                    self._client = None
                client = AIOKafkaProducer(
                    bootstrap_servers=self._load.kafka,
                    acks="all",
                    enable_idempotence=True,
                    compression_type="zstd",
                    request_timeout_ms=5_000,
                    metadata_max_age_ms=5_000,
                )
                try:
                    await client.start()
                    self._client = client
                except KafkaError:
                    await client.stop()
                    await asyncio.sleep(RESEND_S)
            return self._client


async def generate(load: Load) -> wire.Truth:
    """Send until the load is over or SIGTERM comes; returns what must come out."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    return await Generator(load).run(stopping)


if __name__ == "__main__":
    told = Load(**json.loads(sys.argv[1]))
    Path(told.out).write_text(asyncio.run(generate(told)).to_json())
