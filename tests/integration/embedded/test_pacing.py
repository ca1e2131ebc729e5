"""Bulk writers and the small memory of the embedded broker."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import pytest
from confluent_kafka import Producer

from agentgauge_cli.embedded.bridge import Bridge
from agentgauge_cli.embedded.broker import EmbeddedBroker
from agentgauge_cli.embedded.pacing import PacedPublisher, Pacer
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.block import Resource
from agentgauge_schemas.topics import Topic

PREFIX = "paced"
BLOCKS = 60
BLOCK_BYTES = 500_000


class PlainPublisher:
    """Sends each call's events as one record; acknowledged by `flush`."""

    def __init__(self, kafka: str) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 8 << 20})

    def publish(
        self,
        producer: str,
        seq: int,
        events: Sequence[bytes],
        *,
        resource: Resource,
        backfill: bool = False,
        repeatable: bool = False,
        final: bool = False,
    ) -> None:
        self._producer.produce(f"{PREFIX}.events", b"".join(events), producer, partition=0)

    def flush(self, timeout: float | None = None) -> object:
        return self._producer.flush(timeout or 10.0)


def write(publisher: PlainPublisher | PacedPublisher) -> None:
    noise = random.Random(1)
    for seq in range(BLOCKS):
        publisher.publish("p", seq, [noise.randbytes(BLOCK_BYTES)], resource=Resource())


def write_paced(kafka: str) -> None:
    pacer = Pacer(kafka, PREFIX)
    plain = PlainPublisher(kafka)
    write(PacedPublisher(plain, pacer))
    plain.flush()
    pacer.wait()
    pacer.close()


def write_unpaced(kafka: str) -> None:
    plain = PlainPublisher(kafka)
    write(plain)
    plain.flush()


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker()
    await broker.start([Topic.EVENTS.name_with(PREFIX)])
    yield broker
    await broker.stop()


async def test_a_paced_writer_loses_nothing(broker: EmbeddedBroker) -> None:
    with SqliteLog(":memory:") as log:
        bridge = Bridge(broker.bootstrap, PREFIX, log)
        await bridge.start()
        taking = asyncio.create_task(bridge.run())
        await asyncio.wait_for(asyncio.to_thread(write_paced, broker.bootstrap), 30)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await bridge.stop()
        assert len(await log.read(Topic.EVENTS, 0, 0, max_bytes=1 << 30)) == BLOCKS


async def test_what_the_broker_forgot_meanwhile_is_said(
    broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(write_unpaced, broker.bootstrap)
    with SqliteLog(":memory:") as log:
        bridge = Bridge(broker.bootstrap, PREFIX, log)
        await bridge.start()
        taking = asyncio.create_task(bridge.run())
        async with asyncio.timeout(10):
            while not await bridge.has_everything():
                await asyncio.sleep(0.01)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await bridge.stop()
        taken = len(await log.read(Topic.EVENTS, 0, 0, max_bytes=1 << 30))
    assert 0 < taken < BLOCKS
    assert f"forgot {BLOCKS - taken} records of partition 0" in caplog.text


async def test_on_a_broker_without_a_bridge_nobody_waits(broker: EmbeddedBroker) -> None:
    await asyncio.wait_for(asyncio.to_thread(write_paced, broker.bootstrap), 30)
