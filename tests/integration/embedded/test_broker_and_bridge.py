"""The embedded broker as a Kafka client sees it, and the ways into and out of the log."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agentgauge_cli.embedded.bridge import Bridge, bridge_group
from agentgauge_cli.embedded.broker import EmbeddedBroker
from agentgauge_cli.embedded.forwarder import Forwarder
from agentgauge_cli.embedded.mirror import Mirror
from agentgauge_cli.embedded.ports import LOOPBACK, listen, port_of
from agentgauge_processors.engine.contract import Append, Message
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.topics import Topic

PREFIX = "bridged"


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker()
    await broker.start(topic.name_with(PREFIX) for topic in Topic)
    yield broker
    await broker.stop()


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    yield
    assert not task.done(), "it ended by itself"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def bridged(broker: EmbeddedBroker, log: SqliteLog) -> AsyncIterator[Bridge]:
    bridge = Bridge(broker.bootstrap, PREFIX, log)
    await bridge.start()
    async with running(bridge.run()):
        yield bridge
    await bridge.stop()


@asynccontextmanager
async def producer_of(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        compression_type="zstd",
        max_request_size=8 << 20,
    )
    await producer.start()
    yield producer
    await producer.stop()


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


async def test_what_is_published_arrives_in_the_log_in_order_with_its_headers(broker: EmbeddedBroker) -> None:
    with SqliteLog(":memory:", now_us=lambda: 5_000_000) as log:
        async with bridged(broker, log) as bridge, producer_of(broker.bootstrap) as producer:
            for number in range(20):
                await producer.send_and_wait(
                    f"{PREFIX}.events",
                    b"%d" % number,
                    key=b"p",
                    partition=number % 2,
                    headers=[("seq", b"7")],
                )
            await eventually(bridge.has_everything)
        for partition in (0, 1):
            records = await log.read(Topic.EVENTS, partition, 0)
            assert [record.value for record in records] == [b"%d" % n for n in range(partition, 20, 2)]
            assert {record.headers for record in records} == {(("seq", b"7"),)}
            assert {record.timestamp_us for record in records} == {5_000_000}, "the time of arrival"


async def test_a_writer_can_see_how_far_the_bridge_is(broker: EmbeddedBroker) -> None:
    with SqliteLog(":memory:") as log:
        async with bridged(broker, log) as bridge, producer_of(broker.bootstrap) as producer:
            for _ in range(3):
                await producer.send_and_wait(f"{PREFIX}.events", b"x", partition=1)
            partition = TopicPartition(f"{PREFIX}.events", 1)
            watcher = AIOKafkaConsumer(
                bootstrap_servers=broker.bootstrap, group_id=bridge_group(PREFIX), enable_auto_commit=False
            )
            await watcher.start()
            watcher.assign([partition])

            async def committed() -> bool:
                return bool(await watcher.committed(partition) == 3)

            await eventually(committed)
            await watcher.stop()
            assert await log.end_offset(Topic.EVENTS, 1) == 3
            assert await bridge.has_everything()


async def test_what_the_broker_forgot_before_it_was_taken_is_said(
    broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    noise = random.Random(1)
    async with producer_of(broker.bootstrap) as producer:
        for _ in range(20):
            await producer.send_and_wait(f"{PREFIX}.events", noise.randbytes(500_000), partition=2)
    with SqliteLog(":memory:") as log:
        async with bridged(broker, log) as bridge:
            await eventually(bridge.has_everything)
        taken = await log.end_offset(Topic.EVENTS, 2)
    assert 0 < taken < 20
    assert f"forgot {20 - taken} records of partition 2" in caplog.text


async def test_the_forwarder_gives_the_broker_a_fixed_address(broker: EmbeddedBroker) -> None:
    listener = listen(0, "--kafka-port")
    port = port_of(listener)
    forwarder = Forwarder(listener, LOOPBACK, broker.port)
    await forwarder.start()
    async with producer_of(f"{LOOPBACK}:{port}") as producer:
        sent = await producer.send_and_wait(f"{PREFIX}.events", b"x", partition=3)
        assert sent.partition == 3
    await forwarder.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOOPBACK, port)


async def test_results_are_published_again_for_readers_with_kafka_clients(broker: EmbeddedBroker) -> None:
    with SqliteLog(":memory:") as log:
        before = [
            Append(2, Message(Topic.SERIES, b"a", b"old")),
            Append(2, Message(Topic.SERIES, b"a", b"before")),
            Append(2, Message(Topic.WINDOWS, b"w", b"before")),
        ]
        await log.append(before)
        mirror = Mirror(broker.bootstrap, PREFIX, log)
        await mirror.start()
        async with running(mirror.run()):
            letter = Message(Topic.DLQ, None, b"letter", (("reason", b"foreign"),))
            await log.append([Append(2, Message(Topic.WINDOWS, b"w", b"after")), Append(2, letter)])
            topics = [f"{PREFIX}.{name}" for name in ("series", "windows", "dlq")]
            reader = AIOKafkaConsumer(
                bootstrap_servers=broker.bootstrap,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
            )
            await reader.start()
            reader.assign([TopicPartition(topic, 2) for topic in topics])
            read = [await asyncio.wait_for(reader.getone(), 10) for _ in range(3)]
            await reader.stop()
        await mirror.stop()
    assert {(r.topic, r.key, r.value) for r in read} == {
        (topics[0], b"a", b"before"),
        (topics[1], b"w", b"after"),
        (topics[2], None, b"letter"),
    }
    assert [r.headers for r in read if r.topic == topics[2]] == [(("reason", b"foreign"),)]


async def test_rules_come_from_the_broker_once_and_are_there_again_after_a_restart() -> None:
    with SqliteLog(":memory:") as log:
        for life in (1, 2):
            broker = EmbeddedBroker()
            await broker.start(topic.name_with(PREFIX) for topic in Topic)
            mirror = Mirror(broker.bootstrap, PREFIX, log)
            await mirror.start()
            async with bridged(broker, log) as bridge, producer_of(broker.bootstrap) as producer:
                if life == 1:
                    await producer.send_and_wait(f"{PREFIX}.rules", b"{}", key=b"prices", partition=0)
                await eventually(bridge.has_everything)
                assert await end_of(broker, f"{PREFIX}.rules") == 1
            await mirror.stop()
            await broker.stop()
            records = await log.read(Topic.RULES, 0, 0)
            assert [(record.offset, record.key, record.value) for record in records] == [
                (0, b"prices", b"{}")
            ]


async def end_of(broker: EmbeddedBroker, topic: str) -> int:
    """Where partition 0 ends."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap)
    await consumer.start()
    ends = await consumer.end_offsets([partition])
    await consumer.stop()
    return int(ends[partition])
