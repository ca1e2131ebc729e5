"""A sink as a process of its own."""

import asyncio
import logging
import signal

from agentgauge_processors.engine.errors import ExitCode
from agentgauge_sinks.contract import Displaced, LogFactory, Sink
from agentgauge_sinks.runner import SinkRunner

logger = logging.getLogger(__name__)


def run_sink(sink: Sink, open_log: LogFactory) -> int:
    """Run a sink until SIGTERM or SIGINT; returns the exit code. Blocks.

    Raises what keeps it from starting: StartupProblem, or what `open_log` raises.
    """
    try:
        asyncio.run(_run(sink, open_log))
    except Displaced as displaced:
        logger.error("%s", displaced)
        return ExitCode.FENCED
    return ExitCode.STOPPED


async def _run(sink: Sink, open_log: LogFactory) -> None:
    async with open_log() as log:
        runner = SinkRunner(sink, log)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, runner.stop)
        await runner.run()
