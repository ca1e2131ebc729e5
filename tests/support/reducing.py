"""One source partition of the reduce stage, driven step by step: blocks in, what it says out."""

from collections.abc import Mapping, Sequence

import msgspec
from tests.support.simulation import EPOCH_US, block

from agentgauge_processors.engine.contract import Checkpoint, Message, Record, Tick
from agentgauge_processors.reduce import ReduceStage
from agentgauge_schemas import Account, DeadLetter, Event, Resource, Topic
from agentgauge_schemas.account import ServiceTotals
from agentgauge_schemas.partials import Entry, Partials, Progress, decode_partials

SECOND = 1_000_000
Headers = Sequence[tuple[str, bytes]]


class Reducing:
    """Partition 0 of one. `now_us` is the broker's clock and the worker's."""

    def __init__(self, *, merge_partitions: int = 1, state: Mapping[bytes, bytes] | None = None) -> None:
        self.now_us = EPOCH_US
        self.log: list[Record] = []
        self.state: dict[bytes, bytes] = dict(state or {})
        self.outputs: list[Message] = []
        self._merge_partitions = merge_partitions
        self.stage = self._new()

    def pass_time(self, seconds: float) -> None:
        self.now_us += int(seconds * SECOND)

    def send(
        self,
        producer: str,
        seq: int,
        events: Sequence[Event] = (),
        *,
        resource: Resource | None = None,
        flush_ms: int = 1_000,
        backfill: bool = False,
        **own: int | bool | dict[str, int],
    ) -> None:
        """A block arrives and is applied."""
        self.receive(
            *block(producer, seq, events, resource=resource, flush_ms=flush_ms, backfill=backfill, **own)
        )

    def receive(self, headers: Headers, value: bytes | None) -> None:
        """Any record arrives and is applied."""
        self.log.append(Record(0, len(self.log), self.now_us, None, value, tuple(headers)))
        self.stage.apply(self.log[-1])

    def tick(self, end: int | None = None) -> Tick:
        """This instant; the log ends where it does unless told otherwise."""
        return Tick(self.now_us, {0: len(self.log) if end is None else end})

    def partials(self, tick: Tick | None = None) -> list[tuple[int, Partials]]:
        """What is appended now: (merge partition, record)."""
        appends = self.stage.drain(tick or self.tick())
        return [(append.partition, decode_partials(append.message.value or b"")) for append in appends]

    def entries(self) -> list[Entry]:
        """The entries that are appended now, over all merge partitions."""
        return [entry for _, partials in self.partials() for entry in partials.entries]

    def progress(self, tick: Tick | None = None) -> Progress:
        """What is said now; a second has to pass before it is said again."""
        self.pass_time(1)
        moved = Tick(self.now_us, (tick or self.tick()).ends)
        return self.partials(moved)[-1][1].progress[0]

    def cut(self, *, last: bool = False) -> Checkpoint | None:
        """The checkpoint of this instant, committed."""
        checkpoint = self.stage.cut(0, self.tick(), last=last)
        for key, value in checkpoint.state if checkpoint else ():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
        self.outputs += checkpoint.outputs if checkpoint else ()
        return checkpoint

    def crash(self) -> None:
        """kill -9: another worker begins from the last checkpoint and reads on."""
        self.stage = self._new()
        for record in self.log[self.stage.next(0) :]:
            self.stage.apply(record)

    def account(self, producer: str) -> Account:
        """The newest account that readers have of a producer."""
        found = [message for message in self.outputs if message.key == producer.encode() and message.value]
        return msgspec.json.decode(found[-1].value or b"", type=Account)

    def services(self) -> list[ServiceTotals]:
        """Every version of the totals of services that readers got."""
        return [
            msgspec.json.decode(message.value or b"", type=ServiceTotals)
            for message in self.outputs
            if (message.key or b"").startswith(b"service:")
        ]

    def letters(self) -> list[DeadLetter]:
        """All dead letters."""
        return [
            DeadLetter.parse(message.value or b"", message.headers)
            for message in self.outputs
            if message.topic is Topic.DLQ
        ]

    def _new(self) -> ReduceStage:
        stage = ReduceStage(events_partitions=1, merge_partitions=self._merge_partitions)
        stage.load(0, dict(self.state))
        return stage
