"""The module-level interface: for programs with one client, and for libraries that do not know it."""

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar, Unpack, overload

from agentgauge import context, registry
from agentgauge.buffer import FlushResult
from agentgauge.client import Client
from agentgauge.observe import ObserveOptions, decorate
from agentgauge.scores import DataType, ScoreValue, TargetKind
from agentgauge.span import Span, SpanOptions
from agentgauge_schemas.event import Level

P = ParamSpec("P")
R = TypeVar("R")

_nobody: Final = Client(enabled=False)
"""Makes spans that work and go nowhere."""
registry.remove(_nobody)  # whoever the program makes comes first


def _client() -> Client:
    return registry.current_client() or _nobody


def _initialiser(make: Callable[P, Client]) -> Callable[P, Client]:
    def init(*args: P.args, **kwargs: P.kwargs) -> Client:
        """Make the client that the functions of this module use; takes what `Client` takes."""
        client = make(*args, **kwargs)
        registry.prefer(client)
        return client

    return init


init = _initialiser(Client)


@overload
def observe(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def observe(**options: Unpack[ObserveOptions]) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def observe(
    function: Callable[P, R] | None = None, /, **options: Unpack[ObserveOptions]
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """As `Client.observe`, with the client that is current at each call."""
    return decorate(registry.current_client, function, options)


def span(name: str, **options: Unpack[SpanOptions]) -> Span:
    """As `Client.span`."""
    return _client().span(name, **options)


def generation(name: str, model: str | None = None, **options: Unpack[SpanOptions]) -> Span:
    """As `Client.generation`."""
    return _client().generation(name, model, **options)


def event(name: str, data: object = None, *, level: Level | None = None) -> None:
    """As `Client.event`."""
    _client().event(name, data, level=level)


def score(
    name: str,
    value: ScoreValue,
    *,
    trace_id: str | None = None,
    target_kind: TargetKind | None = None,
    target_id: str | None = None,
    comment: str | None = None,
    data_type: DataType | None = None,
    scale_min: float | None = None,
    scale_max: float | None = None,
) -> None:
    """As `Client.score`."""
    _client().score(
        name,
        value,
        trace_id=trace_id,
        target_kind=target_kind,
        target_id=target_id,
        comment=comment,
        data_type=data_type,
        scale_min=scale_min,
        scale_max=scale_max,
    )


def current_span() -> Span | None:
    """The span that this code runs in: to set its output, usage or cost from inside."""
    return context.current_span()


def flush(timeout: float | None = None) -> FlushResult:
    """As `Client.flush`."""
    return _client().flush(timeout)


def close(timeout: float = 5.0) -> FlushResult:
    """As `Client.close`, of the client that these functions use."""
    return _client().close(timeout)
