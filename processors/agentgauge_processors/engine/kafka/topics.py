"""Creating and checking the topics. They are never created by chance: clocks, compaction and
partition counts decide whether counts are right.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_processors.engine.kafka.connection import PLAINTEXT, Connection, Security
from agentgauge_schemas.topics import (
    DEFAULT_EVENTS_PARTITIONS,
    DEFAULT_MERGE_PARTITIONS,
    DEFINITIONS,
    REQUIRED_CONFIG,
    Topic,
    TopicDefinition,
)

VISIBLE_S: Final = 30.0
"""How long a new topic may take to appear in the brokers' metadata."""


@dataclass(frozen=True)
class Change:
    """What `create_topics` did to one topic."""

    topic: str
    action: Literal["created", "grown"]
    partitions: int


@dataclass(frozen=True)
class Problem:
    """What is wrong with one topic, and the cure."""

    topic: str
    wrong: str
    cure: str

    def __str__(self) -> str:
        return f"topic {self.topic} {self.wrong}: {self.cure}"


async def create_topics(
    kafka: str,
    prefix: str,
    events_partitions: int = DEFAULT_EVENTS_PARTITIONS,
    merge_partitions: int = DEFAULT_MERGE_PARTITIONS,
    replication: int = 1,
    *,
    security: Security = PLAINTEXT,
) -> list[Change]:
    """Create what is missing, grow what follows `.events`, and wait until all brokers agree.

    Idempotent; nothing shrinks, and no configuration of an existing topic is touched. Raises
    StartupProblem when no broker answers, when the broker refuses, or when `.partials` exists with
    another number of partitions (that number is part of every group's place).
    """
    async with Connection(kafka, security).admin() as admin:
        found = await partition_counts(admin, prefix)
        merge_now = found.get(Topic.PARTIALS, merge_partitions)
        if merge_now != merge_partitions:
            raise StartupProblem(
                f"topic {Topic.PARTIALS.name_with(prefix)} has {merge_now} partitions and cannot get "
                f"{merge_partitions}: the number is fixed at creation"
            )
        wanted = _wanted(max(events_partitions, found.get(Topic.EVENTS, 0)), merge_partitions)
        changes = []
        # `.events` last: a source partition must find its state, accounts and dead letters there.
        others = [each for each in DEFINITIONS if each.topic is not Topic.EVENTS]
        events = [each for each in DEFINITIONS if each.topic is Topic.EVENTS]
        for definitions in (others, events):
            for definition in definitions:
                partitions, before = wanted[definition.topic], found.get(definition.topic, 0)
                if before < partitions:
                    name = definition.topic.name_with(prefix)
                    await _create_or_grow(admin, definition, name, before, partitions, replication)
                    changes.append(Change(name, "grown" if before else "created", partitions))
            await _wait_until_visible(admin, prefix, {each.topic: wanted[each.topic] for each in definitions})
        return changes


async def check_topics(kafka: str, prefix: str, *, security: Security = PLAINTEXT) -> list[Problem]:
    """Compare the broker's topics with their definitions; [] when all is well.

    Raises StartupProblem when no broker answers.
    """
    async with Connection(kafka, security).admin() as admin:
        found = await partition_counts(admin, prefix)
        create = f"run 'agentgauge topics create --kafka {kafka} --prefix {prefix}'"
        problems = []
        for definition in DEFINITIONS:
            name = definition.topic.name_with(prefix)
            if definition.topic not in found:
                problems.append(Problem(name, "is missing", create))
                continue
            like = definition.partitions_like
            expected = like if isinstance(like, int) else found.get(like, found[definition.topic])
            if _too_few(definition, found[definition.topic], expected):
                wrong = f"has {found[definition.topic]} partitions instead of {expected}"
                problems.append(Problem(name, wrong, _partition_cure(definition, create)))
            config = await _config(admin, name)
            for key in REQUIRED_CONFIG:
                if key in definition.config and config.get(key) != definition.config[key]:
                    wrong = f"has {key}={config.get(key)}"
                    problems.append(Problem(name, wrong, f"set it to {definition.config[key]}"))
        return problems


async def partition_counts(admin: AIOKafkaAdminClient, prefix: str) -> dict[Topic, int]:
    """The partitions of those of our topics that exist. Asks for all topics: asking for one by name
    creates it on brokers that create topics by chance.
    """
    topics = {topic.name_with(prefix): topic for topic in Topic}
    return {
        topics[each["topic"]]: len(each["partitions"])
        for each in await admin.describe_topics()
        if each["topic"] in topics and not each["error_code"]
    }


def _wanted(events: int, merge: int) -> dict[Topic, int]:
    like = {Topic.EVENTS: events, Topic.PARTIALS: merge}
    return {
        each.topic: each.partitions_like
        if isinstance(each.partitions_like, int)
        else like[each.partitions_like]
        for each in DEFINITIONS
    }


def _too_few(definition: TopicDefinition, partitions: int, expected: int) -> bool:
    # What follows `.events` is grown first, so it may be ahead; the merge side is fixed.
    if definition.partitions_like is Topic.EVENTS:
        return partitions < expected
    return partitions != expected


def _partition_cure(definition: TopicDefinition, create: str) -> str:
    if definition.partitions_like is Topic.EVENTS:
        return create
    return "delete it and its data, or use another prefix, and create it again"


async def _create_or_grow(
    admin: AIOKafkaAdminClient,
    definition: TopicDefinition,
    name: str,
    before: int,
    partitions: int,
    replication: int,
) -> None:
    try:
        if before:
            await admin.create_partitions({name: NewPartitions(partitions)})
            return
        new = NewTopic(name, partitions, replication, topic_configs=definition.config)
        for _, code, message in (await admin.create_topics([new])).topic_errors:
            if code and code != TopicAlreadyExistsError.errno:
                raise for_code(code)(message)
    except KafkaError as error:
        raise StartupProblem(f"the broker refuses to create topic {name}: {error}") from error


async def _wait_until_visible(admin: AIOKafkaAdminClient, prefix: str, wanted: dict[Topic, int]) -> None:
    # A worker that joins its group before the topic is visible sits idle until its metadata ages.
    try:
        async with asyncio.timeout(VISIBLE_S):
            while True:
                found = await partition_counts(admin, prefix)
                if all(found.get(topic, 0) >= partitions for topic, partitions in wanted.items()):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise StartupProblem(f"the broker does not show its new topics after {VISIBLE_S:.0f} s") from None


async def _config(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {
        entry[0]: entry[1]
        for response in responses
        for resource in response.resources
        for entry in resource[4]
    }
