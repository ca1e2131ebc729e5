"""Keeps a few `agentgauge` commands running as processes of their own."""

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
ENDS_WITHIN_S: Final = 4.0
"""After SIGTERM; then it is killed, which costs nothing but a replay."""
_WRONG_SETTING: Final = 2


async def supervise(commands: Mapping[str, Sequence[str]], stopping: asyncio.Event) -> None:
    """Run each command (name -> arguments of `agentgauge`) until `stopping`, and again when it ends.

    Raises CliError when one ends with code 2: its own sentence says why, and a restart cures nothing.
    """
    tasks = [asyncio.create_task(_keep(name, arguments, stopping)) for name, arguments in commands.items()]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        stopping.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _keep(name: str, arguments: Sequence[str], stopping: asyncio.Event) -> None:
    delay_s = FIRST_DELAY_S
    clock = asyncio.get_running_loop().time
    while not stopping.is_set():
        started = clock()
        code = await _run(arguments, stopping)
        if stopping.is_set():
            return
        if code == _WRONG_SETTING:
            raise CliError(f"{name} could not start, see above")
        if clock() - started > STEADY_AFTER_S:
            delay_s = FIRST_DELAY_S
        _logger.warning("%s ended with code %d, starting it again in %.0f s", name, code, delay_s)
        await _within(stopping, delay_s)
        delay_s = min(2 * delay_s, LONGEST_DELAY_S)


async def _run(arguments: Sequence[str], stopping: asyncio.Event) -> int:
    """One life of a command; returns its exit code."""
    # A session of its own: Ctrl-C reaches this process only, which then ends the others in order.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from agentgauge_cli.main import run; run()",
        *arguments,
        start_new_session=True,
    )
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
