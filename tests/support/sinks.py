"""Sinks that run until they have seen everything."""

from agentgauge_processors.engine.contract import Batch, Log
from agentgauge_sinks import Sink


async def read_all(sink: Sink, log: Log) -> None:
    """Start a sink and give it all that the log has."""
    tail = log.tail(await sink.start(log))
    while batches := await tail.poll(0.01):
        await sink.apply(batches)
    await tail.close()


async def store(sink: Sink, log: Log) -> None:
    """The same, and stop it."""
    try:
        await read_all(sink, log)
    finally:
        await sink.stop()


async def pending(sink: Sink, log: Log) -> list[Batch]:
    """Start a sink and return what it would be given, without giving it."""
    tail = log.tail(await sink.start(log))
    batches: list[Batch] = []
    while more := await tail.poll(0.01):
        batches += more
    await tail.close()
    return batches
