"""Topics on a real broker: created, grown, checked."""

import uuid

import pytest
from aiokafka.admin import NewTopic

from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.kafka.topics import check_topics, create_topics, partition_counts
from agentgauge_schemas.topics import DEFINITIONS, Topic


@pytest.fixture
def prefix() -> str:
    return f"topics-{uuid.uuid4().hex[:8]}"


async def counts(kafka: str, prefix: str) -> dict[Topic, int]:
    async with Connection(kafka).admin() as admin:
        return await partition_counts(admin, prefix)


async def test_all_topics_are_created_as_they_are_defined(kafka: str, prefix: str) -> None:
    changes = await create_topics(kafka, prefix, 3, 2)
    assert {change.topic for change in changes} == {each.topic.name_with(prefix) for each in DEFINITIONS}
    assert changes[-1].topic == Topic.EVENTS.name_with(prefix)
    found = await counts(kafka, prefix)
    assert (found[Topic.EVENTS], found[Topic.REDUCE_STATE], found[Topic.DLQ]) == (3, 3, 3)
    assert (found[Topic.PARTIALS], found[Topic.MERGE_STATE], found[Topic.SERIES]) == (2, 2, 2)
    assert found[Topic.RULES] == 1
    assert await check_topics(kafka, prefix) == []


async def test_creating_again_changes_nothing(kafka: str, prefix: str) -> None:
    await create_topics(kafka, prefix, 3, 2)
    assert await create_topics(kafka, prefix, 3, 2) == []
    assert await create_topics(kafka, prefix, 1, 2) == []
    assert (await counts(kafka, prefix))[Topic.EVENTS] == 3


async def test_events_grow_after_what_follows_them(kafka: str, prefix: str) -> None:
    await create_topics(kafka, prefix, 2, 2)
    changes = await create_topics(kafka, prefix, 5, 2)
    assert [(change.action, change.partitions) for change in changes] == [("grown", 5)] * 4
    assert changes[-1].topic == Topic.EVENTS.name_with(prefix)
    assert await check_topics(kafka, prefix) == []


async def test_the_number_of_merge_partitions_is_fixed(kafka: str, prefix: str) -> None:
    await create_topics(kafka, prefix, 2, 2)
    with pytest.raises(StartupProblem, match="fixed at creation"):
        await create_topics(kafka, prefix, 2, 3)


async def test_missing_topics_are_named_with_the_cure(kafka: str, prefix: str) -> None:
    problems = await check_topics(kafka, prefix)
    assert len(problems) == len(DEFINITIONS)
    assert str(problems[0]) == (
        f"topic {prefix}.events is missing: run 'agentgauge topics create --kafka {kafka} --prefix {prefix}'"
    )


async def test_wrong_configuration_and_partitions_are_named(kafka: str, prefix: str) -> None:
    async with Connection(kafka).admin() as admin:
        wrong = {"message.timestamp.type": "CreateTime", "max.message.bytes": "8388608"}
        events = NewTopic(f"{prefix}.events", 2, 1, topic_configs=wrong)
        await admin.create_topics([events, NewTopic(f"{prefix}.alerts", 3, 1)])
    await create_topics(kafka, prefix, 2, 2)
    problems = [str(problem) for problem in await check_topics(kafka, prefix)]
    assert any(
        "events has message.timestamp.type=CreateTime: set it to LogAppendTime" in each for each in problems
    )
    assert any("alerts has 3 partitions instead of 2" in each for each in problems)
    assert any("alerts has cleanup.policy=delete: set it to compact" in each for each in problems)


async def test_where_nothing_listens_is_said_in_one_sentence() -> None:
    with pytest.raises(StartupProblem, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        await check_topics("127.0.0.1:1", "any")
