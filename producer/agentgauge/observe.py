"""The decorator: a call of the function becomes a span, and nothing else about it changes.

A generator's span is current only while its body runs, step by step: between steps its caller's is.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypedDict, TypeVar, cast

from agentgauge import context
from agentgauge.capture import Budget, Json
from agentgauge.fields import checked
from agentgauge.operations import operation_of
from agentgauge.span import Span
from agentgauge_schemas.conventions import EXECUTE_TOOL, LLM_OPERATIONS

if TYPE_CHECKING:
    from agentgauge.client import Client

P = ParamSpec("P")
R = TypeVar("R")
Y = TypeVar("Y")
S = TypeVar("S")

_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_RECEIVERS: Final = ("self", "cls")


class ObserveOptions(TypedDict, total=False):
    """What is said about every call of a function."""

    name: str
    """Default: the function's."""
    event_type: str
    operation: str
    agent: str
    model: str
    provider: str
    tool: str
    """Default, of a tool call: the name."""
    metadata: Mapping[str, object]
    tags: list[str]
    capture_input: bool
    capture_output: bool


class _Call:
    """What is known of all calls of one function."""

    def __init__(
        self, resolve: Callable[[], Client | None], function: Callable[..., object], options: ObserveOptions
    ) -> None:
        self._resolve = resolve
        self._options = options
        self._name = options.get("name") or str(getattr(function, "__name__", type(function).__name__))
        parameters = list(_parameters(function))
        self._skipped = 1 if parameters[:1] and parameters[0] in _RECEIVERS else 0
        self._names = parameters[self._skipped :]
        self._client: Client | None = None

    def begin(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Span | None:
        """A span for this call; None when nothing is observed."""
        client = self._resolve()
        if client is None or not client.enabled:
            return None
        try:
            if client is not self._client:
                self._bind(client)
            span = Span(client, self._static, context.current_span())
            if self._agent is not None:
                span.agent = self._agent
            if self._capture_input:
                span.capture_arguments(self._names, args[self._skipped :] if self._skipped else args, kwargs)
            return span
        except Exception as error:  # ours to bear, not the host's
            client.note_failure(error)
            return None

    def finish(self, span: Span, result: object) -> None:
        """The call has returned."""
        if self._capture_output and result is not None:
            span.output = result
        span.end()

    def collected(self, span: Span) -> _Collected:
        """For what a generator will yield."""
        return _Collected(span, self._capture_output, self._is_model_call)

    def _bind(self, client: Client) -> None:
        """Capture what is the same in every call, once for a client: redaction is the client's."""
        options = self._options
        event_type: str = options.get("event_type") or self._name
        operation: str = options.get("operation") or operation_of(event_type)
        given = {name: options.get(name) for name in ("model", "provider", "tool", "metadata", "tags")}
        if operation == EXECUTE_TOOL and given["tool"] is None:
            given["tool"] = self._name
        text = client.capture.text
        static: dict[str, object] = {
            "kind": "span",
            "operation": text(operation),
            "event_type": text(event_type),
            "name": text(self._name),
            "time_us": 0,
        }
        static = checked(static, given, client.capture)
        del static["time_us"]
        self._static: Mapping[str, object] = static
        self._agent = options.get("agent")
        self._is_model_call = operation in LLM_OPERATIONS
        self._capture_input = options.get("capture_input", client.settings.capture_input)
        self._capture_output = options.get("capture_output", client.settings.capture_output)
        self._client = client


class _Collected:
    """What a generator has yielded, within the budget of one value."""

    def __init__(self, span: Span, wanted: bool, times_first: bool) -> None:
        self._span = span
        self._wanted = wanted
        self._times_first = times_first
        self._items: list[Json] = []
        self._budget = Budget()

    def add(self, item: object) -> None:
        """Note one item; the first of a model's answer tells when that began."""
        if self._times_first:
            self._span.first_token()
            self._times_first = False
        if not self._wanted or self._budget.truncated:
            return
        if self._budget.nodes <= 0 or self._budget.text_bytes <= 0:
            self._budget.truncated = True
            return
        self._budget.nodes -= 1
        self._items.append(self._span.client.capture.within(self._budget, item))

    def end(self, error: BaseException | None = None) -> None:
        """The generator has ended, by itself, by an exception, or because it was closed."""
        if self._items:
            texts = [item for item in self._items if isinstance(item, str)]
            self._span.set_output(
                "".join(texts) if len(texts) == len(self._items) else self._items, self._budget.truncated
            )
        self._span.end(error)


def decorate(
    resolve: Callable[[], Client | None],
    function: Callable[P, R] | None,
    options: ObserveOptions,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """`observe` with and without parentheses, for the client that `resolve` finds at each call."""
    if function is not None:
        return _wrap(function, resolve, options)
    return lambda given: _wrap(given, resolve, options)


def _wrap(
    function: Callable[P, R], resolve: Callable[[], Client | None], options: ObserveOptions
) -> Callable[P, R]:
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(_wrap(function.__func__, resolve, options))
    call = _Call(resolve, function, options)
    if inspect.isasyncgenfunction(function):
        wrapper: object = _async_generator(function, call)
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator(function, call)
    elif inspect.iscoroutinefunction(function):
        wrapper = _coroutine(function, call)
    else:
        return _function(function, call)
    return cast(Callable[P, R], wrapper)  # each returns what it takes; R is only known to be that


def _function(function: Callable[P, R], call: _Call) -> Callable[P, R]:
    @functools.wraps(function)
    def observed(*args: P.args, **kwargs: P.kwargs) -> R:
        span = call.begin(args, kwargs)
        if span is None:
            return function(*args, **kwargs)
        span.enter()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            span.leave()
            span.end(error)
            raise
        span.leave()
        call.finish(span, result)
        return result

    return observed


def _coroutine(
    function: Callable[P, Coroutine[Any, Any, R]], call: _Call
) -> Callable[P, Coroutine[Any, Any, R]]:
    @functools.wraps(function)
    async def observed(*args: P.args, **kwargs: P.kwargs) -> R:
        span = call.begin(args, kwargs)
        if span is None:
            return await function(*args, **kwargs)
        span.enter()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            span.leave()
            span.end(error)
            raise
        span.leave()
        call.finish(span, result)
        return result

    return observed


def _generator(function: Callable[P, Generator[Y, S, R]], call: _Call) -> Callable[P, Generator[Y, S, R]]:
    @functools.wraps(function)
    def observed(*args: P.args, **kwargs: P.kwargs) -> Generator[Y, S, R]:
        span = call.begin(args, kwargs)
        generator = function(*args, **kwargs)
        if span is None:
            return (yield from generator)
        collected = call.collected(span)
        step: Callable[[], Y] = functools.partial(next, generator)
        try:
            while True:
                with context.inside(span):
                    item = step()
                collected.add(item)
                try:
                    step = functools.partial(generator.send, (yield item))
                except GeneratorExit:
                    with context.inside(span):
                        generator.close()
                    raise
                except BaseException as thrown:
                    step = functools.partial(generator.throw, thrown)
        except StopIteration as stop:
            collected.end()
            result: R = stop.value
            return result
        except BaseException as error:
            collected.end(error)
            raise

    return observed


def _async_generator(
    function: Callable[P, AsyncGenerator[Y, S]], call: _Call
) -> Callable[P, AsyncGenerator[Y, S]]:
    @functools.wraps(function)
    async def observed(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Y, S]:
        span = call.begin(args, kwargs)
        generator = function(*args, **kwargs)
        collected = None if span is None else call.collected(span)
        step: Callable[[], Coroutine[Any, Any, Y]] = generator.__anext__
        try:
            while True:
                with context.inside(span):
                    item = await step()
                if collected is not None:
                    collected.add(item)
                try:
                    step = functools.partial(generator.asend, (yield item))
                except GeneratorExit:
                    with context.inside(span):
                        await generator.aclose()
                    raise
                except BaseException as thrown:
                    step = functools.partial(generator.athrow, thrown)
        except StopAsyncIteration:
            if collected is not None:
                collected.end()
        except BaseException as error:
            if collected is not None:
                collected.end(error)
            raise

    return observed


def _parameters(function: Callable[..., object]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins have none
        return []
    return [parameter.name for parameter in parameters if parameter.kind in _POSITIONAL]
