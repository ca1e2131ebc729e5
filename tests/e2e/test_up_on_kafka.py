"""`agentgauge up --kafka`: workers and sinks as processes, on a real broker."""

import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path

from tests.support.cli import run_process
from tests.support.up import get, some_ports, until

EVENTS = 1_356


def test_it_creates_topics_counts_the_demo_and_ends_cleanly(kafka: str, tmp_path: Path) -> None:
    prefix, data_dir, port = f"up-{uuid.uuid4().hex[:8]}", tmp_path / "data", some_ports().metrics
    process = subprocess.Popen(
        [
            sys.executable, "-c", "from agentgauge_cli.main import run; run()", "up", "--kafka", kafka,
            "--prefix", prefix, "--data-dir", str(data_dir), "--metrics-port", str(port),
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: get(f"http://127.0.0.1:{port}/metrics") is not None, 60)
        shown = run_process("demo", "--kafka", kafka, "--prefix", prefix, timeout_s=90)
        assert shown.code == 0, shown.err
        assert "claude-opus-4-6" in shown.out
        until(lambda: stored_events(data_dir) == EVENTS, 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def stored_events(data_dir: Path) -> int:
    """As the report has it; -1 while there is no storage yet."""
    ran = run_process("report", "--data-dir", str(data_dir), "--json")
    return int(json.loads(ran.out)["totals"]["events"]) if ran.code == 0 else -1
