"""Supervised commands are real processes: they are started again, and they are ended in order."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from agentgauge_cli.embedded.supervisor import ENDS_WITHIN_S, supervise
from agentgauge_cli.errors import CliError

APPEND_AND_END = "import sys; open(sys.argv[1], 'a').write('x'); sys.exit(75)"
WAIT_FOR_SIGTERM = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path(sys.argv[1]).write_text("asked")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).write_text("running")
time.sleep(60)
"""
IGNORE_SIGTERM = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text("running")
time.sleep(60)
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def holds(file: Path, text: str) -> bool:
    return file.exists() and file.read_text().startswith(text)


async def until_holds(file: Path, text: str) -> None:
    async with asyncio.timeout(20):
        while not holds(file, text):
            await asyncio.sleep(0.01)


async def test_a_command_that_ends_is_started_again(tmp_path: Path) -> None:
    file, stopping = tmp_path / "lives", asyncio.Event()
    commands = {"short": python(APPEND_AND_END, str(file))}
    supervising = asyncio.create_task(supervise(commands, stopping, first_delay_s=0.01))
    await until_holds(file, "xxx")
    stopping.set()
    await asyncio.wait_for(supervising, 5)


async def test_a_wrong_setting_ends_all_of_them(tmp_path: Path) -> None:
    file = tmp_path / "state"
    commands = {
        "the long one": python(WAIT_FOR_SIGTERM, str(file)),
        "the wrong one": python(
            "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)\nsys.exit(2)",
            str(file),
        ),
    }
    with pytest.raises(CliError, match="the wrong one could not start"):
        await asyncio.wait_for(supervise(commands, asyncio.Event()), 20)
    assert file.read_text() == "asked"


async def test_who_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    file, stopping = tmp_path / "state", asyncio.Event()
    supervising = asyncio.create_task(supervise({"deaf": python(IGNORE_SIGTERM, str(file))}, stopping))
    await until_holds(file, "running")
    stopping.set()
    began = time.monotonic()
    await asyncio.wait_for(supervising, ENDS_WITHIN_S + 5)
    assert time.monotonic() - began >= ENDS_WITHIN_S
