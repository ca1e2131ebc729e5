"""The senders of this process: shared by endpoint, closed at exit, made anew after a fork."""

import atexit
import os
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from agentgauge.buffer import FlushResult
from agentgauge.clock import Clock, IdSource
from agentgauge.sender import EXIT_S, Sender
from agentgauge.settings import Settings, servers_of
from agentgauge.transports.base import Transport
from agentgauge_schemas.block import Resource
from agentgauge_schemas.topics import Topic


class Endpoint(NamedTuple):
    """Clients that agree in this share a thread, a connection and a producer id."""

    url: str
    prefix: str


class _Senders:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users: dict[Sender, int] = {}
        self.shared: dict[Endpoint, Sender] = {}


_senders: Final = _Senders()


def acquire(
    settings: Settings, transport: Transport | None, resource: Resource, clock: Clock, ids: IdSource
) -> Sender:
    """The sender for these settings; a transport that the user gives gets one of its own."""
    endpoint = Endpoint(settings.url, settings.prefix)
    with _senders.lock:
        sender = _senders.shared.get(endpoint) if transport is None else None
        if sender is None:
            make = _maker(settings) if transport is None else lambda: transport
            sender = Sender(make, settings, resource, clock, ids)
            _senders.users[sender] = 0
            if transport is None:
                _senders.shared[endpoint] = sender
        else:
            sender.share_with(settings)
        _senders.users[sender] += 1
        return sender


def release(sender: Sender, timeout_s: float) -> FlushResult:
    """One client less: closes the sender with its last one, else flushes it. Blocks at most so long."""
    with _senders.lock:
        left = _senders.users.get(sender, 0) - 1
        if left > 0:
            _senders.users[sender] = left
        else:
            _senders.users.pop(sender, None)
            for endpoint in [key for key, value in _senders.shared.items() if value is sender]:
                del _senders.shared[endpoint]
    return sender.flush(timeout_s) if left > 0 else sender.close(timeout_s)


def _maker(settings: Settings) -> Callable[[], Transport]:
    """What makes the transport, in the sender's thread: only there is aiokafka imported."""

    def make() -> Transport:
        if settings.url == "console:":
            from agentgauge.transports.console import ConsoleTransport

            return ConsoleTransport()
        if settings.url == "memory:":
            from agentgauge.transports.memory import MemoryTransport

            return MemoryTransport()
        from agentgauge.transports.kafka import KafkaTransport

        return KafkaTransport(
            servers_of(settings),
            Topic.EVENTS.name_with(settings.prefix),
            connect_timeout_s=settings.timeout,
        )

    return make


def _close_all() -> None:
    with _senders.lock:
        open_senders = list(_senders.users)
    for sender in open_senders:
        sender.begin_closing(EXIT_S)
    deadline = time.monotonic() + EXIT_S
    for sender in open_senders:
        sender.wait_closed(max(0.0, deadline - time.monotonic()))


def _after_fork() -> None:
    _senders.lock = threading.RLock()
    for sender in _senders.users:
        sender.begin_again()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
