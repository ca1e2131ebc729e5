"""The Kafka carrier: `KafkaLog` for reading and writing, Faust for consumer groups, topics, the worker."""

from agentgauge_processors.engine.kafka.connection import PLAINTEXT, Security
from agentgauge_processors.engine.kafka.log import KafkaLog
from agentgauge_processors.engine.kafka.topics import check_topics, create_topics

__all__ = ["PLAINTEXT", "KafkaLog", "Security", "check_topics", "create_topics"]
