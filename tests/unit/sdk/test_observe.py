"""The decorator: a call is observed, and value, exception, signature and protocol stay what they are."""

import asyncio
import contextvars
import gc
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing

import pytest

import agentgauge
from agentgauge import Client
from agentgauge.testing import MemoryTransport
from agentgauge_schemas.event import Event


def by_name(client: Client, transport: MemoryTransport) -> dict[str | None, Event]:
    assert client.flush(5).pending == 0
    return {event.name: event for event in transport.events}


def test_arguments_and_result_are_captured(client: Client, transport: MemoryTransport) -> None:
    @client.observe
    def ask(question: str, *more: int, password: str = "", **rest: int) -> dict[str, str]:
        return {"answer": question.upper()}

    assert ask("why", 1, 2, password="x", k=3) == {"answer": "WHY"}
    event = by_name(client, transport)["ask"]
    assert event.input == {"question": "why", "args": [1, 2], "password": "[REDACTED]", "k": 3}
    assert event.output == {"answer": "WHY"}
    assert (event.operation, event.event_type, event.agent) == ("function", "ask", "planner")


def test_options(client: Client, transport: MemoryTransport) -> None:
    @client.observe(
        name="search",
        event_type="tool_call",
        agent="writer",
        metadata={"v": 1},
        tags=["t"],
        capture_input=False,
        capture_output=False,
    )
    def run(query: str) -> str:
        return query

    run("x")
    event = by_name(client, transport)["search"]
    assert (event.operation, event.tool, event.agent) == ("execute_tool", "search", "writer")
    assert (event.metadata, event.tags, event.input, event.output) == ({"v": 1}, ["t"], None, None)


def test_a_function_keeps_its_name_signature_and_exception(
    client: Client, transport: MemoryTransport
) -> None:
    error = KeyError("k")

    @client.observe()
    def fail(x: int, y: str = "a") -> None:
        """Documented."""
        raise error

    assert (fail.__name__, fail.__doc__) == ("fail", "Documented.")
    assert list(inspect.signature(fail).parameters) == ["x", "y"]
    with pytest.raises(KeyError) as raised:
        fail(1)
    assert raised.value is error
    assert by_name(client, transport)["fail"].error_type == "KeyError"


def test_wrong_arguments_raise_what_they_always_did(client: Client) -> None:
    @client.observe
    def one(x: int) -> int:
        return x

    with pytest.raises(TypeError, match="one"):
        one(1, 2)  # type: ignore[call-arg]  # wrong on purpose


def test_methods_of_every_sort(client: Client, transport: MemoryTransport) -> None:
    class Agent:
        @client.observe
        def method(self, x: int) -> int:
            return x

        @classmethod
        @client.observe
        def inner_class(cls, x: int) -> int:
            return x

        @client.observe
        @staticmethod
        def static(x: int) -> int:
            return x

    agent = Agent()
    assert (agent.method(1), Agent.inner_class(2), agent.static(3)) == (1, 2, 3)
    found = by_name(client, transport)
    assert [found[name].input for name in ("method", "inner_class", "static")] == [
        {"x": 1},
        {"x": 2},
        {"x": 3},
    ]


def test_calls_nest(client: Client, transport: MemoryTransport) -> None:
    @client.observe
    def inner() -> None:
        client.event("note")

    @client.observe
    def outer() -> None:
        inner()

    outer()
    found = by_name(client, transport)
    assert found["inner"].parent_id == found["outer"].span_id
    assert found["note"].parent_id == found["inner"].span_id
    assert len({event.trace_id for event in found.values()}) == 1
    assert agentgauge.current_span() is None


async def test_coroutines_nest_across_tasks(client: Client, transport: MemoryTransport) -> None:
    @client.observe
    async def inner(number: int) -> int:
        await asyncio.sleep(0)
        return number

    @client.observe
    async def outer() -> list[int]:
        return await asyncio.gather(*(inner(number) for number in range(5)))

    assert inspect.iscoroutinefunction(outer)
    assert await outer() == [0, 1, 2, 3, 4]
    client.flush(5)
    outer_event = next(event for event in transport.events if event.name == "outer")
    inner_events = [event for event in transport.events if event.name == "inner"]
    assert {event.parent_id for event in inner_events} == {outer_event.span_id}
    assert sorted(str(event.output) for event in inner_events) == ["0", "1", "2", "3", "4"]


async def test_a_cancelled_coroutine_is_a_failed_one(client: Client, transport: MemoryTransport) -> None:
    @client.observe
    async def forever() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert by_name(client, transport)["forever"].error_type == "CancelledError"


def test_a_generator_keeps_its_protocol(client: Client, transport: MemoryTransport) -> None:
    @client.observe
    def echo() -> Generator[str, str, int]:
        received = yield "first"
        try:
            received = yield f"got {received}"
        except ValueError as error:
            yield f"caught {error}"
        return 7

    assert inspect.isgeneratorfunction(echo)
    generator = echo()
    assert next(generator) == "first"
    assert generator.send("a") == "got a"
    assert generator.throw(ValueError("b")) == "caught b"
    with pytest.raises(StopIteration) as stopped:
        next(generator)
    assert stopped.value.value == 7
    event = by_name(client, transport)["echo"]
    assert event.output == "firstgot acaught b"
    assert event.status == "ok"


def test_between_the_steps_of_a_generator_its_span_is_not_current(
    client: Client, transport: MemoryTransport
) -> None:
    seen: list[object] = []

    @client.observe
    def steps() -> Iterator[int]:
        for number in range(2):
            client.event(f"step {number}")
            yield number

    with client.span("consumer") as consumer:
        for _ in steps():
            seen.append(agentgauge.current_span())
    assert seen == [consumer, consumer]
    found = by_name(client, transport)
    assert found["step 1"].parent_id == found["steps"].span_id
    assert found["steps"].parent_id == consumer.span_id


def test_a_generator_closed_early_is_complete(client: Client, transport: MemoryTransport) -> None:
    closed: list[bool] = []

    @client.observe
    def numbers() -> Generator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(True)

    generator = numbers()
    next(generator)
    generator.close()
    assert closed == [True]
    event = by_name(client, transport)["numbers"]
    assert (event.status, event.output) == ("ok", [0])


def test_a_generator_may_end_in_another_context(client: Client, transport: MemoryTransport) -> None:
    @client.observe
    def numbers() -> Generator[int]:
        yield 1
        yield 2

    generator = numbers()
    contextvars.copy_context().run(next, generator)
    thread = threading.Thread(target=generator.close)
    thread.start()
    thread.join()
    del generator
    gc.collect()
    assert by_name(client, transport)["numbers"].status == "ok"
    assert agentgauge.current_span() is None


def test_a_generator_that_raises(client: Client, transport: MemoryTransport) -> None:
    @client.observe
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("pipe")

    with pytest.raises(OSError, match="pipe"):
        list(broken())
    event = by_name(client, transport)["broken"]
    assert (event.error_type, event.output) == ("OSError", [1])


def test_a_models_stream_has_a_time_to_first_token(client: Client, transport: MemoryTransport) -> None:
    @client.observe(event_type="llm_call", model="gpt-4")
    def stream() -> Iterator[str]:
        yield from ("Hel", "lo")

    assert "".join(stream()) == "Hello"
    event = by_name(client, transport)["stream"]
    assert (event.output, event.model, event.time_to_first_token_us) == ("Hello", "gpt-4", 0)


def test_an_endless_generator_keeps_little(client: Client, transport: MemoryTransport) -> None:
    @client.observe
    def texts() -> Iterator[str]:
        for _ in range(10_000):
            yield "x" * 100

    for _ in texts():
        pass
    event = by_name(client, transport)["texts"]
    assert event.truncated
    assert isinstance(event.output, str)
    assert len(event.output) <= 65_536


async def test_an_asynchronous_generator_keeps_its_protocol(
    client: Client, transport: MemoryTransport
) -> None:
    @client.observe
    async def echo() -> AsyncGenerator[str, str]:
        received = yield "first"
        await asyncio.sleep(0)
        try:
            yield f"got {received}"
        except ValueError as error:
            yield f"caught {error}"

    assert inspect.isasyncgenfunction(echo)
    generator = echo()
    assert await anext(generator) == "first"
    assert agentgauge.current_span() is None
    assert await generator.asend("a") == "got a"
    assert await generator.athrow(ValueError("b")) == "caught b"
    with pytest.raises(StopAsyncIteration):
        await anext(generator)
    assert by_name(client, transport)["echo"].output == "firstgot acaught b"


async def test_an_asynchronous_generator_closed_early(client: Client, transport: MemoryTransport) -> None:
    @client.observe
    async def numbers() -> AsyncIterator[int]:
        for number in range(100):
            yield number

    async with aclosing(numbers()) as generator:  # type: ignore[type-var]  # it is a generator
        async for number in generator:
            if number == 2:
                break
    event = by_name(client, transport)["numbers"]
    assert (event.status, event.output) == ("ok", [0, 1, 2])


def test_an_inner_span_that_ends_late_does_not_stay_current(client: Client) -> None:
    outer = client.span("outer")
    inner = client.span("inner")
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    inner.__exit__(None, None, None)
    assert agentgauge.current_span() is None


def test_entering_a_span_twice_does_no_harm(client: Client) -> None:
    with client.span("a") as a, client.span("b"), a, a:
        pass
    assert agentgauge.current_span() is None


def test_what_ended_is_not_kept_alive(client: Client) -> None:
    """A task that starts its successor and ends, for ever: the chain of contexts must not grow."""
    span = client.span("first")
    span.enter()
    for number in range(2_000):
        successor = client.span(str(number))
        successor.enter()
        span.end()
        span = successor
    span.end()
    assert span.living() is None
    span.leave()
    assert agentgauge.current_span() is None
    assert client.flush(5).pending == 0


def test_module_level_functions_use_the_client_of_the_moment(transport: MemoryTransport) -> None:
    @agentgauge.observe
    def work() -> None:
        agentgauge.event("note")
        agentgauge.score("fine", True)
        with agentgauge.span("part"), agentgauge.generation("call", "m"):
            pass

    work()
    client = agentgauge.init(transport=transport)
    work()
    assert agentgauge.flush(5).sent == 5
    agentgauge.close()
    work()
    assert {event.name for event in transport.events} == {"note", "fine", "part", "call", "work"}
    assert client.flush(0).sent == 5


def test_a_disabled_client_keeps_module_level_functions_quiet(
    transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTGAUGE_URL", "memory:")
    first = Client(enabled=False)
    second = Client(transport=transport)
    agentgauge.event("x")
    first.close()
    agentgauge.event("y")
    second.close()
    assert [event.name for event in transport.events] == ["y"]


def test_many_threads_lose_nothing(transport: MemoryTransport) -> None:
    with Client(transport=transport) as client:

        @client.observe
        def work(number: int) -> int:
            return number

        def repeat() -> None:
            for number in range(500):
                work(number)

        threads = [threading.Thread(target=repeat) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(transport.events) == 4_000
    assert len({event.span_id for event in transport.events}) == 4_000
    ends = [(sent.headers.seq, sent.headers.count) for sent in transport.blocks]
    assert [seq for seq, _ in ends] == [sum(count for _, count in ends[:i]) for i in range(len(ends))]
