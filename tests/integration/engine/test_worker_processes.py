"""Workers as processes of their own, where they have to end themselves."""

import asyncio
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentgauge_processors.engine.errors import ExitCode
from agentgauge_processors.engine.kafka.topics import create_topics

WITHIN_S = 90.0

PROGRAM = """
import sys
from pathlib import Path
from agentgauge_processors.engine.kafka import WorkerSettings, run_worker
kafka, prefix, stage, slot, folder = sys.argv[1:]
slot = int(slot) if slot else None
sys.exit(run_worker(WorkerSettings(kafka, prefix, (stage,), slot, Path(folder))))
"""


@dataclass
class WorkerProcess:
    """A worker and what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def says(self, sentence: str) -> bool:
        return sentence in self.log.read_text()


@pytest.fixture
def start(kafka: str, tmp_path: Path) -> Iterator[Callable[[str, str, str], WorkerProcess]]:
    """Start a worker of a prefix, stage and slot, each as on a machine of its own; killed at the end."""
    started: list[WorkerProcess] = []

    def start(prefix: str, stage: str, slot: str) -> WorkerProcess:
        folder = tmp_path / f"machine-{len(started)}"
        path = tmp_path / f"{folder.name}.log"
        with path.open("wb") as log:
            command = [sys.executable, "-c", PROGRAM, kafka, prefix, stage, slot, str(folder)]
            started.append(WorkerProcess(subprocess.Popen(command, stdout=log, stderr=log), path))
        return started[-1]

    yield start
    for worker in started:
        worker.process.kill()
        worker.process.wait()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def new_topics(kafka: str, events_partitions: int, prefix: str = "") -> str:
    prefix = prefix or f"process-{uuid.uuid4().hex[:8]}"
    asyncio.run(create_topics(kafka, prefix, events_partitions, 2))
    return prefix


def test_one_of_two_machines_with_the_same_slot_ends_with_a_sentence(
    kafka: str, start: Callable[[str, str, str], WorkerProcess]
) -> None:
    prefix = new_topics(kafka, 2)
    workers = [start(prefix, "merge", "0"), start(prefix, "merge", "0")]
    wait_until(lambda: any(worker.process.poll() is not None for worker in workers))
    ended = [worker for worker in workers if worker.process.poll() == ExitCode.WATCHDOG]
    assert ended
    assert ended[0].says("another process has the same --slot, perhaps on another machine (exit 75)")


def test_a_worker_starts_afresh_when_it_gets_a_partition_that_was_added(
    kafka: str, start: Callable[[str, str, str], WorkerProcess]
) -> None:
    prefix = new_topics(kafka, 2)
    worker = start(prefix, "reduce", "")
    wait_until(lambda: worker.says("going on at {0: 0, 1: 0}"))
    new_topics(kafka, 3, prefix)
    wait_until(lambda: worker.process.poll() is not None)
    assert worker.process.returncode == ExitCode.WATCHDOG
    assert worker.says(f"{prefix}.events has grown")
    again = start(prefix, "reduce", "")
    wait_until(lambda: again.says("going on at {0: 0, 1: 0, 2: 0}"))
