"""What is odd about an event is counted, from the block to the published totals."""

from collections.abc import Sequence

import msgspec
import pytest
from tests.support.simulation import EPOCH_US, Simulation, block

from agentgauge_schemas import Aggregate, Event, Resource, Topic, Window

SECOND = 1_000_000
CALL = {
    "kind": "span",
    "operation": "chat",
    "provider": "anthropic",
    "model": "claude-opus-4-6",
    "agent": "a",
    "time_us": EPOCH_US,
    "input_tokens": 100,
    "output_tokens": 10,
}
COST = 100 * 5_000 + 10 * 25_000
"""Nano-dollars: 5 and 25 USD a million tokens."""


def call(**fields: object) -> Event:
    return msgspec.convert({**CALL, **fields}, Event)


def totals(*blocks: Sequence[Event]) -> dict[str, Aggregate]:
    """View -> the one total of it, after each of the blocks came from a producer of its own."""
    simulation = Simulation()
    for number, events in enumerate(blocks):
        simulation.send(number % 2, block(f"p{number}", 0, events, resource=Resource(user="u")))
    simulation.drain()
    found = {}
    for view in ("llm", "agent", "user"):
        (found[view],) = simulation.totals(view).values()
    return found


@pytest.mark.parametrize(
    ("odd", "flags"),
    [
        (call(), {}),
        (call(time_us=EPOCH_US + 900_000), {}),
        (call(time_us=EPOCH_US + 1_100_000), {"future": 1}),
        (call(time_us=EPOCH_US + 3 * 86_400 * SECOND), {"future": 1}),
        (call(sampled=False), {"unsampled": 1}),
        (call(truncated=True), {"truncated": 1}),
        (call(cost_nanousd=COST, cache_read_tokens=101), {"token_mismatch": 1}),
        (call(cost_nanousd=COST, reasoning_tokens=11), {"token_mismatch": 1}),
        (call(cost_nanousd=COST, response_model="no-such-model"), {}),
    ],
)
def test_a_flag_is_counted_in_every_view_and_changes_nothing_else(odd: Event, flags: dict[str, int]) -> None:
    for total in totals([call(), odd], [call()]).values():
        assert total.flags == flags
        assert (total.count, total.input_tokens, total.cost_nanousd) == (3, 300, 3 * COST)


@pytest.mark.parametrize(
    ("odd", "flags"),
    [
        ({"response_model": "claude-opus-4-6", "service_tier": "x", "unspecified_tokens": 9}, {}),
        ({"input_tokens": 0, "output_tokens": 0, "unspecified_tokens": 150}, {"unpriced": 1}),
        ({"cache_read_tokens": 101}, {"token_mismatch": 1, "unpriced": 1}),
        ({"cache_read_tokens": 101, "sampled": False}, {"token_mismatch": 1, "unpriced": 1, "unsampled": 1}),
    ],
)
def test_what_cannot_be_priced_is_shown_and_costs_nothing_known(
    odd: dict[str, object], flags: dict[str, int]
) -> None:
    for total in totals([call(), call(**odd)]).values():
        assert total.flags == flags
        assert total.count == 2
        assert total.cost_nanousd == (1 if flags else 2) * COST


def test_an_unknown_model_is_unpriced_and_listed_under_its_name() -> None:
    simulation = Simulation()
    simulation.send(0, block("p", 0, [call(), call(model="no-such-model"), call(model="no-such-model")]))
    simulation.drain()
    found = {values[-1]: total for values, total in simulation.totals("llm").items()}
    assert found["no-such-model"].flags == {"unpriced": 2}
    assert found["no-such-model"].cost_nanousd == 0
    assert found["claude-opus-4-6"].flags == {}
    (agent,) = simulation.totals("agent").values()
    assert (agent.flags, agent.cost_nanousd) == ({"unpriced": 2}, COST)


def test_an_event_from_the_future_counts_at_the_broker_s_time() -> None:
    simulation = Simulation()
    simulation.send(0, block("p", 0, [call(time_us=EPOCH_US + 3 * 86_400 * SECOND)]))
    simulation.drain()
    (total,) = simulation.totals("llm").values()
    assert total.last_us == EPOCH_US
    simulation.pass_time(100)
    simulation.send(0, block("p", 1, [call(time_us=simulation.now_us)]))
    simulation.drain()
    windows = [msgspec.json.decode(m.value or b"", type=Window) for m in simulation.messages(Topic.WINDOWS)]
    starts = {window.start_us for window in windows if window.size_s == 10}
    assert EPOCH_US // (10 * SECOND) * 10 * SECOND in starts


def test_each_of_several_users_has_the_flags_of_their_own_events() -> None:
    simulation = Simulation()
    ahead = EPOCH_US + 60 * SECOND
    events = [
        call(user="ann", time_us=ahead),
        call(user="ann", sampled=False),
        call(user="bob", truncated=True),
    ]
    simulation.send(0, block("p", 0, events))
    simulation.drain()
    flags = {values[1]: total.flags for values, total in simulation.totals("user").items()}
    assert flags == {"ann": {"future": 1, "unsampled": 1}, "bob": {"truncated": 1}}


@pytest.mark.parametrize(
    ("age_s", "flags"), [(0, {}), (3_000, {}), (3_700, {"late": 1}), (86_400 * 20_000, {"late": 1})]
)
def test_late_is_what_comes_after_the_allowed_lateness(age_s: int, flags: dict[str, int]) -> None:
    simulation = Simulation()
    for source in range(2):
        simulation.send(source, block(f"live-{source}", 0, [Event(kind="log", time_us=EPOCH_US)]))
    simulation.drain()
    simulation.pass_time(2)
    simulation.drain()
    simulation.send(0, block("p", 0, [call(time_us=EPOCH_US - age_s * SECOND)]))
    simulation.drain()
    (total,) = simulation.totals("llm").values()
    assert (total.flags, total.count, total.cost_nanousd) == (flags, 1, COST)


def test_backfill_is_never_late() -> None:
    simulation = Simulation()
    for source in range(2):
        simulation.send(source, block(f"live-{source}", 0, [Event(kind="log", time_us=EPOCH_US)]))
    simulation.drain()
    simulation.send(0, block("p", 0, [call(time_us=1)], backfill=True))
    simulation.drain()
    (total,) = simulation.totals("llm").values()
    assert (total.flags, total.count) == ({}, 1)


def test_old_data_beside_live_data_changes_neither_its_windows_nor_its_watermark() -> None:
    """A live producer alone, and beside an import of the same hours: the same windows, the same time."""

    def live(*, beside: bool) -> tuple[dict[tuple[str, int], int], int]:
        simulation = Simulation()
        for minute in range(30):
            for source in range(2):
                events = [call(agent="live", time_us=simulation.now_us)]
                simulation.send(source, block(f"live-{source}", minute, events))
                if beside:
                    old = [call(agent="old", time_us=EPOCH_US + 60 * SECOND * (29 - minute))]
                    simulation.send(source, block(f"import-{source}", minute, old, backfill=True))
            simulation.drain()
            simulation.pass_time(60)
        counts = {
            key: total.count
            for key, total in simulation.windows(60).items()
            if '"agent"' in key[0] and "live" in key[0]
        }
        series = [
            series for series in simulation.series().values() if "live" in series.group.get("agent", "")
        ]
        return counts, max(one.watermark_us for one in series)

    assert live(beside=True) == live(beside=False)
