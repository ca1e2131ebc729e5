"""`agentgauge up` as its users run it: real processes, real signals, real ports."""

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.cli import assert_one_sentence, run_process
from tests.support.up import STARTS_WITHIN_S, Ports, get, some_ports, until, up

from agentgauge_cli.demo_data import ARCHIVE

EVENTS = 1_356
COUNTED_WITHIN_S = 30.0

Report = dict[str, Any]
"""As `report --json` prints it."""


@pytest.fixture
def ports() -> Ports:
    return some_ports()


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """The shipped sessions as files, as old as they are."""
    folder = tmp_path / "sessions"
    with ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    for file in folder.rglob("*.jsonl"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    return folder


def report(data_dir: Path) -> Report:
    found = run_process("report", "--data-dir", str(data_dir), "--json")
    assert found.code == 0, found.err
    result: Report = json.loads(found.out)
    return result


def everything_counted(found: Report) -> bool:
    """Each view and the accounts are complete: they are stored one after another."""
    calls = {view: sum(row["calls"] for row in found[view]) for view in ("models", "tools", "agents")}
    return calls == {"models": 591, "tools": 765, "agents": EVENTS} and accepted(found) == EVENTS


def accepted(found: Report) -> int:
    return int(found["producers"]["accepted"])


def import_sessions(sessions: Path, ports: Ports) -> None:
    done = run_process("import", "claude-code", str(sessions), "--kafka", f"127.0.0.1:{ports.kafka}")
    assert done.code == 0, done.err


def counters(ports: Ports) -> dict[str, float]:
    """Every sample of ours that may never fall, by name and labels; a process's own begin anew with it."""
    text = get(f"http://127.0.0.1:{ports.metrics}/metrics")
    assert text is not None
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram") and not family.name.startswith(("process_", "python_"))
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_kill_9_and_a_second_import_change_nothing(tmp_path: Path, ports: Ports, sessions: Path) -> None:
    data_dir = tmp_path / "data"
    with up(ports, data_dir) as process:
        import_sessions(sessions, ports)
        until(lambda: everything_counted(report(data_dir)), COUNTED_WITHIN_S)
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
        refused = run_process("up", "--data-dir", str(tmp_path / "data"), *ports.options)
    assert_one_sentence(refused)
    assert f"port {ports.metrics} of 127.0.0.1 is taken" in refused.err
    assert "--metrics-port" in refused.err


def test_a_second_up_on_the_same_directory_is_refused(tmp_path: Path, ports: Ports) -> None:
    with up(ports, tmp_path / "data"):
        ports_of_second = ("--kafka-port", "0", "--metrics-port", "0", "--status-port", "0")
        refused = run_process("up", "--data-dir", str(tmp_path / "data"), *ports_of_second)
    assert_one_sentence(refused)
    assert "in use by another 'agentgauge up'" in refused.err


def test_reset_starts_empty(tmp_path: Path, ports: Ports, sessions: Path) -> None:
    data_dir = tmp_path / "data"
    with up(ports, data_dir) as process:
        import_sessions(sessions, ports)
        process.send_signal(signal.SIGTERM)
        process.wait(5)
    assert accepted(report(data_dir)) == EVENTS, "what had arrived was counted before the end"
    with up(ports, data_dir, "--reset"):
        assert accepted(report(data_dir)) == 0
