"""What aiokafka raises, in the contract's words."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import InvalidProducerEpoch, KafkaError, ProducerFenced

from agentgauge_processors.engine.contract import Fenced, LogError, Unavailable


@contextmanager
def log_errors(doing: str) -> Iterator[None]:
    """Turn whatever a Kafka client raises while `doing` something into Fenced or Unavailable."""
    try:
        yield
    except LogError:
        raise
    except (ProducerFenced, InvalidProducerEpoch) as error:
        raise Fenced(f"{doing}: another process has taken over") from error
    except (KafkaError, OSError, TimeoutError, AssertionError) as error:
        # A producer that was fenced before fails an assertion when it is used again.
        raise Unavailable(f"{doing}: {error!r}") from error
