"""The log in one SQLite file, or in memory: the carrier of embedded mode and of quick tests.

Every topic is rows of one table. A compacted topic keeps the newest record of a key from the moment
it is written; the others keep theirs until `prune` finds them too old or `trim` is told that every
reader has passed them. A checkpoint is one SQLite transaction. The file is in WAL mode with
synchronous=NORMAL: it survives the death of the process (kill -9), and a power cut may cost the last
moments but never consistency.

All calls run in the caller's event loop: the median is tens of microseconds, and a worker thread
would cost more than it hides (`docs/embedded.md` has the figures).
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from agentgauge_processors.engine.contract import (
    Append,
    Batch,
    Checkpoint,
    Fenced,
    Headers,
    LogError,
    Message,
    OffsetExpired,
    Record,
    Unavailable,
)
from agentgauge_schemas.topics import DEFINITIONS, Topic

DEFAULT_PARTITIONS: Final = 4
"""Of `.events` and of `.partials`: what the embedded broker gives a topic."""
TOMBSTONE_KEPT_US: Final = 86_400_000_000
"""How long a reader has to notice that a key was deleted."""

_FORMAT: Final = 1
_POLL_BYTES: Final = 1 << 20
"""What one poll takes of one partition, at most, so that none keeps the others waiting."""

_TABLES: Final = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    first INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, partition)
) STRICT;
CREATE TABLE record (
    log INTEGER NOT NULL REFERENCES log,
    offset INTEGER NOT NULL,
    timestamp_us INTEGER NOT NULL,
    compacted INTEGER NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB,
    UNIQUE (log, offset)
) STRICT;
-- With INSERT OR REPLACE, this index is the whole of compaction.
CREATE UNIQUE INDEX newest ON record (log, key) WHERE compacted;
CREATE TABLE owner (
    stage TEXT NOT NULL, partition INTEGER NOT NULL, token INTEGER NOT NULL, PRIMARY KEY (stage, partition)
) STRICT;
"""

_encode_headers = msgspec.msgpack.Encoder().encode
_decode_headers = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...]).decode


_COMPACTED: Final = frozenset(d.topic for d in DEFINITIONS if d.config["cleanup.policy"] == "compact")


class SettingsDiffer(LogError):
    """The file was made with other partition counts: it cannot be used with these."""


def wall_clock_us() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1_000


class SqliteLog:
    """`contract.Log` on SQLite. Use it as a context manager, or `disconnect` it.

    Two objects on one file behave as two processes do on Kafka: the last to `open` a partition owns
    it. Appends of the other one are seen by its tails only at the end of their poll.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        events_partitions: int = DEFAULT_PARTITIONS,
        merge_partitions: int = DEFAULT_PARTITIONS,
        now_us: Callable[[], int] = wall_clock_us,
        busy_timeout_s: float = 5.0,
    ) -> None:
        """Open or create the file; ":memory:" keeps all of it in memory. A write waits up to
        `busy_timeout_s` for another process's.

        Raises SettingsDiffer, and LogError when the file cannot be opened or is none of ours.
        """
        self._path = path
        self._now_us = now_us
        self._tokens: dict[tuple[str, int], int] = {}
        self._wakers: set[asyncio.Event] = set()
        self._logs: dict[tuple[Topic, int], int] = {}
        self._partitions = _partition_counts(events_partitions, merge_partitions)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=busy_timeout_s)
        except sqlite3.Error as error:
            raise LogError(f"{path} cannot be opened: {error}") from None
        try:
            self._create({"events_partitions": events_partitions, "merge_partitions": merge_partitions})
        except sqlite3.Error as error:
            self._db.close()
            raise LogError(f"{path} cannot be used as a log: {error}") from None
        except LogError:
            self._db.close()
            raise

    def disconnect(self) -> None:
        """Close the file; idempotent."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    def _create(self, settings: Mapping[str, int]) -> None:
        db = self._db
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA journal_size_limit = 67108864")
        with self._transaction():
            found = db.execute("PRAGMA user_version").fetchone()[0]
            if found == 0:
                for statement in _TABLES.split(";\n"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_FORMAT}")
                db.executemany("INSERT INTO setting VALUES (?, ?)", settings.items())
                names = [(topic, number) for topic, n in self._partitions.items() for number in range(n)]
                db.executemany("INSERT INTO log (topic, partition) VALUES (?, ?)", names)
            elif found != _FORMAT:
                raise LogError(f"{self._path} has format {found}, this version reads {_FORMAT}")
        stored = dict(db.execute("SELECT name, value FROM setting"))
        for name, value in settings.items():
            if stored.get(name) != value:
                raise SettingsDiffer(
                    f"{self._path} was made with {name}={stored.get(name)}, which cannot become {value}"
                )
        for log, topic, partition in db.execute("SELECT id, topic, partition FROM log"):
            self._logs[Topic(topic), partition] = log

    async def partitions(self, topic: Topic) -> int:
        """How many partitions a topic has."""
        return self._partitions[topic]

    async def end_offset(self, topic: Topic, partition: int) -> int:
        """The offset that the next record will get."""
        return self._bounds(topic, partition)[1]

    async def read(
        self, topic: Topic, partition: int, offset: int, *, max_bytes: int = 1 << 22
    ) -> list[Record]:
        """Records from `offset` on. Raises OffsetExpired below the log's beginning."""
        first, _ = self._bounds(topic, partition)
        if offset < first:
            raise OffsetExpired(first)
        return self._read(topic, partition, offset, max_bytes)[0]

    def tail(self, positions: Mapping[tuple[Topic, int], int]) -> "SqliteTail":
        """Follow partitions from these positions."""
        return SqliteTail(self._batch, positions, self._wakers)

    async def append(self, appends: Sequence[Append]) -> None:
        """Write messages: all of them or none."""
        by_log: dict[tuple[Topic, int], list[Message]] = {}
        for partition, message in appends:
            by_log.setdefault((message.topic, partition), []).append(message)
        with self._transaction():
            for (topic, partition), messages in by_log.items():
                self._insert(topic, partition, messages)
        self._wake()

    async def open(self, stage: str, topic: Topic, partition: int) -> Mapping[bytes, bytes]:
        """Become the only owner of a stage's state partition, and return that state."""
        with self._transaction():
            ((token,),) = self._db.execute(
                "INSERT INTO owner VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET token = token + 1"
                " RETURNING token",
                (stage, partition),
            ).fetchall()
            state = self._db.execute(
                "SELECT key, value FROM record WHERE log = ? AND value IS NOT NULL",
                (self._logs[topic, partition],),
            ).fetchall()
        self._tokens[stage, partition] = token
        return dict(state)

    async def commit(self, stage: str, topic: Topic, partition: int, checkpoint: Checkpoint) -> None:
        """Make a checkpoint durable in one transaction. Raises Fenced."""
        by_topic: dict[Topic, list[Message]] = {}
        if checkpoint.state:
            by_topic[topic] = [Message(topic, key, value) for key, value in checkpoint.state]
        for message in checkpoint.outputs:
            by_topic.setdefault(message.topic, []).append(message)
        with self._transaction():
            found = self._db.execute(
                "SELECT token FROM owner WHERE stage = ? AND partition = ?", (stage, partition)
            ).fetchone()
            if found is None or found[0] != self._tokens.get((stage, partition)):
                raise Fenced(f"{stage} no longer owns partition {partition}")
            for name, messages in by_topic.items():
                self._insert(name, partition, messages)
        self._wake()

    async def close(self, stage: str, partition: int) -> None:
        """Give a state partition back: a later `commit` raises Fenced."""
        self._tokens.pop((stage, partition), None)

    async def trim(self, topic: Topic, partition: int, position: int) -> None:
        """Every reader of a topic that is not compacted stands at `position` or beyond: delete what
        they need no more. The record just below stays, for it is the fingerprint of that position.
        """
        with self._transaction():
            self._delete(topic, partition, min(position, self._bounds(topic, partition)[1]) - 1)

    async def prune(self) -> None:
        """Delete what is older than its topic keeps it, and tombstones of more than a day. The
        newest record of a partition always stays.
        """
        now_us = self._now_us()
        for definition in DEFINITIONS:
            topic = definition.topic
            for partition in range(self._partitions[topic]):
                if topic in _COMPACTED:
                    self._drop_tombstones(topic, partition, now_us - TOMBSTONE_KEPT_US)
                else:
                    kept_us = int(definition.config["retention.ms"]) * 1_000
                    self._drop_older(topic, partition, now_us - kept_us)

    def _drop_tombstones(self, topic: Topic, partition: int, before_us: int) -> None:
        with self._transaction():
            newest = self._bounds(topic, partition)[1] - 1
            self._db.execute(
                "DELETE FROM record WHERE log = ? AND value IS NULL AND timestamp_us < ? AND offset < ?",
                (self._logs[topic, partition], before_us, newest),
            )

    def _drop_older(self, topic: Topic, partition: int, before_us: int) -> None:
        with self._transaction():
            kept = self._db.execute(
                "SELECT offset FROM record WHERE log = ? AND timestamp_us >= ? ORDER BY offset LIMIT 1",
                (self._logs[topic, partition], before_us),
            ).fetchone()
            self._delete(topic, partition, kept[0] if kept else self._bounds(topic, partition)[1] - 1)

    def _delete(self, topic: Topic, partition: int, below: int) -> None:
        log = self._logs[topic, partition]
        self._db.execute("DELETE FROM record WHERE log = ? AND offset < ?", (log, below))
        self._db.execute("UPDATE log SET first = max(first, ?) WHERE id = ?", (below, log))

    def _insert(self, topic: Topic, partition: int, messages: Iterable[Message]) -> None:
        log, compacted = self._logs[topic, partition], topic in _COMPACTED
        _, offset = self._bounds(topic, partition)
        now_us = self._now_us()
        rows = [
            (log, offset + i, now_us, compacted, m.key, m.value, _encode_headers(m.headers) if m.headers else None)
            for i, m in enumerate(messages)
        ]  # fmt: skip
        self._db.executemany("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._db.execute("UPDATE log SET next = ? WHERE id = ?", (offset + len(rows), log))

    def _bounds(self, topic: Topic, partition: int) -> tuple[int, int]:
        (bounds,) = self._db.execute(
            "SELECT first, next FROM log WHERE id = ?", (self._logs[topic, partition],)
        ).fetchall()
        return bounds[0], bounds[1]

    def _batch(self, topic: Topic, partition: int, position: int) -> Batch | None:
        """What a tail at this position gets next; None when it has everything."""
        first, end = self._bounds(topic, partition)
        if position >= end:
            return None
        records, more = self._read(topic, partition, max(position, first), _POLL_BYTES)
        return Batch(topic, partition, records, records[-1].offset + 1 if more else end)

    def _read(self, topic: Topic, partition: int, offset: int, max_bytes: int) -> tuple[list[Record], bool]:
        """Records, and whether it stopped because they were enough."""
        cursor = self._db.execute(
            "SELECT offset, timestamp_us, key, value, headers FROM record"
            " WHERE log = ? AND offset >= ? ORDER BY offset",
            (self._logs[topic, partition], offset),
        )
        records: list[Record] = []
        for found, timestamp_us, key, value, packed in cursor:
            headers: Headers = _decode_headers(packed) if packed else ()
            records.append(Record(partition, found, timestamp_us, key, value, headers))
            max_bytes -= len(value or b"") + len(key or b"")
            if max_bytes <= 0:
                cursor.close()
                return records, True
        return records, False

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.OperationalError as error:
            raise Unavailable(f"{self._path}: {error}") from error

    def _wake(self) -> None:
        for waker in self._wakers:
            waker.set()


class SqliteTail:
    """`contract.Tail`: wakes as soon as its log is written to."""

    def __init__(
        self,
        batch: Callable[[Topic, int, int], Batch | None],
        positions: Mapping[tuple[Topic, int], int],
        wakers: set[asyncio.Event],
    ) -> None:
        self._batch = batch
        self._positions = dict(positions)
        self._wakers = wakers
        self._waker = asyncio.Event()
        wakers.add(self._waker)

    async def poll(self, timeout_s: float) -> list[Batch]:
        """What came since the last poll; [] when nothing came in time."""
        # A reader that is far behind never waits below: let the others run.
        await asyncio.sleep(0)
        batches = self._take()
        try:
            async with asyncio.timeout(timeout_s):
                while not batches:
                    await self._waker.wait()
                    batches = self._take()
        except TimeoutError:
            batches = self._take()
        return batches

    async def close(self) -> None:
        """Stop listening; idempotent."""
        self._wakers.discard(self._waker)

    def _take(self) -> list[Batch]:
        self._waker.clear()
        batches = []
        for (topic, partition), position in self._positions.items():
            batch = self._batch(topic, partition, position)
            if batch is not None:
                self._positions[topic, partition] = batch.next
                batches.append(batch)
        return batches


def _partition_counts(events: int, merge: int) -> dict[Topic, int]:
    counts = {Topic.EVENTS: events, Topic.PARTIALS: merge}
    for definition in DEFINITIONS:
        like = definition.partitions_like
        counts[definition.topic] = counts[like] if isinstance(like, Topic) else like
    return counts
