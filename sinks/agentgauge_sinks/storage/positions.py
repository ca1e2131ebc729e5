"""Positions: where the storage goes on, and whether the log is still the one they were taken from."""

import logging

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from agentgauge_processors.engine.contract import (
    Batch,
    Fingerprint,
    Log,
    OffsetExpired,
    Position,
    fingerprint,
)
from agentgauge_schemas.topics import DEFINITIONS, Topic
from agentgauge_sinks.contract import Displaced
from agentgauge_sinks.storage.tables import offsets, producers, series, windows

_COMPACTED = frozenset(each.topic for each in DEFINITIONS if each.config["cleanup.policy"] == "compact")

logger = logging.getLogger(__name__)


def load(connection: Connection, topic: Topic, partition: int) -> Position:
    """Where to go on; a partition that is new here begins at 0, and is recorded so."""
    found = connection.execute(select(offsets).where(*_is(topic, partition))).one_or_none()
    if found is None:
        connection.execute(insert(offsets).values(topic=topic.value, partition=partition, next=0, expired=0))
        return Position(0, None)
    if found.fingerprint_offset is None:
        return Position(found.next, None)
    stands_on = Fingerprint(found.fingerprint_offset, found.fingerprint_time_us, found.fingerprint_crc)
    return Position(found.next, stands_on)


async def replaced(log: Log, topic: Topic, partition: int, position: Position) -> bool:
    """Whether this is not the log that the position was taken from: it must be read from 0.

    In a compacted topic the record that the position stands on may be gone by right: then only a
    log that ends too early gives itself away.
    """
    if position.next > await log.end_offset(topic, partition):
        return True
    last = position.fingerprint
    if last is None:
        return False
    try:
        records = await log.read(topic, partition, last.offset, max_bytes=1)
    except OffsetExpired:
        return False
    if topic in _COMPACTED and (not records or records[0].offset != last.offset):
        return False
    return not records or fingerprint(records[0]) != last


def restart(connection: Connection, topic: Topic, partition: int) -> None:
    """Begin at 0 of a new log. What it says anew replaces what the old one said: totals and accounts
    are its own to tell; windows, events and runs stay, for storage keeps them longer than a log.
    """
    logger.warning("%s/%d is not the log it was: reading it from its beginning", topic, partition)
    connection.execute(
        update(offsets)
        .where(*_is(topic, partition))
        .values(next=0, fingerprint_offset=None, fingerprint_time_us=None, fingerprint_crc=None)
    )
    if topic is Topic.SERIES:
        connection.execute(delete(series).where(series.c.partition == partition))
    elif topic is Topic.PRODUCERS:
        connection.execute(delete(producers).where(producers.c.partition == partition))
    elif topic is Topic.WINDOWS:
        connection.execute(update(windows).where(windows.c.partition == partition).values(version=-1))


def advance(connection: Connection, batch: Batch, before: int) -> None:
    """Move a partition's position behind a batch. Raises Displaced when it is not at `before` any
    more: then another process writes to this storage, and this transaction must be rolled back.
    """
    values: dict[str, object] = {"next": batch.next}
    if batch.records:
        last = fingerprint(batch.records[-1])
        values |= {
            "fingerprint_offset": last.offset,
            "fingerprint_time_us": last.timestamp_us,
            "fingerprint_crc": last.crc,
        }
    skipped = _expired(batch, before)
    if skipped:
        logger.error(
            "%s/%d: %d records expired before they were stored", batch.topic, batch.partition, skipped
        )
        values["expired"] = offsets.c.expired + skipped
    where = (*_is(batch.topic, batch.partition), offsets.c.next == before)
    if connection.execute(update(offsets).where(*where).values(values)).rowcount != 1:
        raise Displaced(f"another process stores {batch.topic}/{batch.partition}: this one ends")


def _expired(batch: Batch, before: int) -> int:
    """Blocks that retention took unread. Only `.events` has no gaps of its own."""
    if batch.topic is not Topic.EVENTS or not batch.records:
        return 0
    return batch.records[0].offset - before


def _is(topic: Topic, partition: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (offsets.c.topic == topic.value, offsets.c.partition == partition)
