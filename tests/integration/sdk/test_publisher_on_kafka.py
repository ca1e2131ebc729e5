"""The block publisher on real brokers: blocking, repeatable, and no faster than the embedded bridge."""

import asyncio
import time
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from confluent_kafka import Producer
from tests.support.broker import Broker
from tests.support.events_topic import PARTITIONS, accounts, make_topics, read_blocks

from agentgauge import ConfigError, NetworkError
from agentgauge.pacing import MAX_AHEAD_BYTES
from agentgauge.publish import HOME, BlockPublisher
from agentgauge_schemas.block import Resource
from agentgauge_schemas.topics import Topic

RESOURCE = Resource(project="import")
EVENT = b'{"kind":"log","time_us":1,"name":"%s"}' % (b"x" * 600)


@pytest.fixture
def prefix() -> str:
    return f"publish-{uuid.uuid4().hex[:8]}"


async def test_publishing_twice_counts_once(kafka: str, prefix: str) -> None:
    await make_topics(kafka, prefix)

    def publish() -> None:
        with BlockPublisher(f"kafka://{kafka}", prefix=prefix) as publisher:
            for number in range(20):
                publisher.publish(
                    f"session-{number}", 0, [EVENT] * 2_500, resource=RESOURCE, backfill=True, repeatable=True
                )
            publisher.publish("session-0", 2_500, [], resource=RESOURCE, final=True)
            result = publisher.flush(30)
            assert (result.sent, result.pending, result.dropped) == (50_000, 0, 0)

    for _ in range(2):
        await asyncio.to_thread(publish)
    blocks = await read_blocks(kafka, prefix)
    found = accounts(blocks)
    assert len(found) == 20
    assert {(a.accepted, a.duplicates, a.missing) for a in found.values()} == {(2_500, 2_500, 0)}
    assert found["session-0"].final
    assert all(sent.headers.backfill and sent.block.repeatable for sent in blocks if sent.headers.count)
    assert all(sent.block.resource == RESOURCE for sent in blocks)


async def test_what_is_published_again_after_the_topic_grew_is_a_duplicate(kafka: str, prefix: str) -> None:
    await make_topics(kafka, prefix)

    def publish() -> None:
        with BlockPublisher(f"kafka://{kafka}", prefix=prefix) as publisher:
            for session in range(8):
                publisher.publish(f"s{session}", 0, [EVENT], resource=RESOURCE, repeatable=True)

    await asyncio.to_thread(publish)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_partitions({Topic.EVENTS.name_with(prefix): NewPartitions(PARTITIONS + 5)})
    await admin.close()
    await asyncio.to_thread(publish)
    blocks = await read_blocks(kafka, prefix)
    assert {sent.headers.partition for sent in blocks} == {HOME}
    assert {(a.accepted, a.duplicates) for a in accounts(blocks).values()} == {(1, 1)}


async def test_a_raw_record_goes_where_its_headers_say(kafka: str, prefix: str) -> None:
    await make_topics(kafka, prefix)

    def publish() -> None:
        with BlockPublisher(f"kafka://{kafka}", prefix=prefix) as publisher:
            publisher.publish("p", 7, [EVENT], resource=RESOURCE)

    await asyncio.to_thread(publish)
    [sent] = await read_blocks(kafka, prefix)
    other = (sent.headers.partition + 1) % PARTITIONS
    headers = [
        (name, b"%d" % other if name == "partition" else value) for name, value in sent.headers.encode()
    ]

    def publish_raw() -> None:
        with BlockPublisher(f"kafka://{kafka}", prefix=prefix) as publisher:
            publisher.publish_raw(b'{"events":[]}', headers)

    await asyncio.to_thread(publish_raw)
    assert sorted(sent.headers.partition for sent in await read_blocks(kafka, prefix)) == sorted(
        [sent.headers.partition, other]
    )


async def test_it_goes_on_after_the_broker_was_killed(own_broker: Broker, prefix: str) -> None:
    kafka = own_broker.bootstrap
    await make_topics(kafka, prefix)

    def publish(publisher: BlockPublisher, session: str) -> None:
        for seq in range(0, 5_000, 500):
            publisher.publish(session, seq, [EVENT] * 500, resource=RESOURCE, repeatable=True)

    publisher = await asyncio.to_thread(BlockPublisher, f"kafka://{kafka}", prefix=prefix, timeout=60.0)
    await asyncio.to_thread(publish, publisher, "before")
    await asyncio.to_thread(own_broker.kill)
    publishing = asyncio.create_task(asyncio.to_thread(publish, publisher, "during"))
    await asyncio.sleep(3)
    await asyncio.to_thread(own_broker.start)
    await publishing
    await asyncio.to_thread(publisher.close)
    found = accounts(await read_blocks(kafka, prefix))
    assert {name: (a.accepted, a.missing) for name, a in found.items()} == {
        "before": (5_000, 0),
        "during": (5_000, 0),
    }


def test_where_nothing_answers_it_says_so_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(NetworkError, match=r"nothing answers at kafka://127\.0\.0\.1:1") as raised:
        BlockPublisher("kafka://127.0.0.1:1")
    assert raised.value.cure
    assert time.monotonic() - started < 3
    with pytest.raises(ConfigError):
        BlockPublisher("memory:")


async def test_it_waits_for_the_embedded_bridge(prefix: str) -> None:
    """librdkafka's mock broker keeps about 5 MB a partition, and then forgets the oldest."""
    mock = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    [node] = mock.list_topics(timeout=10).brokers.values()
    kafka, topic = f"127.0.0.1:{node.port}", Topic.EVENTS.name_with(prefix)
    bridge = AIOKafkaConsumer(
        bootstrap_servers=kafka,
        group_id=f"{prefix}.bridge",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
    )
    await bridge.start()
    publishing: asyncio.Task[None] | None = None
    try:
        publisher = await asyncio.to_thread(BlockPublisher, f"kafka://{kafka}", prefix=prefix, timeout=20.0)
        partitions = [TopicPartition(topic, number) for number in range(4)]
        bridge.assign(partitions)
        await bridge.commit(dict.fromkeys(partitions, 0))

        def publish() -> None:
            # One producer, so one partition: 6.6 MB.
            publisher.publish("p", 0, [EVENT] * 10_000, resource=RESOURCE)
            publisher.close()

        publishing = asyncio.create_task(asyncio.to_thread(publish))
        await asyncio.sleep(0.5)
        ends = await bridge.end_offsets(partitions)
        assert not publishing.done()
        taken = await _take(bridge, sum(ends.values()))
        assert 0 < sum(len(value) for value in taken) <= MAX_AHEAD_BYTES
        async with asyncio.timeout(20):
            count = 0
            while not publishing.done() or count == 0:
                for records in (await bridge.getmany(timeout_ms=50)).values():
                    count += len(records)
                await bridge.commit()
        await publishing
    finally:
        await bridge.stop()
        if publishing is not None:
            publishing.cancel()


async def _take(consumer: AIOKafkaConsumer, count: int) -> list[bytes]:
    values: list[bytes] = []
    async with asyncio.timeout(10):
        while len(values) < count:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                values += [record.value for record in records]
    return values
