"""The price table in force, followed on `.rules`, so that events cost here what reduce counts."""

from collections.abc import Iterable

from agentgauge_processors.engine.contract import Log, OffsetExpired, Record
from agentgauge_processors.pricing import PriceBook
from agentgauge_schemas.topics import Topic


class Prices:
    """A price book and how far `.rules` is in it."""

    def __init__(self) -> None:
        self.book = PriceBook()
        self.next = 0

    async def catch_up(self, log: Log) -> None:
        """Read `.rules` to its end. May block on the log."""
        while True:
            try:
                records = await log.read(Topic.RULES, 0, self.next)
            except OffsetExpired as expired:
                self.next = expired.first
                continue
            if not records:
                return
            self.take(records)

    def take(self, records: Iterable[Record]) -> None:
        """Put price tables in force, each once; what is no price table is others' business."""
        for record in records:
            if record.offset < self.next:
                continue
            self.next = record.offset + 1
            self.book.take(record.key, record.value, record.timestamp_us)
