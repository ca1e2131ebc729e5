"""Two machines with the same slot: no lock file tells them, so the group's behaviour must."""

import asyncio
import subprocess
import sys
import time
import uuid
from pathlib import Path

from agentgauge_processors.engine.errors import ExitCode
from agentgauge_processors.engine.kafka.topics import create_topics

WITHIN_S = 90.0

PROGRAM = """
import sys
from pathlib import Path
from agentgauge_processors.engine.kafka import WorkerSettings, run_worker
kafka, prefix, folder = sys.argv[1:]
sys.exit(run_worker(WorkerSettings(kafka, prefix, ("merge",), slot=0, data_dir=Path(folder))))
"""


def test_one_of_two_processes_in_the_same_slot_ends_with_a_sentence(kafka: str, tmp_path: Path) -> None:
    prefix = f"slot-{uuid.uuid4().hex[:8]}"
    asyncio.run(create_topics(kafka, prefix, 2, 2))
    processes, logs = [], []
    for machine in ("one", "other"):
        logs.append(tmp_path / f"{machine}.log")
        command = [sys.executable, "-c", PROGRAM, kafka, prefix, str(tmp_path / machine)]
        with logs[-1].open("wb") as log:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
    try:
        deadline = time.monotonic() + WITHIN_S
        while all(process.poll() is None for process in processes) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert ExitCode.WATCHDOG in {process.returncode for process in processes}
        said = "".join([log.read_text() for log in logs])
        assert "another process has the same --slot, perhaps on another machine (exit 75)" in said
    finally:
        for process in processes:
            process.kill()
            process.wait()
