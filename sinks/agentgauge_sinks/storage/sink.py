"""The storage sink: rows and position in one database transaction, or neither."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from agentgauge_processors.engine.contract import Batch, Log, Position, Record
from agentgauge_schemas.topics import Topic
from agentgauge_sinks.contract import Positions
from agentgauge_sinks.storage import positions
from agentgauge_sinks.storage.database import Bulk, insert_into, open_engine
from agentgauge_sinks.storage.deliveries import Deliveries, upsert_deliveries
from agentgauge_sinks.storage.prices import Prices
from agentgauge_sinks.storage.results import Results
from agentgauge_sinks.storage.rows import rows_of
from agentgauge_sinks.storage.runs import runs_of, upsert_runs
from agentgauge_sinks.storage.schema import migrate
from agentgauge_sinks.storage.tables import events

STORED: Final = (Topic.EVENTS, Topic.WINDOWS, Topic.SERIES, Topic.PRODUCERS, Topic.DLQ)

logger = logging.getLogger(__name__)


class StorageSink:
    """Writes the topics to SQLite or PostgreSQL, from a worker thread."""

    name = "storage"
    topics: Sequence[Topic] = (*STORED, Topic.RULES)

    def __init__(self, url: str) -> None:
        """`url` as SQLAlchemy spells it. Raises StartupProblem when it cannot be one of ours."""
        self._engine = open_engine(url)
        self._prices = Prices()
        self._next: dict[tuple[Topic, int], int] = {}
        self._events = Bulk(self._engine, insert_into(self._engine, events).on_conflict_do_nothing())
        self._runs = upsert_runs(self._engine)
        self._deliveries = upsert_deliveries(self._engine)
        self._results = Results(self._engine)

    async def start(self, log: Log) -> Positions:
        """Create or migrate the tables, and find out where to go on."""
        await asyncio.to_thread(migrate, self._engine)
        self._prices = Prices()
        await self._prices.catch_up(log)
        partitions = [(topic, number) for topic in STORED for number in range(await log.partitions(topic))]
        found = await asyncio.to_thread(self._load, partitions)
        new = [where for where in partitions if await positions.replaced(log, *where, found[where])]
        await asyncio.to_thread(self._restart, new)
        self._next = {where: 0 if where in new else found[where].next for where in partitions}
        return {**self._next, (Topic.RULES, 0): self._prices.next}

    async def apply(self, batches: Sequence[Batch]) -> None:
        """Store all of it in one transaction."""
        for batch in batches:
            if batch.topic is Topic.RULES:
                self._prices.take(batch.records)
        stored = [batch for batch in batches if batch.topic in STORED]
        await asyncio.to_thread(self._write, stored)
        for batch in stored:
            self._next[batch.topic, batch.partition] = batch.next

    async def flush(self) -> None:
        """Nothing is ever put off."""

    async def stop(self) -> None:
        """Close the database."""
        await asyncio.to_thread(self._engine.dispose)

    def _load(self, partitions: Sequence[tuple[Topic, int]]) -> dict[tuple[Topic, int], Position]:
        with self._engine.begin() as connection:
            return {where: positions.load(connection, *where) for where in partitions}

    def _restart(self, partitions: Sequence[tuple[Topic, int]]) -> None:
        with self._engine.begin() as connection:
            for where in partitions:
                positions.restart(connection, *where)

    def _write(self, batches: Sequence[Batch]) -> None:
        with self._engine.begin() as connection:
            # First of all: from here on no other process can write the same.
            for batch in batches:
                positions.advance(connection, batch, self._next[batch.topic, batch.partition])
            for batch in batches:
                self._write_batch(connection, batch)

    def _write_batch(self, connection: Connection, batch: Batch) -> None:
        match batch.topic:
            case Topic.EVENTS:
                self._write_events(connection, batch.partition, batch.records)
            case Topic.WINDOWS:
                self._results.write_windows(connection, batch.records)
            case Topic.SERIES:
                self._results.write_series(connection, batch.records)
            case Topic.PRODUCERS:
                self._results.write_producers(connection, batch.records)
            case Topic.DLQ:
                self._results.write_dead_letters(connection, batch.records)

    def _write_events(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        deliveries = Deliveries(connection, partition)
        rows = [row for record in records for row in rows_of(record, deliveries, self._prices.book)]
        self._events.execute(connection, rows)
        self._runs.execute(connection, runs_of(rows))
        self._deliveries.execute(connection, deliveries.rows())
