"""Running `agentgauge` commands as a user does: what is printed, and the exit code."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from agentgauge_cli.main import main


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ran:
    """In this process; not from inside a running event loop."""
    capsys.readouterr()
    code = main(arguments)
    captured = capsys.readouterr()
    return Ran(code, captured.out, captured.err)


def run_process(*arguments: str, timeout_s: float = 30.0, cwd: Path | None = None) -> Ran:
    """In a process of its own, without a terminal."""
    command = [sys.executable, "-c", "from agentgauge_cli.main import run; run()", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=cwd)
    return Ran(done.returncode, done.stdout, done.stderr)


def assert_one_sentence(ran: Ran) -> None:
    """A start-up problem: exit code 2, one line on stderr, no traceback, nothing on stdout."""
    assert ran.code == 2, ran
    assert ran.err.startswith("agentgauge: "), ran
    assert ran.err.count("\n") == 1, ran
    assert "Traceback" not in ran.err, ran
    assert ran.out == "", ran
