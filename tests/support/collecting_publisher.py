"""The far end of an import: books events by their identity, as the pipeline's accounts do."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from agentgauge_schemas.block import Resource
from agentgauge_schemas.event import Event


class Published(NamedTuple):
    producer: str
    seq: int
    event: Event
    resource: Resource
    backfill: bool


class CollectingPublisher:
    """Keeps the first event of each (producer, sequence), and every publication of it."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, int], Published] = {}
        self.sent: list[tuple[str, int, bytes]] = []
        self.blocks: list[tuple[str, int, int, bool]] = []

    def publish(
        self,
        producer: str,
        seq: int,
        events: Sequence[bytes],
        *,
        resource: Resource,
        backfill: bool = False,
        repeatable: bool = False,
        final: bool = False,
    ) -> None:
        assert repeatable, "an import must be repeatable"
        assert not final
        self.blocks.append((producer, seq, len(events), backfill))
        for index, data in enumerate(events, seq):
            event = msgspec.json.decode(data, type=Event)
            self.sent.append((producer, index, data))
            self.events.setdefault((producer, index), Published(producer, index, event, resource, backfill))

    def of(self, operation: str) -> list[Event]:
        return [found.event for _, found in sorted(self.events.items()) if found.event.operation == operation]
