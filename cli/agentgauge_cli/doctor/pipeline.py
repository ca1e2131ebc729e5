"""Checks of what stands on a Kafka broker: the topics, the workers and their lag, its clock."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from agentgauge_cli.doctor.check import Check, fail, ok, warn
from agentgauge_cli.rendering import plural, span_text
from agentgauge_processors.engine.contract import Log, OffsetExpired
from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.kafka.topics import check_topics
from agentgauge_schemas.topics import Topic

LATE_S: Final = 60.0
"""A record that waits for longer than this is a warning."""
COORDINATOR_TRIES: Final = 20
COORDINATOR_PAUSE_S: Final = 0.5
SKEW_WARN_S: Final = 2.0
SKEW_FAIL_S: Final = 60.0
PROBE_KEY: Final = b"doctor"
"""A key of `.rules` that nobody reads; its record is a deletion, so compaction takes it away."""

INPUTS: Final = {"reduce": Topic.EVENTS, "merge": Topic.PARTIALS}


async def topics(kafka: str, prefix: str) -> list[Check]:
    """Are they there, and configured as they must be? Raises StartupProblem without a broker."""
    problems = await check_topics(kafka, prefix)
    if not problems:
        return [ok("topics", f"all {len(Topic)} are there and configured as they must be")]
    missing = [problem for problem in problems if problem.wrong == "is missing"]
    if len(missing) == len(Topic):
        return [fail("topics", f"there is none that begins with {prefix!r}", missing[0].cure)]
    return [fail("topics", f"{problem.topic} {problem.wrong}", problem.cure) for problem in problems]


async def stage(admin: AIOKafkaAdminClient, log: Log, prefix: str, name: str, now_us: int) -> Check:
    """Does anyone work on a stage, and does it keep up? Blocks on the broker."""
    from agentgauge_processors.engine.kafka.member import group_name  # loads Faust

    group = group_name(prefix, name)
    start = f"start one: 'agentgauge worker {name}'"
    lag = await group_lag(admin, log, group, INPUTS[name], prefix)
    waiting = sum(lag.values())
    workers = await _members(admin, group)
    if not workers:
        found = f"no worker runs, {plural(waiting, 'record')} wait" if waiting else "no worker runs"
        return fail(name, found, start, _named(INPUTS[name], lag))
    running = f"{plural(workers, 'worker')}, {plural(waiting, 'record')} behind"
    oldest_us = await _oldest_waiting(log, INPUTS[name], lag)
    if oldest_us is not None and (late_s := (now_us - oldest_us) / 1e6) > LATE_S:
        worst = max(lag, key=lambda partition: lag[partition])
        return warn(
            name,
            f"{running}, the oldest for {span_text(late_s)} (partition {worst}: {lag[worst]:,})",
            "if it does not shrink, start more workers, or look at the logs of those that run",
            _named(INPUTS[name], lag),
        )
    return ok(name, running, _named(INPUTS[name], lag))


async def group_lag(
    admin: AIOKafkaAdminClient, log: Log, group: str, topic: Topic, prefix: str
) -> dict[int, int]:
    """Partition -> records that a consumer group has not taken yet."""
    name = topic.name_with(prefix)
    partitions = [TopicPartition(name, number) for number in range(await log.partitions(topic))]
    coordinator = await _coordinator(admin, group)
    committed = await admin.list_consumer_group_offsets(group, coordinator, partitions)
    lag = {}
    for where in partitions:
        taken = max(0, committed[where].offset) if where in committed else 0  # -1: nothing committed
        lag[where.partition] = max(0, await log.end_offset(topic, where.partition) - taken)
    return lag


async def _coordinator(admin: AIOKafkaAdminClient, group: str) -> int:
    """The broker that keeps a group. The very first question makes a fresh broker create its topic for
    groups, which takes a moment.
    """
    tries = COORDINATOR_TRIES
    while True:
        try:
            node: int = await admin.find_coordinator(group)
        except GroupCoordinatorNotAvailableError:
            tries -= 1
            if not tries:
                raise
            await asyncio.sleep(COORDINATOR_PAUSE_S)
        else:
            return node


async def _members(admin: AIOKafkaAdminClient, group: str) -> int:
    """How many processes are in a consumer group."""
    return sum(
        len(members)
        for response in await admin.describe_consumer_groups([group])
        for _, _, _, _, _, members, *_ in response.groups
    )


async def _oldest_waiting(log: Log, topic: Topic, lag: Mapping[int, int]) -> int | None:
    """When the broker got the first record that waits, microseconds; None when none does."""
    times = []
    for partition, waiting in lag.items():
        if not waiting:
            continue
        try:
            records = await log.read(topic, partition, await log.end_offset(topic, partition) - waiting)
        except OffsetExpired as expired:
            records = await log.read(topic, partition, expired.first)
        times += [record.timestamp_us for record in records[:1]]
    return min(times, default=None)


def _named(topic: Topic, lag: Mapping[int, int]) -> dict[str, int]:
    return {f"{topic}/{partition}": waiting for partition, waiting in lag.items()}


async def clock(kafka: str, prefix: str) -> Check:
    """Does this machine's clock agree with the broker's? Writes one deletion of an unused key."""
    producer = AIOKafkaProducer(**Connection(kafka).settings())
    try:
        await producer.start()
        name = Topic.RULES.name_with(prefix)
        await producer.send_and_wait(name, None, PROBE_KEY, partition=0)  # the first one asks for metadata
        before = time.time()
        written = await producer.send_and_wait(name, None, PROBE_KEY, partition=0)
        after = time.time()
    except KafkaError as error:
        return warn(
            "clock",
            f"the broker's clock could not be read: {error}",
            "allow writing to .rules, or ignore this",
        )
    finally:
        await producer.stop()
    # The broker's clock was read somewhere between: inside that, no difference can be told.
    broker = written.timestamp / 1_000
    skew = broker - after if broker > after else min(0.0, broker + 0.001 - before)
    return judged_skew(skew, after - before)


def judged_skew(skew_s: float, round_trip_s: float) -> Check:
    """What a difference means; positive: the broker's clock is ahead of this machine's."""
    if abs(skew_s) < SKEW_WARN_S:
        return ok("clock", f"agrees with the broker's within {max(round_trip_s, abs(skew_s)) * 1_000:.0f} ms")
    direction = "behind" if skew_s > 0 else "ahead of"
    found = f"this machine's clock is {span_text(skew_s)} {direction} the broker's"
    cure = "synchronise both machines' clocks (NTP): windows are cut by the time of events"
    return (warn if abs(skew_s) < SKEW_FAIL_S else fail)("clock", found, cure)
