"""A worker as it ships, with dangerous points added from outside, or broken on purpose in one of four ways.

python -m tests.chaos.worker '{"kafka": ..., "prefix": ..., "stage": "reduce", ...}'
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unittest.mock import patch

from aiokafka import ConsumerRecord
from tests.chaos.faults import FaultPoints, SelfFaults

from agentgauge_processors.engine.contract import Append, Checkpoint, Record, Stage
from agentgauge_processors.engine.errors import ExitCode, StartupProblem
from agentgauge_processors.engine.kafka import transaction
from agentgauge_processors.engine.kafka.log import KafkaLog
from agentgauge_processors.engine.kafka.member import Member
from agentgauge_processors.engine.kafka.quiet import configure_logging
from agentgauge_processors.engine.kafka.worker import StageName, Worker, WorkerSettings, die
from agentgauge_processors.engine.runner import Runner
from agentgauge_processors.merge import MergeStage
from agentgauge_processors.merge.partition import MergePartition
from agentgauge_schemas.partials import Entry
from agentgauge_schemas.topics import Topic

Twin = Literal["", "committed-offset", "no-dedup", "outputs-outside", "shared-state"]


@dataclass(frozen=True)
class Orders:
    """What a worker of the suite is told."""

    kafka: str
    prefix: str
    stage: StageName
    slot: int | None
    data_dir: str
    session_s: float
    seed: int = 0
    twin: Twin = ""
    slow_s: float = 0.0
    """Merge takes so much longer for each record: a replay then spans many checkpoints."""
    before_send_s: float = 0.0
    """Between cutting a checkpoint and sending it."""
    kill: float = 0.0
    stop: float = 0.0
    stop_s: float = 8.0
    at: str = ""
    after: int = 0
    once: bool = False


class FaultyLog(KafkaLog):
    """A log with dangerous points before, inside and after every write."""

    def __init__(self, orders: Orders, points: FaultPoints) -> None:
        super().__init__(orders.kafka, orders.prefix)
        self._orders = orders
        self._points = points

    async def append(self, appends: Sequence[Append]) -> None:
        if not appends:
            return
        sending = asyncio.ensure_future(super().append(appends))
        await asyncio.sleep(0.001)
        self._points.passing("entries-sent")
        await sending
        self._points.passing("entries-acknowledged")

    async def open(self, stage: str, topic: Topic, partition: int) -> Mapping[bytes, bytes]:
        state = await super().open(stage, topic, partition)
        # The points inside a transaction are those of its producer.
        producer = self._writers[stage, partition]._producer
        producer.send_batch = self._then(producer.send_batch, "transaction-sent")
        producer.commit_transaction = self._first(producer.commit_transaction, "transaction-acknowledged")
        return state

    async def commit(self, stage: str, topic: Topic, partition: int, checkpoint: Checkpoint) -> None:
        self._points.passing("encoded")
        if self._orders.before_send_s:
            await asyncio.sleep(self._orders.before_send_s)
        await super().commit(stage, topic, partition, checkpoint)
        self._points.passing("committed")

    def _then(self, call: Callable[..., Awaitable[object]], point: str) -> Callable[..., Awaitable[object]]:
        async def wrapped(*args: object, **kwargs: object) -> object:
            result = await call(*args, **kwargs)
            self._points.passing(point)
            return result

        return wrapped

    def _first(self, call: Callable[..., Awaitable[object]], point: str) -> Callable[..., Awaitable[object]]:
        async def wrapped(*args: object, **kwargs: object) -> object:
            self._points.passing(point)
            return await call(*args, **kwargs)

        return wrapped


class OutputsOutsideLog(FaultyLog):
    """Broken: results go out before the transaction that has their state."""

    async def commit(self, stage: str, topic: Topic, partition: int, checkpoint: Checkpoint) -> None:
        outputs = [Append(partition, message) for message in checkpoint.outputs]
        await KafkaLog.append(self, outputs)
        self._points.passing("outputs-sent")
        await super().commit(stage, topic, partition, Checkpoint(checkpoint.state, []))


class SharedStateLog(FaultyLog):
    """Broken: both stages keep their state in one topic, told apart by keys."""

    async def open(self, stage: str, topic: Topic, partition: int) -> Mapping[bytes, bytes]:
        state = await super().open(stage, Topic.REDUCE_STATE, partition)
        mine = stage.encode() + b":"
        return {key.removeprefix(mine): value for key, value in state.items() if key.startswith(mine)}

    async def commit(self, stage: str, topic: Topic, partition: int, checkpoint: Checkpoint) -> None:
        mine = stage.encode() + b":"
        state = [(mine + key, value) for key, value in checkpoint.state]
        shared = Checkpoint(state, checkpoint.outputs)
        await super().commit(stage, Topic.REDUCE_STATE, partition, shared)


class SlowMember(Member):
    """A member that takes its time for each record."""

    slow_s = 0.0

    async def _take(self, fetched: ConsumerRecord) -> None:
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        await super()._take(fetched)


class CommittedOffsetMember(SlowMember):
    """Broken: starts where Kafka says that it was, and tells Kafka what it has read, not what it has kept."""

    async def _seek(self) -> None:
        pass

    def positions(self) -> dict[int, int]:
        return {partition: self.runner.stage.next(partition) for partition in self.runner.committed}

    async def _check_gap(self, record: Record, expected: int) -> None:
        pass


class EveryEntryIsNew(MergePartition):
    """Broken: an entry that reduce sends again is added again."""

    def is_new(self, entry: Entry) -> bool:
        return True


class NoDedupStage(MergeStage):
    """Broken: see its partitions."""

    partition_class = EveryEntryIsNew


class ChaosWorker(Worker):
    """The worker, with what the orders want replaced."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(
            WorkerSettings(
                kafka=orders.kafka,
                prefix=orders.prefix,
                stages=(orders.stage,),
                slot=orders.slot,
                data_dir=Path(orders.data_dir),
            )
        )
        self.session_s = orders.session_s
        self._orders = orders

    def make_log(self) -> KafkaLog:
        orders, folder = self._orders, Path(self._orders.data_dir)
        faults = SelfFaults(
            folder / "armed", orders.kill, orders.stop, orders.stop_s, orders.at, orders.after, orders.once
        )
        points = FaultPoints(faults, folder / "faults.log", f"{orders.stage}-{orders.slot}", orders.seed)
        kinds = {"outputs-outside": OutputsOutsideLog, "shared-state": SharedStateLog}
        return kinds.get(orders.twin, FaultyLog)(orders, points)

    def make_stage(self, name: StageName, events_partitions: int, merge_partitions: int) -> Stage:
        if self._orders.twin == "no-dedup" and name == "merge":
            return NoDedupStage(merge_partitions=merge_partitions)
        return super().make_stage(name, events_partitions, merge_partitions)

    def make_member(self, runner: Runner, partitions: int) -> Member:
        settings = self.settings
        kind = CommittedOffsetMember if self._orders.twin == "committed-offset" else SlowMember
        member = kind(
            runner,
            self.connection,
            settings.prefix,
            settings.data_dir,
            die,
            partitions=partitions,
            slot=settings.slot,
            session_s=self.session_s,
        )
        member.slow_s = self._orders.slow_s if self._orders.stage == "merge" else 0.0
        return member


def main() -> int:
    """Run with the orders that the first argument holds."""
    orders = Orders(**json.loads(sys.argv[1]))
    # The twin's transactions time out as aiokafka's do by default: the hole is as wide as that.
    timeout_ms = 60_000 if orders.twin == "shared-state" else transaction.TRANSACTION_MS
    configure_logging()
    with patch.object(transaction, "TRANSACTION_MS", timeout_ms):
        try:
            return asyncio.run(ChaosWorker(orders).run_until_signal())
        except StartupProblem as problem:
            print(problem, file=sys.stderr)
            return ExitCode.STARTUP


if __name__ == "__main__":
    sys.exit(main())
