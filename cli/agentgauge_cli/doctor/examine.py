"""All checks, in the order in which one thing stands on the other."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

from aiokafka.errors import KafkaError

from agentgauge_cli import probe
from agentgauge_cli.doctor import machine, pipeline
from agentgauge_cli.doctor.check import Check, fail, ok
from agentgauge_cli.embedded.bridge import bridge_group
from agentgauge_cli.embedded.broker import PARTITIONS
from agentgauge_cli.embedded.datadir import STATE_FILE
from agentgauge_cli.rendering import plural
from agentgauge_processors.engine.contract import Log, LogError
from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_processors.engine.kafka import KafkaLog
from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.topics import Topic


async def examine(kafka: str, prefix: str, data_dir: Path, storage_url: str) -> list[Check]:
    """Look at everything; blocks on the broker and the storage, for about a minute at worst."""
    checks = []
    try:
        answer = await asyncio.to_thread(probe.ask, kafka)
    except probe.NoKafka as error:
        cure = "start a broker or 'agentgauge up', or name another address with --kafka"
        checks.append(fail("broker", f"no Kafka broker answers at {error}", cure))
        checks.append(await machine.storage(storage_url, None))
    else:
        checks.append(broker(kafka, answer))
        on_broker = _embedded if answer.embedded else _on_kafka
        try:
            checks += await on_broker(kafka, prefix, data_dir, storage_url)
        except (KafkaError, LogError, StartupProblem) as error:
            checks.append(fail("pipeline", str(error), "see the broker's own log, then try again"))
    checks.append(machine.data_directory(data_dir))
    return checks


def broker(kafka: str, answer: probe.Answer) -> Check:
    """Is it one that can be used?"""
    if answer.lacking:
        return fail("broker", f"{kafka} is too old: no {', '.join(answer.lacking)}", "use Kafka 2.5 or later")
    kind = "the embedded broker of 'agentgauge up'" if answer.embedded else f"{len(answer.versions)} APIs"
    return ok("broker", f"{kafka} answers in {answer.seconds * 1_000:.0f} ms ({kind})")


async def _on_kafka(kafka: str, prefix: str, data_dir: Path, storage_url: str) -> list[Check]:
    checks = await pipeline.topics(kafka, prefix)
    if any(check.state == "fail" for check in checks):
        return [*checks, await machine.storage(storage_url, None)]
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(Connection(kafka).admin())
        log = await stack.enter_async_context(KafkaLog(kafka, prefix))
        now_us = time.time_ns() // 1_000
        for name in pipeline.INPUTS:
            checks.append(await pipeline.stage(admin, log, prefix, name, now_us))
        checks.append(await machine.storage(storage_url, log))
    checks.append(await pipeline.clock(kafka, prefix))
    return checks


async def _embedded(kafka: str, prefix: str, data_dir: Path, storage_url: str) -> list[Check]:
    """Topics, workers and clock are one process's own affair; what can be seen is whether it keeps up."""
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(Connection(kafka).admin())
        log = await stack.enter_async_context(KafkaLog(kafka, prefix))
        lag = await pipeline.group_lag(admin, log, bridge_group(prefix), Topic.EVENTS, prefix)
        checks = [ok("pipeline", f"{plural(sum(lag.values()), 'record')} wait to be taken over")]
        state: Log | None = None
        if (data_dir / STATE_FILE).exists():
            state = stack.enter_context(
                SqliteLog(data_dir / STATE_FILE, events_partitions=PARTITIONS, merge_partitions=PARTITIONS)
            )
        checks.append(await machine.storage(storage_url, state))
    return checks
