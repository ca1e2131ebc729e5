"""A real Prometheus scrapes the pipeline while the demo runs through it."""

from pathlib import Path

import pytest
from tests.support.cli import run_process
from tests.support.prometheus import assert_demo_truth, running_prometheus
from tests.support.up import some_ports, up


@pytest.mark.servers
def test_prometheus_has_the_truth_of_the_demo(tmp_path: Path) -> None:
    ports = some_ports()
    with (
        up(ports, tmp_path / "data"),
        running_prometheus(f"127.0.0.1:{ports.metrics}", tmp_path) as prometheus,
    ):
        demo = run_process("demo", "--once", "--kafka", f"127.0.0.1:{ports.kafka}", timeout_s=120)
        assert demo.code == 0, demo
        assert_demo_truth(prometheus)
