"""The short form: one storm that the pipeline must survive exactly, and four broken pipelines that the
checker must not let pass.
"""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from tests.chaos import scripts
from tests.chaos.scenario import Outcome, Run, Scenario
from tests.support.broker import Broker

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

STORM = Scenario(
    seconds=45,
    script=scripts.storm_with_outage,
    sdk_generators=2,
    sinks=True,
    self_kill=0.004,
    self_stop=0.002,
    slow_merge_s=0.01,
    before_send_s=0.1,
)
ONE_OF_EACH = Scenario(seconds=20, script=scripts.peace, generators=1, workers=1, static=True)


async def run(scenario: Scenario, broker: Broker, folder: Path) -> Outcome:
    outcome = await Run(scenario, broker, folder, f"chaos-{uuid.uuid4().hex[:8]}").go()
    print(outcome)
    return outcome


def caught(outcome: Outcome) -> bool:
    """Whether wrong numbers were seen, not only something that is late."""
    return any(problem.startswith(("totals:", "windows:", "watched:")) for problem in outcome.problems)


async def assert_caught(twin: Scenario, broker: Broker, folder: Path) -> None:
    """Each twin meets its fault by timing, which a busy machine may spoil: it has three tries."""
    for attempt in range(3):
        tried = folder / str(attempt)
        tried.mkdir()
        if caught(await run(twin, broker, tried)):
            return
    raise AssertionError(f"the checker let {twin.twin} pass three times")


async def test_all_counts_are_exact_after_a_storm_and_none_ever_fell(
    own_broker: Broker, tmp_path: Path
) -> None:
    outcome = await run(STORM, own_broker, tmp_path)
    assert outcome.problems == []
    assert outcome.events > 50_000
    assert outcome.duplicates > 0
    assert outcome.lost > 0
    assert outcome.compacted > 0


async def test_a_merge_that_starts_at_the_committed_offset_is_caught(broker: Broker, tmp_path: Path) -> None:
    twin = replace(
        ONE_OF_EACH,
        twin="committed-offset",
        seconds=25,
        script=scripts.kill_merge,
        slow_merge_s=0.02,
        before_send_s=0.1,
    )
    await assert_caught(twin, broker, tmp_path)


async def test_a_merge_that_applies_every_entry_is_caught(broker: Broker, tmp_path: Path) -> None:
    twin = replace(ONE_OF_EACH, twin="no-dedup", script=scripts.kill_reduce)
    await assert_caught(twin, broker, tmp_path)


async def test_results_outside_the_transaction_are_caught(broker: Broker, tmp_path: Path) -> None:
    twin = replace(
        ONE_OF_EACH,
        twin="outputs-outside",
        slow_merge_s=0.05,
        before_send_s=0.1,
        self_kill=1.0,
        self_stages=("merge",),
        at="outputs-sent",
        after=8,
    )
    await assert_caught(twin, broker, tmp_path)


# Not a gate yet: in most runs the merge that loads the old state publishes nothing that falls before
# it has caught up, so the checker has nothing to see.
@pytest.mark.xfail(run=False, strict=False, reason="the fault is met in some runs only")
async def test_one_state_topic_for_both_stages_is_caught(broker: Broker, tmp_path: Path) -> None:
    twin = replace(
        ONE_OF_EACH,
        twin="shared-state",
        seconds=28,
        workers=2,
        session_s=20,
        script=scripts.kill_merge_after_a_freeze,
        slow_merge_s=0.03,
        self_stop=1.0,
        self_stages=("reduce",),
        at="transaction-acknowledged",
        after=10,
        once=True,
    )
    await assert_caught(twin, broker, tmp_path)
