"""The first signal asks, the second does not ask any more."""

import asyncio
import os
import signal

import pytest

from agentgauge_cli.embedded.serve import until_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sets_the_event_and_the_result_comes_back(number: signal.Signals) -> None:
    async def work(stopping: asyncio.Event) -> str:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stopping.wait(), 5)
        return "done"

    assert until_signal(work) == "done"


def test_a_second_interrupt_ends_what_does_not_end_by_itself() -> None:
    async def deaf(stopping: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stopping.wait(), 5)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        until_signal(deaf)
