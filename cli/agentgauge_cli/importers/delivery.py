"""A bulk publication is done when the broker has it all; else it ends in one sentence with the cure."""

from collections.abc import Iterator
from contextlib import contextmanager

from agentgauge.errors import NetworkError
from agentgauge.publish import BlockPublisher
from agentgauge_cli.errors import CliError


@contextmanager
def publishing(kafka: str, prefix: str) -> Iterator[BlockPublisher]:
    """A publisher that has delivered everything when the block ends without an error.

    Connects at once, and blocks while the broker is slow. Raises CliError when nothing answers, or
    when nothing is taken any more.
    """
    try:
        with BlockPublisher(f"kafka://{kafka}", prefix=prefix) as publisher:
            yield publisher
    except NetworkError as error:
        raise CliError(f"{error}. {error.cure or 'Try again: each event counts once.'}") from error
