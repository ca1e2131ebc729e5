from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from agentgauge_sinks.storage.rows import EventRow
from agentgauge_sinks.storage.schema import migrate
from agentgauge_sinks.storage.tables import events, metadata


def test_the_migrations_make_the_tables(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/storage.sqlite")
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_an_event_row_is_a_row_of_its_table() -> None:
    assert EventRow._fields == tuple(column.name for column in events.columns)
