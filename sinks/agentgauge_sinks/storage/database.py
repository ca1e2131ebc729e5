"""Connections: how SQLite and PostgreSQL differ is known here and nowhere else."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from agentgauge_processors.engine.errors import StartupProblem

MAX_INT: Final = (1 << 63) - 1
"""What an integer column holds."""

Insert = sqlite.Insert | postgresql.Insert
Value = int | str | bool | None
Row = tuple[Value, ...]

_SQLITE_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    # A power cut may cost the last transactions, with their positions: they are read again.
    "PRAGMA synchronous = NORMAL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 8000",
    "PRAGMA journal_size_limit = 67108864",
)


def open_engine(url: str, *, must_exist: bool = False) -> Engine:
    """An engine for a SQLAlchemy URL; of a SQLite file the folders are made.

    Raises StartupProblem when it cannot work, or with `must_exist` when there is no such file.
    """
    try:
        parsed = make_url(url)
        dialect = parsed.get_dialect().name
        if dialect not in ("sqlite", "postgresql"):
            raise StartupProblem(f"storage is SQLite or PostgreSQL, not {dialect}")
        if dialect == "sqlite":
            if parsed.database in (None, "", ":memory:"):
                raise StartupProblem("storage needs a file: sqlite:///path/to/storage.sqlite")
            path = Path(parsed.database or "")
            if must_exist and not path.exists():
                raise StartupProblem(f"there is no storage at {path}")
            path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StartupProblem(f"{url!r} is no storage URL that can be used here: {error}") from None
    except OSError as error:
        raise StartupProblem(f"the storage's folder cannot be made: {error}") from None
    if dialect == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection whose statements all see one and the same instant. Raises StartupProblem."""
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                # Else each statement has an instant of its own.
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection
    except SQLAlchemyError as error:
        raise StartupProblem(f"the storage cannot be read: {error}") from error


@contextmanager
def exclusively(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other of its kind runs beside: for changes of the schema."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('agentgauge schema'))")
        yield connection
        connection.commit()


def insert_into(engine: Engine, table: Table) -> Insert:
    """An INSERT that knows ON CONFLICT, which is the same in both dialects."""
    return sqlite.insert(table) if engine.dialect.name == "sqlite" else postgresql.insert(table)


class Bulk:
    """One statement for many rows, compiled once: half the time of SQLAlchemy's own executemany."""

    def __init__(self, engine: Engine, statement: Insert) -> None:
        """The rows' values are in the order of the table's columns. The statement has no parameters
        but these.
        """
        self._columns = tuple(column.name for column in statement.table.columns)
        compiled = statement.compile(dialect=engine.dialect, column_keys=list(self._columns))
        self._sql = str(compiled)
        self._by_position = compiled.positiontup is not None

    def execute(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Run it for all rows; nothing for none."""
        if not rows:
            return
        if self._by_position:
            connection.exec_driver_sql(self._sql, list(rows))
        else:
            connection.exec_driver_sql(
                self._sql, [dict(zip(self._columns, row, strict=True)) for row in rows]
            )
