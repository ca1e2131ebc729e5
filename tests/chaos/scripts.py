"""What is done to the processes of a run."""

import asyncio

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
    await _kill_again_and_again(run, "reduce-0")


async def kill_merge(run: Run) -> None:
    """Merge dies again and again."""
    await _kill_again_and_again(run, "merge-0")


async def kill_merge_after_a_freeze(run: Run) -> None:
    """A worker has frozen itself, once; some seconds later merge dies."""
    while run.armed.exists():
        await asyncio.sleep(0.05)
    await asyncio.sleep(5)
    for number in range(run.scenario.workers):
        run.supervisor.harm(f"merge-{number}", "kill")


async def _kill_again_and_again(run: Run, name: str) -> None:
    """Each time some seconds after it has begun to work, so that there is something to lose."""
    log, lives = run.folder / f"{name}.log", 0
    while True:
        while log.read_text().count("going on at") == lives:
            await asyncio.sleep(0.1)
        lives += 1
        await asyncio.sleep(run.random.uniform(2, 4))
        run.supervisor.harm(name, "kill")
