from pathlib import Path

import msgspec
import pytest
from tests.support.pipeline import FakeClock, Pipeline, llm_call, tool_call
from tests.support.sinks import store

from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_schemas.block import Resource
from agentgauge_sinks.storage import Report, StorageSink, build_report


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/storage.sqlite"


async def report(pipeline: Pipeline, url: str, clock: FakeClock) -> Report:
    await pipeline.settle()
    await store(StorageSink(url), pipeline.log)
    return build_report(url, clock.now_us)


async def test_totals_are_exact(pipeline: Pipeline, url: str, clock: FakeClock) -> None:
    calls = [
        llm_call(duration_us=1_000_000),
        llm_call(model="unheard-of"),
        llm_call(operation="text_completion"),
    ]
    tools = [tool_call(), tool_call(status="error"), tool_call(tool="Read")]
    own_cost = llm_call(
        operation="function", event_type="billing", cost_nanousd=1, input_tokens=0, output_tokens=0
    )
    await pipeline.publish("p", 0, [*calls, *tools, own_cost], resource=Resource(user="alice"))
    await pipeline.publish("q", 0, [llm_call(agent="writer", user="bob")], partition=1)
    found = await report(pipeline, url, clock)

    assert msgspec.structs.asdict(found.totals) == {
        "events": 8,
        "llm_calls": 4,
        "llm_errors": 0,
        "tool_calls": 3,
        "tool_errors": 1,
        "input_tokens": 4_000,
        "output_tokens": 400,
        "cost_usd": "0.004500001",
        "unpriced": 1,
    }
    assert [(row.provider, row.model, row.calls, row.cost_usd) for row in found.models] == [
        ("anthropic", "claude-haiku-4-5-20251001", 3, "0.0045"),
        ("anthropic", "unheard-of", 1, "0.00"),
    ]
    assert [(row.agent, row.calls, row.cost_usd) for row in found.agents] == [
        ("planner", 7, "0.003000001"),
        ("writer", 1, "0.0015"),
    ]
    assert [(row.tool, row.calls, row.errors) for row in found.tools] == [("Bash", 2, 1), ("Read", 1, 0)]
    assert [(row.function, row.calls) for row in found.functions] == [("billing", 1)]
    assert found.users == 2
    assert found.unpriced_models == {"unheard-of": 1}
    assert found.models[1].p50_s == pytest.approx(1.5, rel=0.011)


async def test_losses_name_the_producer(pipeline: Pipeline, url: str, clock: FakeClock) -> None:
    await pipeline.publish("whole", 0, [llm_call()], final=True)
    await pipeline.publish("gap", 0, [llm_call()])
    await pipeline.publish("gap", 5, [llm_call(), b"{}"], dropped={"queue_full": 2}, final=True)
    await pipeline.publish("killed", 0, [llm_call()], queue_depth=300, partition=1)
    await pipeline.append(b"what is this?")
    clock.advance(91)
    found = await report(pipeline, url, clock)

    assert found.producers.accepted == 4
    assert found.producers.rejected == 2
    assert found.producers.missing == 4
    assert found.producers.dropped == {"queue_full": 2}
    losses = [
        (loss.producer, loss.missing, loss.dropped, loss.ended_silently, loss.about) for loss in found.losses
    ]
    assert losses == [("gap", 4, {"queue_full": 2}, False, 0), ("killed", 0, {}, True, 300)]
    assert found.dead_letters == {"foreign": 1, "invalid_event": 1}


async def test_the_same_events_give_the_same_text(pipeline: Pipeline, url: str, clock: FakeClock) -> None:
    await pipeline.publish("p", 0, [llm_call(), tool_call(), tool_call(status="error")], final=True)
    before = await report(pipeline, url, clock)
    clock.advance(3_600)
    await pipeline.publish("p", 0, [llm_call(), tool_call(), tool_call(status="error")], final=True)
    after = await report(pipeline, url, clock)
    after.producers.duplicates = 0
    assert msgspec.json.encode(after) == msgspec.json.encode(before)


def test_no_storage_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartupProblem, match="there is no storage at"):
        build_report(f"sqlite:///{tmp_path}/none.sqlite", 0)
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(StartupProblem, match="is empty or of an earlier version"):
        build_report(f"sqlite:///{tmp_path}/empty.sqlite", 0)
    (tmp_path / "other.sqlite").write_bytes(b"this is no database, however long it is" * 100)
    with pytest.raises(StartupProblem, match="cannot be read"):
        build_report(f"sqlite:///{tmp_path}/other.sqlite", 0)
