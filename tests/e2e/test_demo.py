"""`agentgauge demo` prints the truth about the shipped sessions, summed here without our code."""

import json
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from tests.support.cli import Ran, assert_one_sentence, run_process
from tests.support.session_truth import Truth, session_truth
from tests.support.up import Ports, some_ports, up

EVENTS = 1_356
AS_CLAIMED_S = 60.0


@pytest.fixture(scope="module")
def truth() -> Truth:
    return session_truth()


@pytest.fixture(scope="module")
def ports() -> Ports:
    """The same for all runs of this module: what is printed may name them."""
    return some_ports()


def demo(ports: Ports, *more: str) -> Ran:
    return run_process("demo", *ports.options, *more, timeout_s=AS_CLAIMED_S)


def directories() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("agentgauge-demo-*"))


def test_json_is_the_truth_and_nothing_is_left_behind(truth: Truth, ports: Ports) -> None:
    before = directories()
    ran = demo(ports, "--json")
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)
    models = {row["model"]: row for row in report["models"]}
    assert models.keys() == truth.models.keys()
    for name, model in truth.models.items():
        row = models[name]
        assert (row["calls"], row["input_tokens"], row["output_tokens"]) == (
            model.responses, model.input, model.output,
        )  # fmt: skip
        assert float(row["cost_usd"]) == pytest.approx(model.cost_usd(name), abs=1e-8)
    assert sum(Decimal(row["cost_usd"]) for row in report["models"]) == Decimal("29.36499105")
    tools = {row["tool"]: (row["calls"], row["errors"]) for row in report["tools"]}
    assert tools == {tool: (calls, truth.failed[tool]) for tool, calls in truth.calls.items()}
    assert report["producers"]["accepted"] == report["totals"]["events"] == EVENTS
    assert directories() == before


def test_two_runs_print_the_same(ports: Ports) -> None:
    first, second = demo(ports), demo(ports, "--once")
    assert first.code == second.code == 0, (first.err, second.err)
    assert first.out == second.out
    assert "29.36499105" in first.out


def test_it_publishes_to_a_pipeline_that_runs_and_counts_once_there(tmp_path: Path) -> None:
    ports = some_ports()
    with up(ports, tmp_path / "data"):
        for _ in range(2):
            ran = run_process("demo", "--kafka", f"127.0.0.1:{ports.kafka}", timeout_s=AS_CLAIMED_S)
            assert ran.code == 0, ran.err
            assert "claude-opus-4-6" in ran.out
        report = json.loads(run_process("report", "--data-dir", str(tmp_path / "data"), "--json").out)
    assert report["totals"]["events"] == EVENTS


def test_a_broker_that_is_not_there_is_one_sentence() -> None:
    assert_one_sentence(run_process("demo", "--kafka", "127.0.0.1:9"))
