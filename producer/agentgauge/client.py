"""The client: what a program says it does becomes events, on the caller's thread, without blocking."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, ParamSpec, Self, TypeVar, Unpack, overload

import msgspec

from agentgauge import context, registry, senders
from agentgauge.buffer import FlushResult
from agentgauge.capture import Capture
from agentgauge.clock import RANDOM_IDS, SYSTEM_CLOCK, Clock, IdSource
from agentgauge.encoding import encode, encode_truncated
from agentgauge.errors import ValidationError
from agentgauge.fields import checked
from agentgauge.observe import ObserveOptions, decorate
from agentgauge.operations import operation_of
from agentgauge.redaction import Redactor
from agentgauge.scores import DataType, ScoreValue, TargetKind, check_target, typed_score
from agentgauge.sender import OnError, Sender
from agentgauge.settings import host_name, resolve
from agentgauge.span import Span, SpanOptions
from agentgauge.transports.base import Transport
from agentgauge.version import SDK
from agentgauge_schemas.block import Resource
from agentgauge_schemas.conventions import CHAT
from agentgauge_schemas.event import MAX_EVENT_BYTES, Kind, Level

CLOSE_S: Final = 5.0

_logger: Final = logging.getLogger("agentgauge")


P = ParamSpec("P")
R = TypeVar("R")


class Client:
    """Reports to one endpoint. Thread-safe. Only `flush` and `close` block, and not for long.

    Arguments that are None are taken from the environment, else from the defaults, see
    `agentgauge.settings`. Raises ConfigError for a value that is not allowed; nothing else here
    raises, but ValidationError if `strict`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        project: str | None = None,
        environment: str | None = None,
        service: str | None = None,
        release: str | None = None,
        agent: str | None = None,
        prefix: str | None = None,
        flush_interval: float | None = None,
        batch_size: int | None = None,
        queue_events: int | None = None,
        queue_bytes: int | None = None,
        retry_attempts: int | None = None,
        timeout: float | None = None,
        redact_keys: Sequence[str] | None = None,
        capture_input: bool | None = None,
        capture_output: bool | None = None,
        strict: bool | None = None,
        debug: bool | None = None,
        enabled: bool | None = None,
        on_error: OnError | None = None,
        transport: Transport | None = None,
        clock: Clock = SYSTEM_CLOCK,
        ids: IdSource = RANDOM_IDS,
    ) -> None:
        self.settings = settings = resolve(
            {
                "url": url,
                "project": project,
                "environment": environment,
                "service": service,
                "release": release,
                "agent": agent,
                "prefix": prefix,
                "flush_interval": flush_interval,
                "batch_size": batch_size,
                "queue_events": queue_events,
                "queue_bytes": queue_bytes,
                "retry_attempts": retry_attempts,
                "timeout": timeout,
                "redact_keys": redact_keys,
                "capture_input": capture_input,
                "capture_output": capture_output,
                "strict": strict,
                "debug": debug,
                "enabled": enabled,
            }
        )
        self.enabled = settings.enabled
        self.ids = ids
        self.time_ns = clock.time_ns
        self.perf_ns = clock.perf_counter_ns
        self.capture = Capture(Redactor(settings.redact_keys))
        self.identity: dict[str, str] = {"agent": settings.agent} if settings.agent else {}
        self.resource = Resource(
            project=settings.project,
            environment=settings.environment,
            service=settings.service,
            release=settings.release,
            host=host_name(),
            sdk=SDK,
            process=os.getpid(),
        )
        self._on_error = on_error
        self._warned_invalid = False
        self._closed = False
        self._sender: Sender | None = None
        if settings.debug:
            _logger.setLevel(logging.DEBUG)
            if not _logger.hasHandlers():
                _logger.addHandler(logging.StreamHandler())
        if self.enabled:
            self._sender = senders.acquire(settings, transport, self.resource, clock, ids)
            if on_error is not None:
                self._sender.on_error.append(on_error)
        registry.add(self)

    def span(self, name: str, *, parent: Span | None = None, **options: Unpack[SpanOptions]) -> Span:
        """Something that takes time: `with client.span("fetch") as span: ...`.

        It is inside `parent`, else inside the current span, else the root of a new trace. What it is
        follows from `event_type` (`tool_call`, `retrieval` ...), unless `operation` says it.
        """
        event_type = options.pop("event_type", None)
        operation = options.pop("operation", None) or operation_of(event_type)
        static: dict[str, object] = {
            "kind": "span",
            "operation": self.capture.text(operation),
            "event_type": self.capture.text(event_type or name),
            "name": self.capture.text(name),
        }
        span = Span(self, static, parent or context.current_span())
        span.begin_with(options)
        return span

    def generation(
        self,
        name: str,
        model: str | None = None,
        *,
        parent: Span | None = None,
        **options: Unpack[SpanOptions],
    ) -> Span:
        """A call of a model; set `usage`, and `cost_usd` if you know it, before it ends."""
        options.setdefault("event_type", "generation")
        options.setdefault("operation", CHAT)
        span = self.span(name, parent=parent, **options)
        if model is not None:
            span.model = model
        return span

    @overload
    def observe(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def observe(self, /, **options: Unpack[ObserveOptions]) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    def observe(
        self, function: Callable[P, R] | None = None, /, **options: Unpack[ObserveOptions]
    ) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorator: each call becomes a span, with its arguments and its result. With and without
        parentheses; for functions, coroutine functions, generators and asynchronous generators.
        """
        return decorate(lambda: self, function, options)

    def event(
        self,
        name: str,
        data: object = None,
        *,
        level: Level | None = None,
        parent: Span | None = None,
        time_us: int | None = None,
    ) -> None:
        """Something that happened, at this moment or at `time_us`."""
        self.record("log", name=name, metadata=data, level=level, parent=parent, time_us=time_us)

    def score(
        self,
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
        """Judge a trace (by default the current one), or whatever `target_kind` and `target_id` say."""
        try:
            if target_id is None and trace_id is None and (span := context.current_span()) is not None:
                trace_id = span.trace_id
            if target_id is None and trace_id is not None:
                target_kind, target_id = "trace", trace_id
            typed, data_type = typed_score(value, data_type)
            if target_id is not None:
                check_target(target_id)
        except Exception as error:
            self.refuse(error)
            return
        self.record(
            "score",
            name=name,
            value=typed,
            data_type=data_type,
            trace_id=trace_id,
            target_kind=target_kind,
            target_id=target_id,
            comment=comment,
            scale_min=scale_min,
            scale_max=scale_max,
        )

    def record(
        self, kind: Kind, *, parent: Span | None = None, time_us: int | None = None, **fields: object
    ) -> None:
        """An event of any kind, by the names of `agentgauge_schemas.event.Event`; None is left out.

        It belongs to `parent`, else to the current span. Raises ValidationError if the client is strict.
        """
        if not self.enabled:
            return
        if time_us is None:
            time_us = self.time_ns() // 1000
        event: dict[str, object] = {"kind": kind, "time_us": time_us}
        span = parent or context.current_span()
        if span is None:
            event.update(self.identity)
        else:
            event.update(span.identity, trace_id=span.trace_id, parent_id=span.span_id)
        try:
            event = checked(event, fields, self.capture)
        except Exception as error:
            self.refuse(error)
        else:
            self.publish(event, time_us)

    def flush(self, timeout: float | None = None) -> FlushResult:
        """Send what is queued, and wait for its acknowledgement: at most `timeout` seconds, by default
        those of the settings.
        """
        if self._sender is None:
            return FlushResult(0, 0, 0, ())
        return self._sender.flush(self.settings.timeout if timeout is None else timeout)

    def close(self, timeout: float = CLOSE_S) -> FlushResult:
        """Flush, and end the sender if this was its last client. Later events are counted as dropped."""
        first, self._closed = not self._closed, True
        registry.remove(self)
        if self._sender is None:
            return FlushResult(0, 0, 0, ())
        if not first:
            return self._sender.flush(0.0)
        result = senders.release(self._sender, timeout)
        if self._on_error is not None:
            self._sender.on_error.remove(self._on_error)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        import asyncio

        await asyncio.to_thread(self.close)

    # What follows is for spans and for the faces that are built on the core.

    def publish(self, event: dict[str, object], time_us: int) -> None:
        """Queue an event whose fields are captured and valid. Raises nothing."""
        if self._sender is None:
            return
        try:
            data = encode(event)
            if len(data) > MAX_EVENT_BYTES:
                data = encode_truncated(event, len(data))
            if self._closed:
                self._sender.drop("closed")
            else:
                self._sender.put((time_us, self.resource, data))
        except Exception as error:  # ours to bear, not the host's
            self.note_failure(error)

    def publish_checked(self, event: dict[str, object], fields: Mapping[str, object], time_us: int) -> None:
        """Capture more fields, check that it makes a valid event, and queue it. Raises nothing: an
        invalid one is dropped, counted and reported.
        """
        try:
            self.publish(checked(event, fields, self.capture), time_us)
        except Exception as error:
            self.note_failure(error)

    def refuse(self, error: Exception, *, dropped: bool = True) -> None:
        """Something given is invalid: raise it if strict, else report it and count the event that is
        dropped for it.
        """
        if not self.enabled:
            return
        if not isinstance(error, ValidationError):  # what the given objects themselves raised
            error = ValidationError(f"{type(error).__name__} from what was given")
        if self.settings.strict:
            raise error
        self.note_failure(error, dropped=dropped)

    def after_fork(self) -> None:
        """In the child: events come from another process now."""
        self.resource = msgspec.structs.replace(self.resource, process=os.getpid())

    def note_failure(self, error: Exception, *, dropped: bool = True) -> None:
        """Something went wrong on the way to an event: count the event that is dropped, and say so."""
        if dropped and self._sender is not None:
            self._sender.drop("invalid")
        # The first of a client is worth a warning; a loop that repeats it is not.
        _logger.log(
            logging.DEBUG if self._warned_invalid else logging.WARNING, "agentgauge: invalid event: %s", error
        )
        self._warned_invalid = True
        if self._on_error is not None:
            try:
                self._on_error(error)
            except Exception:
                _logger.exception("agentgauge: on_error raised")
