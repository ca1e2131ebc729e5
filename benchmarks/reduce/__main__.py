"""`python -m benchmarks.reduce [BOOTSTRAP]`: the stages alone, then through a real broker.

Without BOOTSTRAP the tests' broker is started (Docker, or Java and Maven).
"""

import asyncio
import platform
import statistics
import sys

import aiokafka
import faust
import msgspec
from tests.support.broker import start_broker

from benchmarks.reduce import logic, pipeline
from benchmarks.reduce.shapes import SHAPES

RUNS = 3
TARGETS = {"steady": 3.3, "mixed": 5.0, "small": 15.0}
EVENTS = {"steady": 400_000, "mixed": 400_000, "small": 100_000}


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print(
        f"faust-streaming {faust.__version__}, aiokafka {aiokafka.__version__}, msgspec {msgspec.__version__}"
    )
    broker = None if len(sys.argv) > 1 else start_broker()
    bootstrap = sys.argv[1] if broker is None else broker.bootstrap
    try:
        for shape in SHAPES:
            alone = [logic.measure(shape, 200_000) for _ in range(RUNS)]
            reduce = statistics.median(costs.reduce for costs in alone)
            merge = statistics.median(costs.merge for costs in alone)
            runs = [asyncio.run(pipeline.measure(bootstrap, shape, EVENTS[shape])) for _ in range(RUNS)]
            figures = sorted(run.cpu_us for run in runs)
            print(
                f"{shape:8} stages alone: reduce {reduce:.2f}, merge {merge:.2f}; "
                f"through Kafka: {statistics.median(figures):.2f} us CPU an event "
                f"({figures[0]:.2f}-{figures[-1]:.2f}, target {TARGETS[shape]}), "
                f"{EVENTS[shape] / min(run.wall_s for run in runs):,.0f} events/s, idle {runs[0].idle:.1%} of a core",
                flush=True,
            )
    finally:
        if broker is not None:
            broker.remove()


if __name__ == "__main__":
    main()
