"""The real stages on any log, driven by hand: what a test publishes is counted at once."""

from collections.abc import Callable, Sequence

import msgspec

from agentgauge_processors.engine.contract import Append, Log, Message, Stage, Tick
from agentgauge_processors.merge import MergeStage
from agentgauge_processors.reduce import ReduceStage
from agentgauge_schemas.block import BlockHeaders, Resource, encode_block
from agentgauge_schemas.event import Event
from agentgauge_schemas.topics import Topic

T0 = 1_760_000_000_000_000
"""A whole second of 2025, far from any window's border that matters here."""


class FakeClock:
    """Microseconds that stand still until a test moves them."""

    def __init__(self, now_us: int = T0) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_us += int(seconds * 1_000_000)


class Pipeline:
    """Reduce and merge of all partitions of a log."""

    def __init__(self, log: Log, clock: Callable[[], int], partitions: int = 2) -> None:
        self.log = log
        self._clock = clock
        self._partitions = range(partitions)
        self._stages: list[Stage] = [
            ReduceStage(events_partitions=partitions, merge_partitions=partitions),
            MergeStage(merge_partitions=partitions),
        ]
        self._open = False

    async def publish(
        self,
        producer: str,
        seq: int,
        events: Sequence[Event | bytes],
        *,
        partition: int = 0,
        resource: Resource | None = None,
        dropped: dict[str, int] | None = None,
        queue_depth: int = 0,
        final: bool = False,
        backfill: bool = False,
        repeatable: bool = False,
    ) -> None:
        """Append one block, as the SDK does; events may be given as raw JSON."""
        value = encode_block(
            resource or Resource(service="tests"),
            [event if isinstance(event, bytes) else msgspec.json.encode(event) for event in events],
            dropped=dropped,
            queue_depth=queue_depth,
            final=final,
            repeatable=repeatable,
        )
        headers = BlockHeaders(producer, partition, seq, len(events), backfill=backfill).encode()
        await self.append(value, tuple(headers), partition=partition)

    async def append(
        self, value: bytes | None, headers: tuple[tuple[str, bytes], ...] = (), *, partition: int = 0
    ) -> None:
        """Append any record to `.events`."""
        await self.log.append([Append(partition, Message(Topic.EVENTS, b"key", value, headers))])

    async def settle(self) -> None:
        """Count all that was published, and publish all results."""
        for stage in self._stages:
            for partition in self._partitions:
                if not self._open:
                    stage.load(partition, await self.log.open(stage.name, stage.state, partition))
                while records := await self.log.read(stage.input, partition, stage.next(partition)):
                    for record in records:
                        stage.apply(record)
            ends = {each: await self.log.end_offset(stage.input, each) for each in self._partitions}
            tick = Tick(self._clock(), ends)
            await self.log.append(stage.drain(tick))
            for partition in self._partitions:
                checkpoint = stage.cut(partition, tick, last=True)
                if checkpoint is not None:
                    await self.log.commit(stage.name, stage.state, partition, checkpoint)
        self._open = True


def llm_call(time_us: int = T0, **fields: object) -> Event:
    """A call of a model whose price is known: 1,000 tokens in, 100 out."""
    defaults: dict[str, object] = {
        "kind": "span",
        "time_us": time_us,
        "operation": "chat",
        "provider": "anthropic",
        "model": "claude-haiku-4-5-20251001",
        "agent": "planner",
        "duration_us": 1_500_000,
        "input_tokens": 1_000,
        "output_tokens": 100,
    }
    return msgspec.convert({**defaults, **fields}, Event)


def tool_call(time_us: int = T0, **fields: object) -> Event:
    """A call of a tool."""
    defaults: dict[str, object] = {
        "kind": "span",
        "time_us": time_us,
        "operation": "execute_tool",
        "tool": "Bash",
        "agent": "planner",
        "duration_us": 200_000,
    }
    return msgspec.convert({**defaults, **fields}, Event)
