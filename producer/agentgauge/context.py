"""Which span is current, in this thread and task.

No context token is kept: a generator may be closed in another context than it was started in, where
resetting a token raises and restoring would be wrong. A span is taken off only where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agentgauge.span import Span

_current: Final[ContextVar[Span | None]] = ContextVar("agentgauge_current_span", default=None)

current_span: Final = _current.get
enter: Final = _current.set


def leave(span: Span, previous: Span | None) -> None:
    """Make `previous` the current span, if `span` is current here."""
    if _current.get() is span:
        _current.set(previous)


@contextmanager
def inside(span: Span | None) -> Iterator[None]:
    """Make a span the current one for one step of a generator; None changes nothing."""
    if span is None:
        yield
        return
    previous = _current.get()
    _current.set(span)
    try:
        yield
    finally:
        leave(span, previous)
