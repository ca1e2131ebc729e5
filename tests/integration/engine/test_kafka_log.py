"""The Kafka carrier on a real broker: the contract of all carriers, and what only Kafka has."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from tests.support.log_contract import PARTITIONS, LogContract, NewLog, appends, follow, values

from agentgauge_processors.engine.contract import Checkpoint, OffsetExpired, Unavailable
from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.kafka.log import KafkaLog
from agentgauge_processors.engine.kafka.topics import create_topics
from agentgauge_schemas.topics import Topic


@pytest.fixture
async def prefix(kafka: str) -> str:
    """A fresh set of topics."""
    prefix = f"log-{uuid.uuid4().hex[:8]}"
    await create_topics(kafka, prefix, PARTITIONS, PARTITIONS)
    return prefix


@pytest.fixture
async def new_log(kafka: str, prefix: str) -> AsyncIterator[NewLog]:
    logs: list[KafkaLog] = []

    def new() -> KafkaLog:
        logs.append(KafkaLog(kafka, prefix))
        return logs[-1]

    yield new
    await asyncio.gather(*(log.stop() for log in logs))


@pytest.fixture
def kafka_log(new_log: NewLog) -> KafkaLog:
    log = new_log()
    assert isinstance(log, KafkaLog)
    return log


class TestKafkaLog(LogContract):
    """What `KafkaLog` shares with the other carriers."""


async def test_records_that_expired_are_reported_with_the_first_that_is_left(
    kafka: str, prefix: str, kafka_log: KafkaLog
) -> None:
    await kafka_log.append(appends(b"0", b"1", b"2"))
    async with Connection(kafka).admin() as admin:
        from aiokafka.admin import RecordsToDelete

        where = TopicPartition(Topic.EVENTS.name_with(prefix), 0)
        await admin.delete_records({where: RecordsToDelete(before_offset=2)})
    with pytest.raises(OffsetExpired) as expired:
        await kafka_log.read(Topic.EVENTS, 0, 1)
    assert expired.value.first == 2
    assert values(await kafka_log.read(Topic.EVENTS, 0, 2)) == [b"2"]
    tail = kafka_log.tail({(Topic.EVENTS, 0): 0})
    (batch,) = await follow(tail, 1)
    assert [record.offset for record in batch.records] == [2]
    await tail.close()


async def test_what_is_not_committed_is_neither_read_nor_counted(
    kafka: str, prefix: str, kafka_log: KafkaLog
) -> None:
    name = Topic.EVENTS.name_with(prefix)
    other = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{prefix}-other")
    await other.start()
    await other.begin_transaction()
    await other.send_and_wait(name, b"open", partition=0)
    assert await kafka_log.end_offset(Topic.EVENTS, 0) == 0
    assert await kafka_log.read(Topic.EVENTS, 0, 0) == []
    await other.abort_transaction()
    await other.stop()
    await kafka_log.append(appends(b"after"))
    (record,) = await kafka_log.read(Topic.EVENTS, 0, 0)
    assert (record.offset, record.value) == (2, b"after")  # behind the aborted record and its marker


async def test_after_a_rejected_append_the_next_one_succeeds(kafka_log: KafkaLog) -> None:
    with pytest.raises(Unavailable):
        await kafka_log.append(appends(b"x" * (9 << 20)))
    await kafka_log.append(appends(b"small"))
    assert values(await kafka_log.read(Topic.EVENTS, 0, 0)) == [b"small"]


async def test_a_new_owner_aborts_what_the_old_one_left_open(
    kafka: str, prefix: str, new_log: NewLog
) -> None:
    log = new_log()
    await log.open("merge", Topic.MERGE_STATE, 3)
    await log.commit("merge", Topic.MERGE_STATE, 3, Checkpoint([(b"head", b"1")], []))
    zombie = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=f"{prefix}-merge-3")
    await zombie.start()
    await zombie.begin_transaction()
    await zombie.send_and_wait(Topic.MERGE_STATE.name_with(prefix), b"open", b"head", partition=3)
    await zombie.send_and_wait(Topic.SERIES.name_with(prefix), b"open", b"key", partition=3)
    assert await new_log().open("merge", Topic.MERGE_STATE, 3) == {b"head": b"1"}
    assert await log.read(Topic.SERIES, 3, 0) == []
    await zombie.stop()


async def test_where_nothing_listens_the_log_is_unavailable() -> None:
    log = KafkaLog("127.0.0.1:1", "nowhere")
    with pytest.raises(Unavailable):
        await log.end_offset(Topic.EVENTS, 0)
    with pytest.raises(Unavailable):
        await log.append(appends(b"0"))
    with pytest.raises(Unavailable):
        await log.open("merge", Topic.MERGE_STATE, 0)
    with pytest.raises(Unavailable):
        await log.tail({(Topic.EVENTS, 0): 0}).poll(0.1)
    await log.stop()
