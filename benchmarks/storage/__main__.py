"""`python -m benchmarks.storage`: events to rows of SQLite, runs included; CPU of the whole process.

As the sink is driven: about 1 MB a poll, one transaction each. In `own traces`, the worst case, every
event is a run of its own.
"""

import asyncio
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import sqlalchemy

from agentgauge_processors.engine.contract import Batch, Record
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.block import decode_block, encode_block
from agentgauge_schemas.topics import Topic
from agentgauge_sinks.storage import StorageSink
from benchmarks.reduce.shapes import SHAPES, blocks

RUNS = 5
EVENTS = 40_000
EVENTS_OF_A_TRACE = 10
POLL_BYTES = 1 << 20
START_US = 1_795_000_000_000_000
TARGET = 30_000


class Cost(NamedTuple):
    cpu_us: float
    disk_bytes: float


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(
        f"SQLAlchemy {sqlalchemy.__version__}, SQLite {sqlite3.sqlite_version}, msgspec {msgspec.__version__}"
    )
    for shape in ("steady", "mixed", "small"):
        for traces in ("10 events a trace", "own traces"):
            batches = _batches(_records(shape, own_traces=traces == "own traces"))
            costs = [asyncio.run(_store(batches)) for _ in range(RUNS)]
            cpu = sorted(cost.cpu_us for cost in costs)
            print(
                f"{shape:6}, {traces:17}: {1e6 / statistics.median(cpu):,.0f} rows/s/core (target {TARGET:,}), "
                f"{statistics.median(cpu):.1f} us CPU a row ({cpu[0]:.1f}-{cpu[-1]:.1f}), "
                f"{costs[0].disk_bytes:.0f} bytes a row on disk",
                flush=True,
            )


def _records(shape: str, *, own_traces: bool) -> list[Record]:
    records = []
    for offset, block in enumerate(blocks(SHAPES[shape], EVENTS, start_us=START_US)):
        value = block.value if own_traces else _with_traces(block.value, offset)
        records.append(Record(0, offset, block.time_us, None, value, tuple(block.headers)))
    return records


def _with_traces(value: bytes, offset: int) -> bytes:
    block = decode_block(value)
    for index, event in enumerate(block.events):
        event.trace_id = f"{offset:024x}{index // EVENTS_OF_A_TRACE:08x}"
    return encode_block(block.resource, [msgspec.json.encode(event) for event in block.events])


def _batches(records: list[Record]) -> list[Batch]:
    batches: list[Batch] = []
    pending: list[Record] = []
    for record in records:
        pending.append(record)
        if sum(len(each.value or b"") for each in pending) >= POLL_BYTES or record is records[-1]:
            batches.append(Batch(Topic.EVENTS, 0, pending, record.offset + 1))
            pending = []
    return batches


async def _store(batches: list[Batch]) -> Cost:
    with tempfile.TemporaryDirectory() as folder, SqliteLog(":memory:") as log:
        path = Path(folder) / "storage.sqlite"
        sink = StorageSink(f"sqlite:///{path}")
        await sink.start(log)
        begun = time.process_time()
        for batch in batches:
            await sink.apply([batch])
        spent = time.process_time() - begun
        await sink.stop()
        with sqlite3.connect(path) as database:
            ((rows,),) = database.execute("SELECT COUNT(*) FROM events").fetchall()
        database.close()
        return Cost(spent / rows * 1e6, path.stat().st_size / rows)


if __name__ == "__main__":
    main()
