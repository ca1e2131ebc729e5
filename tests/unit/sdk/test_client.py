"""The client: what is said about spans, events and scores arrives as valid events, and nothing raises."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from agentgauge import Client, ValidationError
from agentgauge.testing import ManualClock, MemoryTransport
from agentgauge_schemas.event import MAX_EVENT_BYTES, Event


def events(client: Client, transport: MemoryTransport) -> list[Event]:
    result = client.flush(5)
    assert result.pending == 0
    return transport.events


def test_a_span_is_one_event_at_its_end(
    client: Client, transport: MemoryTransport, clock: ManualClock
) -> None:
    with client.span("fetch", input={"q": 1}, metadata={"a": 1}, tags=["x"]) as span:
        clock.advance(0.25)
        span.output = {"records": 3}
        span.metadata["b"] = 2
        span.tags.append("y")
    [event] = events(client, transport)
    assert event == Event(
        kind="span",
        time_us=1_700_000_000_250_000,
        duration_us=250_000,
        operation="function",
        event_type="fetch",
        name="fetch",
        agent="planner",
        trace_id=f"{1:032x}",
        span_id=f"{1:016x}",
        input={"q": 1},
        output={"records": 3},
        metadata={"a": 1, "b": 2},
        tags=["x", "y"],
    )


def test_spans_nest_by_what_is_current_and_by_what_is_named(
    client: Client, transport: MemoryTransport
) -> None:
    with client.span("outer") as outer:
        with client.span("inner") as inner:
            pass
        with outer.span("named"), inner.span("of an ended one"):
            pass
    found = {event.name: event for event in events(client, transport)}
    assert {event.trace_id for event in found.values()} == {outer.trace_id}
    assert found["outer"].parent_id is None
    assert found["inner"].parent_id == found["named"].parent_id == outer.span_id
    assert found["of an ended one"].parent_id == inner.span_id


def test_what_identifies_goes_on_to_inner_spans_and_events(
    client: Client, transport: MemoryTransport
) -> None:
    with client.span("run", user="ada", session_id="s1") as run:
        run.agent = "writer"
        client.event("note")
        with client.span("step", user="bob"):
            pass
    found = {event.name: event for event in events(client, transport)}
    assert [(found[n].agent, found[n].user, found[n].session_id) for n in ("run", "note", "step")] == [
        ("writer", "ada", "s1"),
        ("writer", "ada", "s1"),
        ("writer", "bob", "s1"),
    ]


def test_a_generation_carries_usage_cost_and_model(client: Client, transport: MemoryTransport) -> None:
    with client.generation("gpt-call", model="gpt-4", model_parameters={"temperature": 0.7}) as generation:
        generation.provider = "openai"
        generation.usage = {"inputTokens": 10, "outputTokens": 3}
        generation.cost_usd = Decimal("0.0042")
        generation.first_token()
        assert generation.usage == {"input_tokens": 10, "output_tokens": 3}
        assert generation.cost_usd == Decimal("0.0042")
    [event] = events(client, transport)
    assert (event.operation, event.event_type, event.model) == ("chat", "generation", "gpt-4")
    assert (event.input_tokens, event.output_tokens) == (10, 3)
    assert (event.cost_nanousd, event.cost_source) == (4_200_000, "user")
    assert event.model_parameters == {"temperature": 0.7}
    assert event.time_to_first_token_us == 0


@pytest.mark.parametrize(
    ("event_type", "operation"),
    [
        ("llm_call", "chat"),
        ("completion", "chat"),
        ("tool_call", "execute_tool"),
        ("retrieval", "retrieval"),
        ("embedding", "embeddings"),
        ("query", "function"),
    ],
)
def test_the_event_type_says_what_the_operation_is(
    client: Client, transport: MemoryTransport, event_type: str, operation: str
) -> None:
    client.span("x", event_type=event_type).end()
    [event] = events(client, transport)
    assert (event.operation, event.event_type) == (operation, event_type)


def test_an_exception_makes_a_failed_span_and_goes_on(client: Client, transport: MemoryTransport) -> None:
    error = ValueError("wrong password=hunter2")
    with pytest.raises(ValueError, match="hunter2") as raised, client.span("risky"):
        raise error
    assert raised.value is error
    [event] = events(client, transport)
    assert (event.status, event.error_type) == ("error", "ValueError")
    assert event.error_message == "wrong password=[REDACTED]"
    assert event.traceback is not None
    assert "test_client.py" in event.traceback


def test_an_error_or_its_level_makes_a_failed_span(client: Client, transport: MemoryTransport) -> None:
    with client.span("a") as a:
        a.error = "went wrong"
    with client.span("b") as b:
        b.level = "ERROR"
    with client.span("c") as c:
        c.level = "WARNING"
    assert [event.status for event in events(client, transport)] == ["error", "error", "ok"]


def test_what_is_set_is_captured_at_once(client: Client, transport: MemoryTransport) -> None:
    messages = [{"role": "user", "password": "hunter2"}]
    with client.span("chat") as span:
        span.input = messages
        messages.append({"role": "assistant"})
    [event] = events(client, transport)
    assert event.input == [{"role": "user", "password": "[REDACTED]"}]


def test_secrets_are_hidden_in_every_field(client: Client, transport: MemoryTransport) -> None:
    secret = "password=hunter2"
    text_fields: dict[str, Any] = dict.fromkeys(
        ("name", "content", "comment", "command", "stdout", "stderr", "file_before", "file_after"), secret
    )
    client.record(
        "terminal",
        **text_fields,
        tags=[secret],
        metadata={"password": "hunter2"},
        input={"password": "hunter2"},
    )
    client.event(secret, {"password": "hunter2"})
    with client.span(secret, tags=[secret], model_parameters={"Password": "hunter2"}, user=secret) as span:
        span.output = [secret]
        span.error = secret
    found = events(client, transport)
    assert len(found) == 3
    assert "hunter2" not in msgspec.json.encode(found).decode()


def test_an_event_belongs_to_the_current_span(client: Client, transport: MemoryTransport) -> None:
    client.event("alone", {"step": 0})
    with client.span("task") as span:
        client.event("inside", "text")
    alone, inside, _ = events(client, transport)
    assert (alone.kind, alone.metadata, alone.trace_id) == ("log", {"step": 0}, None)
    assert (inside.metadata, inside.trace_id, inside.parent_id) == (
        {"value": "text"},
        span.trace_id,
        span.span_id,
    )


@pytest.mark.parametrize(
    ("value", "data_type"), [(0.95, "numeric"), (1, "numeric"), (True, "boolean"), ("good", "categorical")]
)
def test_a_score_has_the_type_of_its_value(
    client: Client, transport: MemoryTransport, value: float | bool | str, data_type: str
) -> None:
    client.score("quality", value, trace_id="trace-123", comment="fine")
    [event] = events(client, transport)
    assert (event.kind, event.value, event.data_type) == ("score", value, data_type)
    assert (event.target_kind, event.target_id, event.comment) == ("trace", "trace-123", "fine")


def test_a_score_may_say_its_type(client: Client, transport: MemoryTransport) -> None:
    client.score("correct", 1, trace_id="t", data_type="boolean")
    with client.span("task") as span:
        span.score("quality", 0.5)
        client.score("helpful", 4.5, target_kind="conversation", target_id="c1", scale_min=1, scale_max=5)
    correct, quality, helpful, _ = events(client, transport)
    assert correct.value is True
    assert (quality.target_kind, quality.target_id) == ("trace", span.trace_id)
    assert (helpful.target_kind, helpful.target_id, helpful.scale_max) == ("conversation", "c1", 5)


def test_invalid_events_are_dropped_counted_and_reported(transport: MemoryTransport) -> None:
    errors: list[Exception] = []
    with Client(transport=transport, on_error=errors.append) as client:
        client.score("x", float("nan"))
        client.score("x", 1, trace_id="t" * 129)
        client.score("x", "good", data_type="numeric")
        client.record("log", no_such_field=1)
        client.record("span", duration_us=-1)
        client.span("s", tags=[1]).end()  # type: ignore[list-item]  # wrong on purpose
        client.event("good")
        result = client.flush(5)
    assert (result.sent, result.dropped) == (1, 6)
    assert transport.blocks[-1].block.dropped == {"invalid": 6}
    assert len(errors) == 6
    assert all(isinstance(error, ValidationError) for error in errors)


class Hostile:
    """Raises whatever is done to it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("hands off")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("hands off")

    def __hash__(self) -> int:
        raise RuntimeError("hands off")

    def __repr__(self) -> str:
        raise RuntimeError("hands off")

    def __iter__(self) -> Any:
        raise RuntimeError("hands off")


@pytest.mark.parametrize("which", ["hostile", "none", "number", "list", "mapping", "nan", "huge"])
def test_no_value_in_any_place_raises(transport: MemoryTransport, which: str) -> None:
    values: dict[str, Any] = {
        "hostile": Hostile(),
        "none": None,
        "number": 7,
        "list": [Hostile()],
        "mapping": {1: Hostile()},
        "nan": float("nan"),
        "huge": 10**400,
    }
    value = values[which]
    with Client(transport=transport) as client:
        with client.span(value, event_type=value, operation=value, tags=value, metadata=value, agent=value):
            pass
        with client.generation("g", value, input=value, model_parameters=value, level=value) as generation:
            generation.output = value
            generation.usage = value
            generation.cost_usd = value
            generation.metadata = value
            generation.tags = value
            generation.error = value
            generation.user = value
            generation.score(value, value, value)
            generation.event(value, value, level=value)
        client.score("x", 1, target_kind=value, target_id=value, data_type=value, scale_min=value)
        client.record(value, time_us=value, metadata=value)
        client.observe(lambda x: x)(value)
        client.observe(name=value, event_type=value, metadata=value, tags=value)(len)([])
        client.event("still here")
        assert client.flush(5).pending == 0
    assert transport.events[-1].name == "still here"


def test_an_invalid_usage_or_cost_does_not_cost_the_span(transport: MemoryTransport) -> None:
    errors: list[Exception] = []
    with Client(transport=transport, on_error=errors.append) as client:
        with client.generation("g", "m") as generation:
            generation.usage = {"input_tokens": -5}
            generation.cost_usd = -1
        assert [event.input_tokens for event in events(client, transport)] == [0]
    assert len(errors) == 2


def test_a_strict_client_raises_in_the_caller_but_not_at_the_end_of_a_block(
    transport: MemoryTransport,
) -> None:
    with Client(transport=transport, strict=True) as client:
        with pytest.raises(ValidationError):
            client.score("x", float("inf"))
        with pytest.raises(ValidationError, match="no_such_field"):
            client.record("log", no_such_field=1)
        with client.span("s", tags=[1]):  # type: ignore[list-item]  # wrong on purpose
            pass
        assert client.flush(5).dropped == 1


def test_an_on_error_that_raises_hurts_nobody(transport: MemoryTransport) -> None:
    def broken(error: Exception) -> None:
        raise RuntimeError("broken handler")

    with Client(transport=transport, on_error=broken) as client:
        client.score("x", float("nan"))
        assert client.flush(5).dropped == 1


def test_an_event_above_256_kib_is_truncated(client: Client, transport: MemoryTransport) -> None:
    big = "\x01" * 60_000  # each becomes six bytes of JSON
    with client.span("s", input=big, metadata={"k": big}, tags=[big]) as span:
        span.output = {"small": 1}
    [event] = events(client, transport)
    assert event.truncated
    assert event.output == {"small": 1}
    assert len(msgspec.json.encode(event)) <= MAX_EVENT_BYTES


def test_captured_parts_are_marked(client: Client, transport: MemoryTransport) -> None:
    client.span("s", input=list(range(5_000))).end()
    client.span("t", metadata={"x": "y" * 100_000}).end()
    assert [event.truncated for event in events(client, transport)] == [True, True]


def test_old_times_go_out_as_backfill(client: Client, transport: MemoryTransport, clock: ManualClock) -> None:
    now_us = clock.time_ns() // 1000
    client.event("now")
    client.event("old", time_us=now_us - 3_601_000_000)
    client.event("now too")
    client.flush(5)
    assert [(sent.headers.backfill, [e.name for e in sent.block.events]) for sent in transport.blocks] == [
        (False, ["now", "now too"]),
        (True, ["old"]),
    ]


def test_a_disabled_client_works_and_publishes_nothing() -> None:
    client = Client(enabled=False, strict=True)

    def double(x: int) -> int:
        return 2 * x

    assert client.observe(double)(4) == 8
    with client.span("s") as span, span.generation("g", "m") as generation:
        generation.usage = {"input_tokens": -1}
        generation.output = "x"
        span.score("x", float("nan"))
        span.event("y")
    assert span.trace_id
    assert client.flush() == (0, 0, 0, ())
    assert client.close() == (0, 0, 0, ())


def test_after_close_events_are_counted(transport: MemoryTransport) -> None:
    client = Client(transport=transport)
    client.event("before")
    assert client.close().sent == 1
    client.event("after")
    with client.span("after too"):
        pass
    assert client.close() == (1, 0, 2, ())
    assert [event.name for event in transport.events] == ["before"]
    assert transport.blocks[-1].block.final


async def test_a_client_is_an_asynchronous_context_manager_too(transport: MemoryTransport) -> None:
    async with Client(transport=transport) as client, client.span("s") as span:
        span.output = 1
    assert [event.output for event in transport.events] == [1]


def test_the_block_says_who_sends(transport: MemoryTransport) -> None:
    with Client(
        transport=transport, project="p", environment="e", service="s", release="r", agent="a"
    ) as client:
        client.event("x")
    [sent] = transport.blocks
    resource = sent.block.resource
    assert (resource.project, resource.environment, resource.service, resource.release) == (
        "p",
        "e",
        "s",
        "r",
    )
    assert resource.host
    assert resource.process
    assert resource.sdk.startswith("agentgauge-python ")
    assert sent.block.final
