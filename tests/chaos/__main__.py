"""The long form: `python -m tests.chaos [SECONDS] [SEED]`. Ends with 1 when anything was not exact."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import scripts
from tests.chaos.scenario import Run, Scenario
from tests.support.broker import start_broker


def main() -> int:
    """Two minutes of faults over more than 200,000 events, by default."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    scenario = Scenario(
        seconds=seconds,
        script=scripts.storm_with_outage,
        blocks_per_s=40,
        partitions=8,
        sdk_generators=2,
        sinks=True,
        self_kill=0.004,
        self_stop=0.002,
        slow_merge_s=0.005,
        before_send_s=0.1,
        seed=seed,
    )
    folder = Path(tempfile.mkdtemp(prefix="agentgauge-chaos-"))
    print(f"{seconds:.0f} s of faults, seed {seed}; logs in {folder}", flush=True)
    broker = start_broker()
    try:
        outcome = asyncio.run(Run(scenario, broker, folder, "chaos").go())
    finally:
        broker.remove()
    print(outcome)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
