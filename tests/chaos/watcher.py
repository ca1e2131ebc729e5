"""A process that reads the results all through a run: no count, sum or version of any group may ever fall.

python -m tests.chaos.watcher '{"kafka": ..., "topic": ..., "partitions": 4, "out": ...}'
"""

import asyncio
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from tests.chaos import wire

MAX_KEPT = 20


@dataclass(frozen=True)
class Report:
    """What was seen."""

    records: int
    violations: int
    examples: list[str]
    longest_pause_s: float

    @classmethod
    def read(cls, path: Path) -> "Report":
        """From the file that the process leaves."""
        return cls(**json.loads(path.read_text()))


class Watcher:
    """Keeps the last value of each key."""

    def __init__(self) -> None:
        self.records = 0
        self.violations = 0
        self.examples: list[str] = []
        self.longest_pause_s = 0.0
        self._last: dict[bytes, tuple[int, wire.Sums]] = {}
        self._partition: dict[bytes, int] = {}
        self._seen = time.monotonic()

    def see(self, record: ConsumerRecord) -> None:
        """One record of `.series`, in order."""
        self.records += 1
        now = time.monotonic()
        self.longest_pause_s = max(self.longest_pause_s, now - self._seen)
        self._seen = now
        series = json.loads(record.value)
        version, sums = series["version"], wire.aggregate(series["total"])
        known = self._last.get(record.key)
        if known is not None and (
            version < known[0]
            or any(new < old for new, old in zip(sums, known[1], strict=True))
            or (version == known[0] and sums != known[1])
        ):
            self._violated(f"{record.key.decode()}: from {known} to {(version, sums)}")
        if self._partition.setdefault(record.key, record.partition) != record.partition:
            self._violated(f"{record.key.decode()} is on two partitions")
        self._last[record.key] = (version, sums)

    def _violated(self, what: str) -> None:
        self.violations += 1
        if len(self.examples) < MAX_KEPT:
            self.examples.append(what)

    def report(self) -> Report:
        """What was seen until now."""
        return Report(self.records, self.violations, self.examples, round(self.longest_pause_s, 1))


async def watch(kafka: str, topic: str, partitions: int) -> Report:
    """Watch until SIGTERM, then read to the end; returns the report."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    watcher = Watcher()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        metadata_max_age_ms=5_000,
    )
    await consumer.start()
    everything = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(everything)
    ends: dict[TopicPartition, int] = {}
    while not ends or any([await consumer.position(each) < end for each, end in ends.items()]):
        try:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    watcher.see(record)
            if stopping.is_set() and not ends:
                ends = await consumer.end_offsets(everything)
        except KafkaError:
            await asyncio.sleep(0.2)
    await consumer.stop()
    return watcher.report()


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    report = asyncio.run(watch(told["kafka"], told["topic"], told["partitions"]))
    Path(told["out"]).write_text(json.dumps(asdict(report)))
