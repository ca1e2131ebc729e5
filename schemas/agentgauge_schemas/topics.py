"""The topics: names, partitions and configuration, defined once."""

from enum import StrEnum
from typing import Final

import msgspec

DEFAULT_PREFIX: Final = "agentgauge"
DEFAULT_EVENTS_PARTITIONS: Final = 8
DEFAULT_MERGE_PARTITIONS: Final = 8
MAX_MESSAGE_BYTES: Final = 8 * (1 << 20)
DAY_MS: Final = 86_400_000


class Topic(StrEnum):
    """What a topic is for; its name is `<prefix>.<this>`."""

    EVENTS = "events"
    PARTIALS = "partials"
    REDUCE_STATE = "reduce-state"
    MERGE_STATE = "merge-state"
    PRODUCERS = "producers"
    SERIES = "series"
    WINDOWS = "windows"
    ALERTS = "alerts"
    RULES = "rules"
    DLQ = "dlq"

    def name_with(self, prefix: str = DEFAULT_PREFIX) -> str:
        """As Kafka knows it."""
        return f"{prefix}.{self.value}"


class TopicDefinition(msgspec.Struct, frozen=True):
    """How a topic is created and what `topics check` compares it with."""

    topic: Topic
    partitions_like: Topic | int
    """EVENTS (grows with it), PARTIALS (fixed at creation), or a fixed number."""
    config: dict[str, str]


_COMPACT: Final = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.ms": "600000",
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
}


def _delete(days: int, **extra: str) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(days * DAY_MS),
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        **extra,
    }


# The broker's clock, not the producer's, is what windows and watermarks lean on: with producers'
# timestamps a host three days ahead would be refused by the broker and poison its own producer.
_BROKER_TIME: Final = {"message.timestamp.type": "LogAppendTime"}

DEFINITIONS: Final = (
    TopicDefinition(Topic.EVENTS, Topic.EVENTS, _delete(7, **_BROKER_TIME)),
    TopicDefinition(Topic.PARTIALS, Topic.PARTIALS, _delete(7, **_BROKER_TIME)),
    TopicDefinition(Topic.REDUCE_STATE, Topic.EVENTS, _COMPACT),
    TopicDefinition(Topic.MERGE_STATE, Topic.PARTIALS, _COMPACT),
    TopicDefinition(Topic.PRODUCERS, Topic.EVENTS, _COMPACT),
    TopicDefinition(Topic.SERIES, Topic.PARTIALS, _COMPACT),
    TopicDefinition(Topic.WINDOWS, Topic.PARTIALS, _delete(7)),
    TopicDefinition(Topic.ALERTS, Topic.PARTIALS, _COMPACT),
    # A worker that is behind prices old records by the tables of their time: they stay for as long.
    TopicDefinition(Topic.RULES, 1, {**_COMPACT, **_BROKER_TIME, "min.compaction.lag.ms": str(7 * DAY_MS)}),
    TopicDefinition(Topic.DLQ, Topic.EVENTS, _delete(14)),
)

REQUIRED_CONFIG: Final = ("cleanup.policy", "message.timestamp.type", "max.message.bytes")
"""What must be as defined, or counts are at risk; the rest is the operator's choice."""
