"""A real Prometheus scrapes the pipeline while the demo runs through it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.broker import free_ports
from tests.support.cli import run_process
from tests.support.prometheus import assert_demo_truth, running_prometheus


@contextmanager
def _up(data_dir: Path, kafka_port: int, metrics_port: int, status_port: int) -> Iterator[None]:
    command = [
        sys.executable, "-c", "from agentgauge_cli.main import run; run()", "up",
        "--data-dir", str(data_dir), "--kafka-port", str(kafka_port), "--metrics-port", str(metrics_port),
        "--status-port", str(status_port),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"}) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


@pytest.mark.servers
def test_prometheus_has_the_truth_of_the_demo(tmp_path: Path) -> None:
    kafka_port, metrics_port, status_port = free_ports(3)
    with (
        _up(tmp_path / "data", kafka_port, metrics_port, status_port),
        running_prometheus(f"127.0.0.1:{metrics_port}", tmp_path) as prometheus,
    ):
        demo = run_process("demo", "--once", "--kafka", f"127.0.0.1:{kafka_port}", timeout_s=120)
        assert demo.code == 0, demo
        assert_demo_truth(prometheus)
