"""Whatever the cluster does between them, totals, windows and accounts equal the truth."""

import random
from collections import Counter

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.simulation import EPOCH_US, Simulation, block

from agentgauge_processors.merge import MergeStage
from agentgauge_processors.merge.partition import MergePartition
from agentgauge_schemas import Entry, Event, Series, Topic
from agentgauge_schemas.group import group_key
from agentgauge_schemas.results import WINDOW_SIZES_S

PRODUCERS = 4
STEPS = ("reduce", "flush", "checkpoint_reduce", "merge", "checkpoint_merge", "crash_reduce", "crash_merge")


class World:
    """Producers that send blocks in order, late, twice or never, and the truth that they sum."""

    def __init__(self, simulation: Simulation, seed: int) -> None:
        self.simulation = simulation
        self.rng = random.Random(seed)
        self.sequences = [0] * PRODUCERS
        self.delivered: list[tuple[int, int, list[Event]]] = []
        self.withheld: list[tuple[int, int, list[Event]]] = []
        self.tools: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.cost = 0
        self.panes: dict[int, Counter[tuple[str, int]]] = {size: Counter() for size in WINDOW_SIZES_S}
        self.duplicates: Counter[int] = Counter()

    def produce(self) -> None:
        number = self.rng.randrange(PRODUCERS)
        count = self.rng.choice((1, 3, 7))
        events = [self._event() for _ in range(count)]
        made = (number, self.sequences[number], events)
        self.sequences[number] += count
        if self.rng.random() < 0.15:
            self.withheld.append(made)
        else:
            self.deliver(made)

    def deliver(self, made: tuple[int, int, list[Event]]) -> None:
        number, seq, events = made
        for event in events:
            tool = event.tool or ""
            self.tools[tool] += 1
            self.errors[tool] += event.status == "error"
            self.cost += event.cost_nanousd or 0
            second = event.time_us // 1_000_000
            for size, panes in self.panes.items():
                panes[tool, second - second % size] += 1
        self.delivered.append(made)
        self._send(number, seq, events)

    def deliver_late(self) -> None:
        if self.withheld:
            self.deliver(self.withheld.pop(self.rng.randrange(len(self.withheld))))

    def send_again(self) -> None:
        if self.delivered:
            number, seq, events = self.rng.choice(self.delivered)
            self.duplicates[number] += len(events)
            self._send(number, seq, events)

    def _send(self, number: int, seq: int, events: list[Event]) -> None:
        source = number % self.simulation.sources
        self.simulation.send(source, block(f"p{number}", seq, events))

    def _event(self) -> Event:
        age = self.rng.choice((0.0, 0.5, 3.0, 40.0, 500.0, 9_000.0))
        return Event(
            kind="span",
            operation="execute_tool",
            tool=f"t{self.rng.randrange(3)}",
            agent="a",
            time_us=self.simulation.now_us - int(age * 1e6),
            duration_us=self.rng.randrange(1, 10_000_000),
            status=self.rng.choice(("ok", "ok", "error")),
            error_type="E",
            cost_nanousd=self.rng.randrange(5),
        )


def live(simulation: Simulation, steps: list[str], seed: int) -> World:
    """Interleave the producers' steps with those of the engine, then let all of it settle."""
    world = World(simulation, seed)
    for step in steps:
        for _ in range(world.rng.randrange(4)):
            world.rng.choice((world.produce, world.produce, world.deliver_late, world.send_again))()
        simulation.pass_time(world.rng.choice((0.1, 1.0, 12.0, 70.0)))
        match step:
            case "reduce":
                simulation.step_reduce(limit=world.rng.choice((1, 1_000)))
            case "merge":
                simulation.step_merge(limit=world.rng.choice((1, 1_000)))
            case _:
                getattr(simulation, step)()
    simulation.drain()
    return world


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(STEPS), min_size=5, max_size=40), st.integers(0, 2**32))
def test_totals_windows_and_accounts_equal_the_truth_under_any_interleaving(
    steps: list[str], seed: int
) -> None:
    simulation = Simulation()
    world = live(simulation, steps, seed)
    close_everything(simulation)

    totals = simulation.totals("tool")
    assert {values[2]: total.count for values, total in totals.items()} == world.tools
    assert Counter({values[2]: total.error_count for values, total in totals.items()}) == world.errors
    assert sum(total.cost_nanousd for total in totals.values()) == world.cost
    for size, panes in world.panes.items():
        if size > 3_600:
            continue  # a day does not end within these runs
        found = {key: total.count for key, total in simulation.windows(size).items() if '"tool"' in key[0]}
        assert found == {
            (group_key("tool", ("default", "a", tool)), start): count
            for (tool, start), count in panes.items()
        }
    accounts = simulation.accounts()
    for number in range(PRODUCERS):
        held = sum(len(events) for owner, _, events in world.withheld if owner == number)
        account = accounts.get(f"p{number}")
        if account is None:
            assert all(owner != number for owner, _, _ in world.delivered)
            continue
        sent = sum(len(events) for owner, _, events in world.delivered if owner == number)
        assert account.accepted == sent
        assert account.duplicates == world.duplicates[number]
        # What was withheld at the very end is not known to exist.
        assert account.missing <= held
        assert account.accepted + account.missing + account.lost == account.next


def close_everything(simulation: Simulation) -> None:
    """Event time moves on until every window of up to an hour has closed."""
    simulation.pass_time(8_000)
    for source in range(simulation.sources):
        event = Event(kind="log", time_us=simulation.now_us)
        simulation.send(source, block(f"closer-{source}", 0, [event]))
    simulation.drain()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(STEPS), min_size=10, max_size=40), st.integers(0, 2**32))
def test_no_published_total_ever_falls(steps: list[str], seed: int) -> None:
    simulation = Simulation()
    live(simulation, steps, seed)
    seen: dict[str, tuple[int, int]] = {}
    for message in simulation.messages(Topic.SERIES):
        series = msgspec.json.decode(message.value or b"", type=Series)
        key = (message.key or b"").decode()
        now = (series.version, series.total.count)
        assert seen.get(key, (0, 0)) <= now
        assert seen.get(key, (0, 0))[1] <= series.total.count
        seen[key] = now


class _NoDedup(MergePartition):
    def is_new(self, entry: Entry) -> bool:
        return True


class _NoDedupStage(MergeStage):
    partition_class = _NoDedup


def test_without_entry_dedup_a_crash_of_reduce_counts_twice() -> None:
    """The check above is able to fail: a twin without the rule over-counts."""
    counts = {}
    for stage in (MergeStage, _NoDedupStage):
        simulation = Simulation(merge_class=stage)
        event = Event(kind="span", operation="execute_tool", tool="t", time_us=EPOCH_US)
        simulation.send(0, block("p", 0, [event]))
        simulation.step_reduce()
        simulation.flush()
        simulation.crash_reduce()
        simulation.drain()
        counts[stage] = sum(total.count for total in simulation.totals("tool").values())
    assert counts == {MergeStage: 1, _NoDedupStage: 2}
