"""A Kafka broker, as one command needs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentgauge_cli.errors import CliError
from agentgauge_cli.probe import Answer, NoKafka, ask
from agentgauge_processors.engine.kafka.connection import Connection
from agentgauge_processors.engine.kafka.log import KafkaLog
from agentgauge_processors.engine.kafka.topics import partition_counts
from agentgauge_schemas.topics import Topic


def require_broker(kafka: str) -> Answer:
    """What the broker says about itself; blocks for seconds at most. Raises CliError without one."""
    try:
        return ask(kafka)
    except NoKafka as error:
        raise CliError(
            f"no Kafka broker answers at {error}: start one or 'agentgauge up', or name another with --kafka"
        ) from None


def require_topics_of_its_own(kafka: str) -> None:
    """Raises CliError for the embedded broker, which has every topic and no configuration."""
    if require_broker(kafka).embedded:
        raise CliError(
            f"{kafka} is the broker of 'agentgauge up': its topics are neither created nor checked by hand"
        )


@asynccontextmanager
async def opened_log(kafka: str, prefix: str, needed: Topic) -> AsyncIterator[KafkaLog]:
    """The log, and its end. Raises CliError without a broker or the topic."""
    await asyncio.to_thread(require_broker, kafka)
    async with Connection(kafka).admin() as admin:
        found = await partition_counts(admin, prefix)
    if needed not in found:
        raise CliError(
            f"there is no topic {needed.name_with(prefix)} at {kafka}: "
            f"run 'agentgauge topics create --kafka {kafka} --prefix {prefix}', or name another --prefix"
        )
    async with KafkaLog(kafka, prefix) as log:
        yield log
