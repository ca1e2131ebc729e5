"""`agentgauge up` as its users run it: real processes, real signals, real ports."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from zipfile import ZipFile

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agentgauge_cli.demo_data import ARCHIVE

EVENTS = 1_356
STARTS_WITHIN_S = 20.0
COUNTED_WITHIN_S = 30.0

COMMAND = [sys.executable, "-c", "from agentgauge_cli.main import run; run()"]


class Ports(NamedTuple):
    kafka: int
    metrics: int
    status: int

    @property
    def options(self) -> list[str]:
        names = ("--kafka-port", "--metrics-port", "--status-port")
        return [word for name, port in zip(names, self, strict=True) for word in (name, str(port))]


@pytest.fixture
def ports() -> Ports:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    found = Ports(*(each.getsockname()[1] for each in sockets))
    for each in sockets:
        each.close()
    return found


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """The shipped sessions as files, as old as they are."""
    folder = tmp_path / "sessions"
    with ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    for file in folder.rglob("*.jsonl"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    return folder


@contextmanager
def up(ports: Ports, data_dir: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, "up", "--data-dir", str(data_dir), *ports.options, *more],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: get(f"http://127.0.0.1:{ports.status}/healthz") is not None, STARTS_WITHIN_S)
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def until(condition: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return str(response.read().decode())
    except (URLError, ConnectionError, TimeoutError):
        return None


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


def report(data_dir: Path) -> dict[str, dict[str, object]]:
    found = run("report", "--data-dir", str(data_dir), "--json")
    assert found.returncode == 0, found.stderr
    result: dict[str, dict[str, object]] = json.loads(found.stdout)
    return result


def import_sessions(sessions: Path, ports: Ports) -> None:
    done = run("import", "claude-code", str(sessions), "--kafka", f"127.0.0.1:{ports.kafka}")
    assert done.returncode == 0, done.stderr


def counters(ports: Ports) -> dict[str, float]:
    """Every sample that may never fall, by name and labels."""
    text = get(f"http://127.0.0.1:{ports.metrics}/metrics")
    assert text is not None
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram")
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_kill_9_and_a_second_import_change_nothing(tmp_path: Path, ports: Ports, sessions: Path) -> None:
    data_dir = tmp_path / "data"
    with up(ports, data_dir) as process:
        import_sessions(sessions, ports)
        until(lambda: report(data_dir)["producers"]["accepted"] == EVENTS, COUNTED_WITHIN_S)
        first, shown = report(data_dir), counters(ports)
        process.send_signal(signal.SIGKILL)
        process.wait(5)
    with up(ports, data_dir):
        until(lambda: get(f"http://127.0.0.1:{ports.metrics}/metrics") is not None, STARTS_WITHIN_S)
        assert_not_below(shown, counters(ports))
        import_sessions(sessions, ports)
        until(lambda: report(data_dir)["producers"]["duplicates"] == EVENTS, COUNTED_WITHIN_S)
        second = report(data_dir)
        assert_not_below(shown, counters(ports))
    assert first["totals"]["events"] == EVENTS
    assert first["totals"]["cost_usd"] == "29.36499105"
    assert first["producers"].pop("duplicates") == 0
    assert second["producers"].pop("duplicates") == EVENTS
    assert second == first


def assert_not_below(before: dict[str, float], after: dict[str, float]) -> None:
    assert before
    fallen = {name: (value, after.get(name)) for name, value in before.items() if after.get(name, -1) < value}
    assert not fallen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_within_five_seconds(
    tmp_path: Path, ports: Ports, number: signal.Signals
) -> None:
    with up(ports, tmp_path / "data") as process:
        process.send_signal(number)
        assert process.wait(5) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_a_taken_port_is_one_sentence_that_names_the_option(tmp_path: Path, ports: Ports) -> None:
    with socket.create_server(("127.0.0.1", ports.metrics)):
        refused = run("up", "--data-dir", str(tmp_path / "data"), *ports.options)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"agentgauge: port {ports.metrics} of 127.0.0.1 is taken")
    assert "--metrics-port" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_second_up_on_the_same_directory_is_refused(tmp_path: Path, ports: Ports) -> None:
    with up(ports, tmp_path / "data"):
        ports_of_second = ("--kafka-port", "0", "--metrics-port", "0", "--status-port", "0")
        refused = run("up", "--data-dir", str(tmp_path / "data"), *ports_of_second)
    assert refused.returncode == 2
    assert "in use by another 'agentgauge up'" in refused.stderr


def test_reset_starts_empty(tmp_path: Path, ports: Ports, sessions: Path) -> None:
    data_dir = tmp_path / "data"
    with up(ports, data_dir) as process:
        import_sessions(sessions, ports)
        process.send_signal(signal.SIGTERM)
        process.wait(5)
    assert report(data_dir)["producers"]["accepted"] == EVENTS, "what had arrived was counted before the end"
    with up(ports, data_dir, "--reset"):
        assert report(data_dir)["producers"]["accepted"] == 0
