"""A daemon thread with an event loop of its own. Imports asyncio: load it in that thread only."""

import asyncio
import logging
import socket
from collections.abc import Coroutine
from typing import Literal, TypeVar

_T = TypeVar("_T")

_V4 = tuple[Literal[socket.AddressFamily.AF_INET], socket.SocketKind, int, str, tuple[str, int]]
_V6 = tuple[
    Literal[socket.AddressFamily.AF_INET6],
    socket.SocketKind,
    int,
    str,
    tuple[str, int, int, int] | tuple[int, bytes],
]

_logger = logging.getLogger("agentgauge")


class _Loop(asyncio.SelectorEventLoop):
    """Resolves names itself: asyncio does it in an executor, which the interpreter has shut down
    already when `atexit` runs, so that a short program could not deliver to `localhost`.
    """

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002  # the name is asyncio's
        proto: int = 0,
        flags: int = 0,
    ) -> list[_V4 | _V6]:
        """Blocks this loop, whose thread has nothing else to do."""
        return socket.getaddrinfo(host, port, family, type, proto, flags)


def run(main: Coroutine[object, object, _T]) -> _T:
    """Run in a new loop of this thread, quietly: what goes wrong in it is told through results."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.get_loop().set_exception_handler(
            lambda _, context: _logger.debug("in the background: %s", context.get("message"))
        )
        return runner.run(main)
