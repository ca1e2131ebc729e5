"""Checks of this machine: the data directory, and the storage."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from sqlalchemy import select

from agentgauge_cli.doctor.check import Check, fail, ok, warn
from agentgauge_cli.rendering import bytes_text, plural
from agentgauge_processors.engine.contract import Log
from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_schemas.topics import Topic
from agentgauge_sinks.storage.database import open_engine, reading
from agentgauge_sinks.storage.schema import check
from agentgauge_sinks.storage.tables import offsets

LOW_BYTES: Final = 1_000_000_000
EMPTY_BYTES: Final = 100_000_000
BEHIND_RECORDS: Final = 10_000


def data_directory(path: Path) -> Check:
    """Can it be written, and has its disk room?"""
    exists = path
    while not exists.exists():
        exists = exists.parent
    if not exists.is_dir() or not os.access(exists, os.W_OK | os.X_OK):
        return fail("data", f"{path} cannot be written", "name another directory with --data-dir")
    free = shutil.disk_usage(exists).free
    found = f"{bytes_text(free)} free for {path}"
    if free < EMPTY_BYTES:
        return fail("data", found, "make room, or name another directory with --data-dir")
    if free < LOW_BYTES:
        return warn("data", found, "make room, or name another directory with --data-dir")
    return ok("data", found)


async def storage(url: str, log: Log | None) -> Check:
    """Can it be read, and how far behind the log is it? None: no log to compare it with."""
    try:
        positions = await asyncio.to_thread(_positions, url)
    except StartupProblem as problem:
        return warn(
            "storage", str(problem), "start 'agentgauge sink storage', or name the one in use with --storage"
        )
    if log is None:
        return ok("storage", "can be read")
    lag = {}
    for (topic, partition), following in positions.items():
        lag[f"{topic}/{partition}"] = max(0, await log.end_offset(topic, partition) - following)
    waiting = sum(lag.values())
    found = f"can be read, {plural(waiting, 'record')} behind"
    if waiting > BEHIND_RECORDS:
        return warn(
            "storage", found, "if it does not shrink, look whether 'agentgauge sink storage' runs", lag
        )
    return ok("storage", found, lag)


def _positions(url: str) -> dict[tuple[Topic, int], int]:
    engine = open_engine(url, must_exist=True)
    try:
        with reading(engine) as connection:
            check(connection)
            columns = (offsets.c.topic, offsets.c.partition, offsets.c.next)
            return {(Topic(topic), number): at for topic, number, at in connection.execute(select(*columns))}
    finally:
        engine.dispose()
