"""The stages alone, without Kafka: CPU a event of reduce and merge, by shape.

Records are fed in the rhythm that the engine gives them: a flush each 100 ms and a merge checkpoint
each 0.5 s of event time, so the cost of entries, checkpoints and windows is in the figures.
"""

import time
from typing import NamedTuple

from agentgauge_processors.engine.contract import Record, Tick
from agentgauge_processors.merge import MergeStage
from agentgauge_processors.reduce import ReduceStage
from benchmarks.reduce.shapes import SHAPES, blocks

START_US = 1_795_000_000_000_000
PARTITIONS = 8
FLUSH_US, CHECKPOINT_US = 100_000, 500_000


class Costs(NamedTuple):
    """Microseconds of CPU an event."""

    reduce: float
    merge: float


def measure(shape: str, events: int) -> Costs:
    """One run over `events` events of a shape."""
    reduce = ReduceStage(events_partitions=1, merge_partitions=PARTITIONS)
    merge = MergeStage(merge_partitions=PARTITIONS)
    reduce.load(0, {})
    for number in range(PARTITIONS):
        merge.load(number, {})
    produced = list(blocks(SHAPES[shape], events, start_us=START_US))
    spent = {"reduce": 0.0, "merge": 0.0}
    offsets = [0] * PARTITIONS
    flushed = checkpointed = START_US
    for offset, block in enumerate(produced):
        record = Record(0, offset, block.time_us, None, block.value, tuple(block.headers))
        begun = time.process_time()
        reduce.apply(record)
        tick = Tick(block.time_us, {0: offset + 1})
        appends = []
        if block.time_us - flushed >= FLUSH_US:
            flushed = block.time_us
            appends = reduce.drain(tick)
        spent["reduce"] += time.process_time() - begun
        begun = time.process_time()
        for append in appends:
            number = append.partition
            merge.apply(Record(number, offsets[number], block.time_us, None, append.message.value))
            offsets[number] += 1
        if block.time_us - checkpointed >= CHECKPOINT_US:
            checkpointed = block.time_us
            for number in range(PARTITIONS):
                merge.cut(number, tick)
            spent["merge"] += time.process_time() - begun
            begun = time.process_time()
            reduce.cut(0, tick)
            spent["reduce"] += time.process_time() - begun
        else:
            spent["merge"] += time.process_time() - begun
    count = len(produced) * SHAPES[shape].events
    return Costs(spent["reduce"] / count * 1e6, spent["merge"] / count * 1e6)


if __name__ == "__main__":
    for name in SHAPES:
        costs = measure(name, 200_000)
        print(f"{name:8} reduce {costs.reduce:5.2f}  merge {costs.merge:5.2f} us an event")
