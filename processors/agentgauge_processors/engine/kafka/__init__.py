"""The Kafka carrier: `KafkaLog` for reading and writing, Faust for consumer groups, topics, the worker."""

from agentgauge_processors.engine.kafka.connection import PLAINTEXT, Security
from agentgauge_processors.engine.kafka.log import KafkaLog
from agentgauge_processors.engine.kafka.topics import check_topics, create_topics
from agentgauge_processors.engine.kafka.worker import WorkerSettings, run_worker

__all__ = [
    "PLAINTEXT",
    "KafkaLog",
    "Security",
    "WorkerSettings",
    "check_topics",
    "create_topics",
    "run_worker",
]
