"""The clients of this process, and which of them speaks for those who name none."""

import logging
import os
import threading
from typing import TYPE_CHECKING, Final

from agentgauge import context
from agentgauge.errors import ConfigError
from agentgauge.settings import is_configured

if TYPE_CHECKING:
    from agentgauge.client import Client

_logger: Final = logging.getLogger("agentgauge")


class _Clients:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.open: list[Client] = []
        self.preferred: Client | None = None
        self.asked_environment = False


_clients: Final = _Clients()


def add(client: "Client") -> None:
    """A client was made."""
    with _clients.lock:
        _clients.open.append(client)


def remove(client: "Client") -> None:
    """It was closed."""
    with _clients.lock:
        if client in _clients.open:
            _clients.open.remove(client)
        if _clients.preferred is client:
            _clients.preferred = None


def prefer(client: "Client") -> None:
    """From now on it speaks for those who name none, until it is closed."""
    _clients.preferred = client


def current_client() -> "Client | None":
    """The enclosing span's client, else the one of `init`, else the oldest open one, else one from
    the environment if that says where events go, else None.
    """
    span = context.current_span()
    if span is not None:
        return span.client
    if _clients.preferred is not None:
        return _clients.preferred
    return _clients.open[0] if _clients.open else _from_environment()


def _from_environment() -> "Client | None":
    if _clients.asked_environment:
        return None
    with _clients.lock:
        if _clients.asked_environment:
            return None
        _clients.asked_environment = True
        if not is_configured():
            _logger.info("agentgauge: nothing is observed: no client was made and AGENTGAUGE_URL is not set")
            return None
        from agentgauge.client import Client

        try:
            return Client()
        except ConfigError as error:  # a decorated function's caller is not the one to hear it
            _logger.warning("agentgauge: nothing is observed: %s", error)
            return None


def _after_fork() -> None:
    _clients.lock = threading.RLock()
    for client in _clients.open:
        client.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
