"""The log of a Kafka broker, opened for one command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentgauge_cli.errors import CliError
from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.kafka.log import KafkaLog
from agentgauge_processors.engine.kafka.topics import partition_counts
from agentgauge_schemas.topics import Topic


@asynccontextmanager
async def opened_log(kafka: str, prefix: str, needed: Topic) -> AsyncIterator[KafkaLog]:
    """The log, and its end. Raises StartupProblem without a broker, CliError without the topic."""
    async with Connection(kafka).admin() as admin:
        found = await partition_counts(admin, prefix)
    if needed not in found:
        raise CliError(
            f"there is no topic {needed.name_with(prefix)} at {kafka}: "
            f"run 'agentgauge topics create --kafka {kafka} --prefix {prefix}', or name another --prefix"
        )
    async with KafkaLog(kafka, prefix) as log:
        yield log
