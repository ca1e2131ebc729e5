"""The span: something that takes time, has a place in a trace, and becomes one event when it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypedDict, TypeVar, Unpack

from agentgauge import context
from agentgauge.attribute import Attribute
from agentgauge.capture import Json
from agentgauge.failures import describe_failure
from agentgauge.usage import TOKEN_FIELDS, tokens_of
from agentgauge_schemas.event import Level
from agentgauge_schemas.money import nanousd, usd

if TYPE_CHECKING:
    from agentgauge.client import Client

T = TypeVar("T")

IDENTITY: Final = ("agent", "user", "session_id", "conversation_id")
"""What a span passes on to those that begin inside it."""


class SpanOptions(TypedDict, total=False):
    """What a span may begin with, besides its name; each may be set later too."""

    event_type: str | None
    operation: str | None
    agent: str | None
    user: str | None
    session_id: str | None
    conversation_id: str | None
    provider: str | None
    model_parameters: Mapping[str, object] | None
    tool: str | None
    level: Level | None
    input: object
    metadata: Mapping[str, object] | None
    tags: Sequence[str] | None


class Span:
    """A context manager, sync and async; `end` does without. Begins when it is made.

    Its attributes may be set until it ends. Input and output are captured as they are set, so later
    changes of the same object are not seen. Nothing here raises, but ValidationError if the client
    is strict.
    """

    __slots__ = (
        "_attributes",
        "_client",
        "_ended",
        "_entered",
        "_input",
        "_output",
        "_previous",
        "_started_ns",
        "_static",
        "_truncated",
        "identity",
        "parent_id",
        "span_id",
        "trace_id",
    )

    agent = Attribute[str]()
    user = Attribute[str]()
    session_id = Attribute[str]()
    conversation_id = Attribute[str]()
    level = Attribute[Level]()
    model = Attribute[str]()
    provider = Attribute[str]()
    response_model = Attribute[str]()
    response_id = Attribute[str]()
    finish_reasons = Attribute[list[str]]()
    model_parameters = Attribute[dict[str, object]]()
    service_tier = Attribute[str]()
    prompt_name = Attribute[str]()
    prompt_version = Attribute[int]()
    tool = Attribute[str]()
    tool_call_id = Attribute[str]()
    error_type = Attribute[str]()
    time_to_first_token_us = Attribute[int]()

    def __init__(self, client: Client, static: Mapping[str, object], parent: Span | None) -> None:
        """`static`: fields of the event that are known and captured already; it is shared, not changed."""
        self._client = client
        self._static = static
        self.trace_id: str
        self.span_id: str
        self.parent_id: str | None
        if parent is None:
            self.trace_id = trace_id = client.ids.trace_id()
            self.span_id = trace_id[16:]
            self.parent_id = None
            self.identity = client.identity
        else:
            self.trace_id = parent.trace_id
            self.span_id = client.ids.span_id()
            self.parent_id = parent.span_id
            self.identity = parent.identity
        self._previous: Span | None = None
        self._attributes: dict[str, object] | None = None
        self._input: Json = None
        self._output: Json = None
        self._truncated = False
        self._entered = False
        self._ended = False
        self._started_ns = client.perf_ns()

    def begin_with(self, options: SpanOptions) -> None:
        """Set what a span may begin with."""
        for name, value in options.items():
            if name == "input":
                self.input = value
            elif value is not None:
                self.set_attribute(name, _own(value))

    @property
    def client(self) -> Client:
        """The client that it reports to."""
        return self._client

    @property
    def input(self) -> Json:
        """The captured input: redacted, and cut if it was large."""
        return self._input

    @input.setter  # noqa: A003  # the name that the field has everywhere
    def input(self, value: object) -> None:
        self._input, truncated = self._client.capture.value(value)
        self._truncated |= truncated

    @property
    def output(self) -> Json:
        """The captured output, likewise."""
        return self._output

    @output.setter
    def output(self, value: object) -> None:
        self._output, truncated = self._client.capture.value(value)
        self._truncated |= truncated

    def set_output(self, captured: Json, truncated: bool) -> None:
        """Set an output that is captured already."""
        self._output = captured
        self._truncated |= truncated

    @property
    def metadata(self) -> dict[str, object]:
        """May be set as a whole or key by key; captured at the end."""
        return self._collection("metadata", dict[str, object]())

    @metadata.setter
    def metadata(self, value: Mapping[str, object]) -> None:
        self.set_attribute("metadata", _own(value))

    @property
    def tags(self) -> list[str]:
        """May be set as a whole or appended to."""
        return self._collection("tags", list[str]())

    @tags.setter
    def tags(self, value: list[str]) -> None:
        self.set_attribute("tags", _own(value))

    @property
    def error(self) -> str | None:
        """A message: setting it makes the span a failed one."""
        message = self.get_attribute("error_message")
        return message if isinstance(message, str) else None

    @error.setter
    def error(self, value: str | BaseException | None) -> None:
        if isinstance(value, BaseException):
            self.fail(value)
        else:
            self.set_attribute("error_message", value)

    def fail(self, error: BaseException) -> None:
        """Note an exception; the span is a failed one."""
        for name, text in describe_failure(error).items():
            self.set_attribute(name, text)

    @property
    def usage(self) -> dict[str, int]:
        """Tokens by our names; to be set in the shape of any provider (see `agentgauge.usage`)."""
        found = ((name, self.get_attribute(name)) for name in TOKEN_FIELDS)
        return {name: count for name, count in found if isinstance(count, int)}

    @usage.setter
    def usage(self, value: object) -> None:
        try:
            for name, count in tokens_of(value).items():
                self.set_attribute(name, count)
        except Exception as error:  # also what the host's object raises
            self._client.refuse(error, dropped=False)

    @property
    def cost_usd(self) -> Decimal | None:
        """What it cost, as the user says: wins over a computed cost."""
        cost = self.get_attribute("cost_nanousd")
        return usd(cost) if isinstance(cost, int) else None

    @cost_usd.setter
    def cost_usd(self, value: float | str | Decimal) -> None:
        try:
            self.set_attribute("cost_nanousd", nanousd(value))
            self.set_attribute("cost_source", "user")
        except Exception as error:  # likewise
            self._client.refuse(error, dropped=False)

    def first_token(self) -> None:
        """Now the answer has begun; later calls change nothing."""
        if self.time_to_first_token_us is None:
            self.time_to_first_token_us = (self._client.perf_ns() - self._started_ns) // 1000

    def span(self, name: str, **options: Unpack[SpanOptions]) -> Span:
        """A span inside this one, whatever is current."""
        return self._client.span(name, parent=self, **options)

    def generation(self, name: str, model: str | None = None, **options: Unpack[SpanOptions]) -> Span:
        """A call of a model inside this one."""
        return self._client.generation(name, model, parent=self, **options)

    def event(self, name: str, data: object = None, *, level: Level | None = None) -> None:
        """Something that happened in this span."""
        self._client.event(name, data, level=level, parent=self)

    def score(self, name: str, value: float | bool | str, comment: str | None = None) -> None:
        """Judge the trace that this span belongs to."""
        self._client.score(name, value, trace_id=self.trace_id, comment=comment)

    def enter(self) -> None:
        """Make it the current span; once, so that spans never stand in a circle."""
        if not self._entered:
            self._entered = True
            self._previous = context.current_span()
            context.enter(self)

    def leave(self) -> None:
        """Make the span that was current before the current one, if this one still is."""
        previous = self._previous
        context.leave(self, previous if previous is None else previous.living())

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()
        self.end(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def end(self, error: BaseException | None = None) -> None:
        """It is over now, with an exception or well. Later calls change nothing."""
        if self._ended:
            return
        self._ended = True
        client = self._client
        duration_ns = client.perf_ns() - self._started_ns
        # Ended spans keep no others alive: chains of tasks that start tasks may go on for ever.
        if self._previous is not None:
            self._previous = self._previous.living()
        if not client.enabled:
            return
        if error is not None and not isinstance(error, GeneratorExit):
            self.fail(error)
        time_us = client.time_ns() // 1000
        event: dict[str, object] = {
            **self._static,
            **self.identity,
            "time_us": time_us,
            "duration_us": duration_ns // 1000,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
        }
        if self.parent_id is not None:
            event["parent_id"] = self.parent_id
        if self._input is not None:
            event["input"] = self._input
        if self._output is not None:
            event["output"] = self._output
        if self._truncated:
            event["truncated"] = True
        if self._attributes is None:
            client.publish(event, time_us)
        else:
            client.publish_checked(event, self._attributes, time_us)

    def living(self) -> Span | None:
        """The span itself, or once it has ended the nearest one before it that has not."""
        if not self._ended:
            return self
        return None if self._previous is None else self._previous.living()

    def capture_arguments(
        self, names: Sequence[str], args: Sequence[object], kwargs: Mapping[str, object]
    ) -> None:
        """Take a call's arguments as the input, by parameter name."""
        if args or kwargs:
            self._input, self._truncated = self._client.capture.arguments(names, args, kwargs)

    def get_attribute(self, name: str) -> object:
        """A field that was set, or that the span began with; else None."""
        if self._attributes is not None and name in self._attributes:
            return self._attributes[name]
        return self.identity.get(name, self._static.get(name))

    def set_attribute(self, name: str, value: object) -> None:
        """Set a field of the event. What identifies goes on to spans that begin inside from now on."""
        if name in IDENTITY and type(value) is str:
            self.identity = {**self.identity, name: self._client.capture.text(value)}
            return
        if self._attributes is None:
            self._attributes = {}
        self._attributes[name] = value

    def _collection(self, name: str, empty: T) -> T:
        found = self._attributes.get(name) if self._attributes is not None else None
        if not isinstance(found, type(empty)):
            begun_with = self._static.get(name)
            found = copy(begun_with) if isinstance(begun_with, type(empty)) else empty
            self.set_attribute(name, found)
        return found


def _own(value: object) -> object:
    """A collection of our own, which may be added to; what else it is shows at the end."""
    if type(value) is dict or type(value) is list:
        return value.copy()
    return list(value) if type(value) is tuple else value
