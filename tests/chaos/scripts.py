"""What is done to the processes of a run."""

import asyncio
import time

from tests.chaos.scenario import Run


async def peace(run: Run) -> None:
    """Nothing."""


async def storm(run: Run) -> None:
    """Kills, stops and freezes at random, and the proxy swallows answers."""
    await asyncio.sleep(5)
    while True:
        run.supervisor.harm_at_random(("kill", "term", "stop"), run.scenario.session_s)
        if run.random.random() < 0.4:
            await run.proxy.eat(run.random.uniform(0.2, 1.5))
        await asyncio.sleep(run.random.uniform(1.5, 5))


async def storm_with_outage(run: Run) -> None:
    """A storm in whose midst the broker is killed, and comes back after some seconds."""
    storming = asyncio.ensure_future(storm(run))
    try:
        await asyncio.sleep(run.scenario.seconds / 2)
        run.supervisor.counts["broker kill"] += 1
        await asyncio.to_thread(run.broker.kill)
        await asyncio.sleep(5)
        await asyncio.to_thread(run.broker.start)
        await storming
    finally:
        storming.cancel()


async def kill_reduce(run: Run) -> None:
    """Reduce dies again and again, and sends again what it had sent."""
    await asyncio.sleep(5)
    while True:
        run.supervisor.harm("reduce-0", "kill")
        await asyncio.sleep(4)


async def kill_merge(run: Run) -> None:
    """Merge dies again and again."""
    await asyncio.sleep(5)
    while True:
        run.supervisor.harm("merge-0", "kill")
        await asyncio.sleep(run.random.uniform(4, 6))


async def kill_merge_while_reduce_is_frozen_in_a_transaction(run: Run) -> None:
    """Reduce freezes itself between sending a checkpoint and committing it; merge dies a while later."""
    deadline = time.monotonic() + 30
    while run.armed.exists() and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    await asyncio.sleep(6)
    run.supervisor.harm("merge-0", "kill")
