"""Keeps a few commands running, each as a process of its own."""

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from agentgauge_cli.errors import CliError

_logger = logging.getLogger(__name__)

FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 30.0
STEADY_AFTER_S: Final = 60.0
"""Who ran for this long is restarted at the first delay again."""
ENDS_WITHIN_S: Final = 3.5
"""After SIGTERM; then it is killed, which costs nothing but a replay."""
_WRONG_SETTING: Final = 2


def agentgauge(*arguments: str) -> list[str]:
    """The command line that runs `agentgauge` in this Python."""
    return [sys.executable, "-c", "from agentgauge_cli.main import run; run()", *arguments]


async def supervise(
    commands: Mapping[str, Sequence[str]], stopping: asyncio.Event, *, first_delay_s: float = FIRST_DELAY_S
) -> None:
    """Run each command (name -> command line) until `stopping`, and again when it ends by itself.

    Raises CliError when one ends with code 2: its own sentence says why, and a restart cures nothing.
    Then, and when `stopping` is set, all get SIGTERM, and SIGKILL 3.5 s later.
    """
    tasks = [
        asyncio.create_task(_keep(name, command, stopping, first_delay_s))
        for name, command in commands.items()
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        stopping.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _keep(name: str, command: Sequence[str], stopping: asyncio.Event, first_delay_s: float) -> None:
    delay_s = first_delay_s
    clock = asyncio.get_running_loop().time
    while not stopping.is_set():
        started = clock()
        code = await _run(command, stopping)
        if stopping.is_set():
            return
        if code == _WRONG_SETTING:
            raise CliError(f"{name} could not start, see above")
        if clock() - started > STEADY_AFTER_S:
            delay_s = first_delay_s
        _logger.warning("%s ended with code %d, starting it again in %.1f s", name, code, delay_s)
        await _within(stopping, delay_s)
        delay_s = min(2 * delay_s, LONGEST_DELAY_S)


async def _run(command: Sequence[str], stopping: asyncio.Event) -> int:
    """One life of a command; returns its exit code."""
    # A session of its own: Ctrl-C reaches this process only, which then ends the others in order.
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True)
    ended = asyncio.create_task(process.wait())
    asked = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            process.terminate()
            await asyncio.wait({ended}, timeout=ENDS_WITHIN_S)
    finally:
        asked.cancel()
        if not ended.done():
            process.kill()
    return await ended


async def _within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
