"""A stage that owns all of its input."""

import asyncio

import msgspec
from tests.support.simulation import EPOCH_US, block

from agentgauge_cli.embedded.stages import StageHost
from agentgauge_processors.engine.contract import Append, Checkpoint, Message
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_processors.reduce import ReduceStage
from agentgauge_schemas import Account, Event
from agentgauge_schemas.topics import Topic


class SlowLog(SqliteLog):
    """Its commits wait until they are let go."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.committing = asyncio.Event()
        self.let_go = asyncio.Event()

    async def commit(self, stage: str, topic: Topic, partition: int, checkpoint: Checkpoint) -> None:
        self.committing.set()
        await self.let_go.wait()
        await super().commit(stage, topic, partition, checkpoint)


async def test_who_gives_up_settling_breaks_no_checkpoint() -> None:
    headers, value = block("p", 0, [Event(kind="span", time_us=EPOCH_US)])
    with SlowLog() as log:
        await log.append([Append(0, Message(Topic.EVENTS, b"p", value, tuple(headers)))])
        host = StageHost(ReduceStage(events_partitions=4, merge_partitions=4), log)
        await host.start()
        following = asyncio.create_task(host.follow())
        settling = asyncio.create_task(host.settle())
        await asyncio.wait_for(log.committing.wait(), 10)
        settling.cancel()
        await asyncio.wait({settling})
        following.cancel()
        await asyncio.wait({following})
        log.let_go.set()
        await host.stop()
        (account,) = await log.read(Topic.PRODUCERS, 0, 0)
        assert msgspec.json.decode(account.value or b"", type=Account).accepted == 1
