import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.pipeline import FakeClock, Pipeline, llm_call, tool_call

from agentgauge_processors.engine.contract import Append, Message
from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.event import Event
from agentgauge_schemas.topics import Topic
from agentgauge_sinks.prometheus import PrometheusSink

HAIKU = {
    "project": "default",
    "environment": "default",
    "gen_ai_agent_name": "planner",
    "gen_ai_operation_name": "chat",
    "gen_ai_provider_name": "anthropic",
    "gen_ai_request_model": "claude-haiku-4-5-20251001",
}
BASH = {"project": "default", "gen_ai_agent_name": "planner", "gen_ai_tool_name": "Bash"}
SERVICE = {"project": "default", "service": "tests"}


@pytest.fixture
async def sink(clock: FakeClock) -> AsyncIterator[PrometheusSink]:
    sink = PrometheusSink("127.0.0.1", 0, now_us=clock)
    yield sink
    await sink.stop()


async def catch_up(sink: PrometheusSink, log: SqliteLog) -> None:
    tail = log.tail(await sink.start(log))
    while batches := await tail.poll(0.01):
        await sink.apply(batches)


def value(sink: PrometheusSink, name: str, labels: dict[str, str], **more: str) -> float | None:
    """Of one sample of the page, as Prometheus's own library reads it."""
    for family in text_string_to_metric_families(sink.page() or ""):
        for sample in family.samples:
            if sample.name == name and sample.labels == {**labels, **more}:
                return float(sample.value)
    return None


async def fetch(sink: PrometheusSink) -> tuple[int, str]:
    def get() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/metrics", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(get)


async def test_calls_tokens_and_cost_of_a_model(
    pipeline: Pipeline, log: SqliteLog, sink: PrometheusSink
) -> None:
    calls = [llm_call(), llm_call(cache_read_tokens=400), llm_call(status="error", error_type="overloaded")]
    await pipeline.publish("p", 0, calls)
    await pipeline.settle()
    await catch_up(sink, log)
    assert value(sink, "agentgauge_operations_total", HAIKU) == 3
    assert value(sink, "agentgauge_errors_total", HAIKU, error_type="overloaded") == 1
    assert value(sink, "gen_ai_client_token_usage_total", HAIKU, gen_ai_token_type="input") == 3_000
    assert value(sink, "gen_ai_client_token_usage_total", HAIKU, gen_ai_token_type="cache_read") == 400
    # 2 x 0.0015, and 600 in, 400 cached, 100 out at 1, 0.1 and 5 USD a million.
    assert value(sink, "agentgauge_cost_usd_total", HAIKU) == pytest.approx(0.00414, abs=0)


async def test_le_buckets_are_exact_at_the_advised_boundaries(
    pipeline: Pipeline, log: SqliteLog, sink: PrometheusSink
) -> None:
    durations = [10_000, 10_001, 1_280_000, 1_280_001, 81_920_000, 200_000_000]
    await pipeline.publish("p", 0, [llm_call(duration_us=duration) for duration in durations])
    await pipeline.settle()
    await catch_up(sink, log)
    name = "gen_ai_client_operation_duration_seconds"
    found = {
        le: value(sink, name + "_bucket", HAIKU, le=le)
        for le in ("0.01", "0.02", "1.28", "2.56", "81.92", "+Inf")
    }
    assert found == {"0.01": 1, "0.02": 2, "1.28": 3, "2.56": 4, "81.92": 5, "+Inf": 6}
    assert value(sink, name + "_count", HAIKU) == 6
    assert value(sink, name + "_sum", HAIKU) == sum(durations) / 1e6


async def test_tools_agents_and_odd_events(
    pipeline: Pipeline, log: SqliteLog, sink: PrometheusSink, clock: FakeClock
) -> None:
    events: list[Event | bytes] = [
        tool_call(),
        tool_call(status="error", error_type="timeout"),
        llm_call(model="nobody-knows-it"),
        llm_call(time_us=clock.now_us + 3_000_000_000),
        b'{"kind":"message","time_us":1760000000000000,"agent":"planner","role":"user"}',
    ]
    await pipeline.publish("p", 0, events)
    await pipeline.settle()
    await catch_up(sink, log)
    assert value(sink, "agentgauge_tool_calls_total", BASH) == 2
    assert value(sink, "agentgauge_tool_errors_total", BASH, error_type="timeout") == 1
    unknown = {**HAIKU, "gen_ai_request_model": "nobody-knows-it"}
    assert value(sink, "agentgauge_unpriced_calls_total", unknown) == 1
    assert value(sink, "agentgauge_cost_usd_total", unknown) == 0
    agent = {"project": "default", "environment": "default", "gen_ai_agent_name": "planner", "release": ""}
    assert value(sink, "agentgauge_agent_events_total", agent, kind="span") == 4
    assert value(sink, "agentgauge_agent_events_total", agent, kind="message") == 1
    assert value(sink, "agentgauge_flagged_events_total", agent, flag="future") == 1


async def test_users_are_no_labels(pipeline: Pipeline, log: SqliteLog, sink: PrometheusSink) -> None:
    await pipeline.publish("p", 0, [llm_call(user="alice-17")])
    await pipeline.settle()
    await catch_up(sink, log)
    _, page = await fetch(sink)
    assert "gen_ai_client_token_usage_total{" in page
    assert "alice-17" not in page


async def test_the_accounts_of_a_service_say_what_arrived_and_what_did_not(
    pipeline: Pipeline, log: SqliteLog, sink: PrometheusSink, clock: FakeClock
) -> None:
    await pipeline.publish("p", 0, [llm_call(), llm_call()])
    await pipeline.publish("p", 0, [llm_call(), llm_call()])
    await pipeline.publish(
        "p", 7, [llm_call(), b'{"kind":"span"}'], dropped={"queue_full": 3}, queue_depth=40
    )
    await pipeline.publish("q", 0, [], final=True, partition=1)
    await pipeline.settle()
    await catch_up(sink, log)
    events = {
        outcome: value(sink, "agentgauge_producer_events_total", SERVICE, outcome=outcome)
        for outcome in ("accepted", "duplicate", "rejected", "lost")
    }
    assert events == {"accepted": 3, "duplicate": 2, "rejected": 1, "lost": 0}
    assert value(sink, "agentgauge_events_dropped_total", SERVICE, reason="queue_full") == 3
    assert value(sink, "agentgauge_events_missing", SERVICE) == 5
    assert value(sink, "agentgauge_producers", SERVICE, state="active") == 1
    assert value(sink, "agentgauge_dead_letters", {"reason": "invalid_event"}) == 1

    clock.advance(91)
    assert value(sink, "agentgauge_producers", SERVICE, state="silent") == 1
    assert value(sink, "agentgauge_producers", SERVICE, state="final") == 1
    assert value(sink, "agentgauge_events_unreported", SERVICE) == 40


async def test_folding_an_account_changes_no_sum(
    pipeline: Pipeline, log: SqliteLog, sink: PrometheusSink, clock: FakeClock
) -> None:
    await pipeline.publish("old", 0, [llm_call()] * 5)
    await pipeline.publish("new", 0, [llm_call()] * 2, partition=1)
    await pipeline.settle()
    await catch_up(sink, log)
    assert value(sink, "agentgauge_producer_events_total", SERVICE, outcome="accepted") == 7

    clock.advance(9 * 86_400)
    await pipeline.publish("young", 0, [llm_call()])
    await pipeline.settle()
    await catch_up(sink, log)
    assert value(sink, "agentgauge_producer_events_total", SERVICE, outcome="accepted") == 8

    fresh = PrometheusSink("127.0.0.1", 0, now_us=clock)
    await catch_up(fresh, log)
    assert value(fresh, "agentgauge_producer_events_total", SERVICE, outcome="accepted") == 8
    await fresh.stop()


async def test_nothing_is_served_before_all_that_stands_in_the_topics_is_read(
    pipeline: Pipeline, log: SqliteLog, sink: PrometheusSink
) -> None:
    await pipeline.publish("p", 0, [llm_call(), tool_call()])
    await pipeline.settle()
    tail = log.tail(await sink.start(log))
    assert (await fetch(sink))[0] == 503
    batches = await tail.poll(0.01)
    for batch in batches[:-1]:
        await sink.apply([batch])
    assert (await fetch(sink))[0] == 503
    await sink.apply(batches[-1:])
    status, page = await fetch(sink)
    assert status == 200
    assert page.count("\nagentgauge_operations_total{") == 1


async def test_an_empty_pipeline_is_served_at_once(log: SqliteLog, sink: PrometheusSink) -> None:
    await sink.start(log)
    assert (await fetch(sink))[0] == 200


async def test_after_a_failure_of_the_log_it_goes_on_where_it_was(
    pipeline: Pipeline, log: SqliteLog, sink: PrometheusSink
) -> None:
    await pipeline.publish("p", 0, [b'{"kind":"span"}'])
    await pipeline.settle()
    await catch_up(sink, log)
    await catch_up(sink, log)
    assert value(sink, "agentgauge_dead_letters", {"reason": "invalid_event"}) == 1


async def test_a_group_is_hidden_a_day_after_its_last_change_and_comes_back_where_it_was(
    pipeline: Pipeline, log: SqliteLog, sink: PrometheusSink, clock: FakeClock
) -> None:
    # Long ago by its own time: what counts is when its record was written.
    await pipeline.publish("p", 0, [llm_call(time_us=1_600_000_000_000_000)], backfill=True)
    await pipeline.settle()
    await catch_up(sink, log)
    assert value(sink, "agentgauge_operations_total", HAIKU) == 1
    clock.advance(86_401)
    assert value(sink, "agentgauge_operations_total", HAIKU) is None
    await pipeline.publish("p", 1, [llm_call()])
    await pipeline.settle()
    await catch_up(sink, log)
    assert value(sink, "agentgauge_operations_total", HAIKU) == 2


async def test_windows_are_shown_until_two_newer_ones_have_closed(
    pipeline: Pipeline, log: SqliteLog, sink: PrometheusSink, clock: FakeClock
) -> None:
    def ratio() -> float | None:
        return value(sink, "agentgauge_window_error_ratio", HAIKU, view="llm", window="1m")

    seq = 0
    start_us = clock.now_us // 60_000_000 * 60_000_000
    seen = []
    # minute    0        1        2        3        4
    #         ee oo    (of another group, so that the watermark moves on)
    for minute in range(5):
        clock.now_us = start_us + minute * 60_000_000 + 30_000_000
        events = [tool_call(time_us=clock.now_us)]
        if minute == 0:
            events += [
                llm_call(time_us=clock.now_us, status=status) for status in ("ok", "error", "ok", "ok")
            ]
        for partition in (0, 1):
            await pipeline.publish(
                f"p{partition}", seq, events if not partition else events[:1], partition=partition
            )
        seq += len(events)
        await pipeline.settle()
        await catch_up(sink, log)
        seen.append(ratio())
    assert seen == [None, 0.25, 0.25, None, None]


async def test_a_record_that_is_none_of_ours_is_skipped(log: SqliteLog, sink: PrometheusSink) -> None:
    for key, text in (
        (b"[]", b"{}"),
        (b"x", b"x"),
        (b'["llm","a"]', b"{}"),
        (None, b"{}"),
        (b'["tool"]', None),
    ):
        await log.append(
            [Append(0, Message(Topic.SERIES, key, text)), Append(0, Message(Topic.PRODUCERS, key, text))]
        )
    await catch_up(sink, log)
    assert (await fetch(sink))[0] == 200


async def test_a_port_that_is_taken_is_one_sentence(log: SqliteLog, sink: PrometheusSink) -> None:
    await sink.start(log)
    with pytest.raises(StartupProblem, match=f"{sink.port}.*choose another --port"):
        await PrometheusSink("127.0.0.1", sink.port).start(log)
