"""Bringing a database to the schema of this version, under a lock."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_sinks.storage.database import exclusively

logger = logging.getLogger(__name__)


def migrate(engine: Engine) -> None:
    """Create or upgrade the tables; waits for another process that is doing so.

    Raises StartupProblem when the database cannot be opened, or is of a later version.
    """
    try:
        with exclusively(engine) as connection:
            config = _config()
            current = _revision(connection, config)
            if current != ScriptDirectory.from_config(config).get_current_head():
                logger.info("migrating the storage from %s", current or "nothing")
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise StartupProblem(f"the storage at {_place(engine)} cannot be used: {_cause(error)}") from error


def check(connection: Connection) -> None:
    """Raises StartupProblem when the tables are not of this version."""
    config = _config()
    if _revision(connection, config) != ScriptDirectory.from_config(config).get_current_head():
        raise StartupProblem("the storage is empty or of an earlier version: start its sink once")


def _revision(connection: Connection, config: Config) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise StartupProblem(f"the storage has schema {current} of a later version: upgrade agentgauge")
    return current


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _place(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _cause(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error)
