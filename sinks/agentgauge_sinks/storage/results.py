"""From records of `.windows`, `.series`, `.producers` and `.dlq` to rows: the newest of each key."""

import logging
from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import Connection, Engine, Table, delete

from agentgauge_processors.engine.contract import Record
from agentgauge_schemas.account import Account, ServiceTotals
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.dlq import DeadLetter
from agentgauge_schemas.results import Series, Window
from agentgauge_sinks.storage.database import MAX_INT, Bulk, Row, insert_into
from agentgauge_sinks.storage.rows import text
from agentgauge_sinks.storage.tables import TOKENS, dead_letters, producers, series, windows

SERVICE_PREFIX = b"service:"

logger = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode
_decode_window = msgspec.json.Decoder(Window).decode
_decode_series = msgspec.json.Decoder(Series).decode
_decode_account = msgspec.json.Decoder(Account).decode
_decode_service = msgspec.json.Decoder(ServiceTotals).decode


class Results:
    """Writes the pipeline's results: a record's key is a row, a lower version never replaces it."""

    def __init__(self, engine: Engine) -> None:
        self._windows = _upsert_newer(engine, windows)
        self._series = _upsert_newer(engine, series)
        self._producers = _upsert_newer(engine, producers)
        self._letters = Bulk(engine, insert_into(engine, dead_letters).on_conflict_do_nothing())

    def write_windows(self, connection: Connection, records: Iterable[Record]) -> None:
        """Records of `.windows`."""
        self._windows.execute(connection, _newest(records, _window_row))

    def write_series(self, connection: Connection, records: Iterable[Record]) -> None:
        """Records of `.series`."""
        self._series.execute(connection, _newest(records, _series_row))

    def write_producers(self, connection: Connection, records: Iterable[Record]) -> None:
        """Records of `.producers`: accounts, and totals of services with the accounts folded into them."""
        rows: dict[str, Row | None] = {}
        for record in records:
            if record.value is None:
                rows[_key(record)] = None
                continue
            try:
                rows[_key(record)], folded = _producer_row(record, record.value)
            except msgspec.DecodeError as error:
                _skip(record, error)
                continue
            rows.update(dict.fromkeys(folded))
        gone = [key for key, row in rows.items() if row is None]
        if gone:
            connection.execute(delete(producers).where(producers.c.key.in_(gone)))
        self._producers.execute(connection, [row for row in rows.values() if row is not None])

    def write_dead_letters(self, connection: Connection, records: Iterable[Record]) -> None:
        """Records of `.dlq`, without the values: those stay in the topic."""
        rows: list[Row] = []
        for record in records:
            try:
                letter = DeadLetter.parse(b"", record.headers)
            except (msgspec.ValidationError, KeyError, UnicodeDecodeError) as error:
                _skip(record, error)
                continue
            rows.append(
                (
                    record.partition,
                    record.offset,
                    letter.time_us,
                    letter.kind,
                    letter.reason,
                    letter.error.replace("\0", "\ufffd"),
                    text(letter.producer),
                    letter.seq,
                    letter.count,
                )
            )
        self._letters.execute(connection, rows)


def _upsert_newer(engine: Engine, table: Table) -> Bulk:
    insert = insert_into(engine, table)
    changed = {column.name: insert.excluded[column.name] for column in table.columns if column.name != "key"}
    # Of the same version, the later record in the log is the newer one: its windows have closed since.
    newer = insert.excluded.version >= table.c.version
    return Bulk(engine, insert.on_conflict_do_update(index_elements=["key"], set_=changed, where=newer))


def _newest(records: Iterable[Record], row_of: Callable[[Record, bytes], Row]) -> list[Row]:
    """One row a key: versions ascend along a partition of a log."""
    newest = {record.key: record for record in records}
    rows = []
    for record in newest.values():
        if record.value is None:
            continue  # merge deletes nothing
        try:
            rows.append(row_of(record, record.value))
        except msgspec.DecodeError as error:
            _skip(record, error)
    return rows


def _window_row(record: Record, value: bytes) -> Row:
    window = _decode_window(value)
    return (
        _key(record),
        record.partition,
        window.version,
        window.view,
        _encode(window.group).decode(),
        window.size_s,
        window.start_us,
        window.part,
        window.revision,
        *_sums(window.total),
        value.decode(),
    )


def _series_row(record: Record, value: bytes) -> Row:
    found = _decode_series(value)
    return (
        _key(record),
        record.partition,
        found.version,
        found.view,
        _encode(found.group).decode(),
        record.timestamp_us,
        *_sums(found.total),
        value.decode(),
    )


def _sums(total: Aggregate) -> tuple[int, ...]:
    tokens = (getattr(total, name) for name in TOKENS)
    sums = (total.count, total.error_count, *tokens, total.cost_nanousd)
    return tuple(min(value, MAX_INT) for value in sums)


def _producer_row(record: Record, value: bytes) -> tuple[Row, list[str]]:
    """The row, and the producers that no longer have one."""
    if record.key is not None and record.key.startswith(SERVICE_PREFIX):
        totals = _decode_service(value)
        counts = (totals.accepted, totals.duplicates, totals.rejected, 0, totals.lost)
        found: Account | ServiceTotals = totals
        folded, last_seen_us = totals.folded, 0
    else:
        account = _decode_account(value)
        counts = (account.accepted, account.duplicates, account.rejected, account.missing, account.lost)
        found = account
        folded, last_seen_us = [], account.last_seen_us
    row = (
        _key(record),
        record.partition,
        found.version,
        text(found.project),
        text(found.service),
        isinstance(found, ServiceTotals),
        *counts,
        sum(found.dropped.values()),
        last_seen_us,
        value.decode(),
    )
    return row, folded


def _key(record: Record) -> str:
    return (record.key or b"").decode(errors="replace").replace("\0", "\ufffd")


def _skip(record: Record, error: Exception) -> None:
    logger.warning("record %d/%d is none of ours: %s", record.partition, record.offset, error)
