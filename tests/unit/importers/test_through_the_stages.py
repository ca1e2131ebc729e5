"""The shipped sessions through the real stages: counts, tokens and costs equal the raw files'."""

import zlib
from collections.abc import Sequence
from functools import partial
from zipfile import ZipFile

import pytest
from tests.support.session_truth import session_truth
from tests.support.simulation import EPOCH_US, Simulation, block

from agentgauge_cli.demo_data import ARCHIVE, replay
from agentgauge_cli.importers.publish import Options, publish_session
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.block import BlockHeaders, Resource, encode_block
from agentgauge_schemas.event import Event
from agentgauge_schemas.group import VIEWS, group_key


class SimulatedPublisher:
    """Sends blocks as the SDK does, to a broker that answers at once."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def publish(
        self,
        producer: str,
        seq: int,
        events: Sequence[bytes],
        *,
        resource: Resource,
        backfill: bool = False,
        repeatable: bool = False,
        final: bool = False,
    ) -> None:
        partition = zlib.crc32(producer.encode()) % self._simulation.sources
        headers = BlockHeaders(producer, partition, seq, len(events), backfill=backfill)
        value = encode_block(resource, events, repeatable=repeatable, final=final)
        self._simulation.send(partition, (headers.encode(), value))


def by(simulation: Simulation, view: str, attribute: str) -> dict[str, Aggregate]:
    index = VIEWS[view].index(attribute)
    sums: dict[str, Aggregate] = {}
    for values, total in simulation.totals(view).items():
        sums.setdefault(values[index], Aggregate()).add(total)
    return sums


def check(simulation: Simulation) -> None:
    truth = session_truth()
    assert {
        model: (total.count, total.input_tokens, total.output_tokens, total.cost_nanousd)
        for model, total in by(simulation, "llm", "model").items()
    } == {
        model: (of.responses, of.input, of.output, round(of.cost_usd(model) * 1e9))
        for model, of in truth.models.items()
    }
    tools = by(simulation, "tool", "tool")
    assert {tool: total.count for tool, total in tools.items()} == truth.calls
    assert {tool: total.error_count for tool, total in tools.items() if total.errors} == truth.failed
    assert sum(total.cost_nanousd for total in by(simulation, "llm", "model").values()) == 29_364_991_050
    simulation.pass_time(11)  # accounts are published every 10 s
    simulation.drain()
    accounts = simulation.accounts()
    assert sum(account.accepted for account in accounts.values()) == 591 + 765
    assert not any(account.open or account.lost or account.rejected for account in accounts.values())


@pytest.mark.parametrize("times", [1, 2])
def test_a_replay_counts_once_however_often_it_is_made(times: int) -> None:
    simulation = Simulation(sources=4, merges=2)
    for _ in range(times):
        replay(SimulatedPublisher(simulation), now_us=EPOCH_US)
        simulation.drain()
    check(simulation)
    duplicates = sum(account.duplicates for account in simulation.accounts().values())
    assert duplicates == (times - 1) * (591 + 765)


def import_all(simulation: Simulation, share: float = 1.0) -> None:
    """The sessions at their original times, or the first lines of each."""
    with ZipFile(ARCHIVE) as archive:
        files = {name: archive.read(name).splitlines() for name in archive.namelist()}
    published: set[str] = set()
    for name, lines in files.items():
        publish_session(
            SimulatedPublisher(simulation),
            lines[: int(share * len(lines))],
            file=name,
            still=partial(bool, share == 1.0),
            options=Options(),
            published=published,
        )


def test_files_that_grow_between_imports_count_once() -> None:
    simulation = Simulation(sources=4, merges=2)
    for share in (0.2, 0.21, 0.5, 0.77, 1.0):
        import_all(simulation, share)
        simulation.drain()
    check(simulation)


def live_traffic(simulation: Simulation, *, importing: bool) -> None:
    """A producer that reports for three minutes; in their midst the sessions are imported, or not."""
    for second in range(180):
        simulation.pass_time(1)
        event = Event(
            kind="span", operation="execute_tool", tool="live", agent="live", time_us=simulation.now_us
        )
        simulation.send(0, block("live", second, [event]))
        if importing and second == 60:
            import_all(simulation)
        simulation.step_reduce()
        simulation.flush()
        simulation.step_merge()
        simulation.checkpoint_merge()
    simulation.drain()


def test_old_sessions_and_a_live_producer_do_not_disturb_each_other() -> None:
    alone, imported, both = (Simulation(sources=4, merges=2) for _ in range(3))
    live_traffic(alone, importing=False)
    live_traffic(both, importing=True)
    import_all(imported)
    imported.drain()

    check(imported)
    expected = {**imported.totals("tool"), **alone.totals("tool")}
    assert {key: total.count for key, total in both.totals("tool").items()} == {
        key: total.count for key, total in expected.items()
    }
    for size_s in (10, 60):
        expected_windows = {**imported.windows(size_s), **alone.windows(size_s)}
        assert len(alone.windows(size_s)) > 1
        assert both.windows(size_s) == expected_windows
    # The watermark followed the live producer: old data neither held it nor moved it.
    live_key = group_key("tool", ("default", "live", "live"))
    assert both.series()[live_key].watermark_us == alone.series()[live_key].watermark_us > EPOCH_US
