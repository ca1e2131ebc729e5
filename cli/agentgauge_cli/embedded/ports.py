"""Listening on this machine only, on exactly the port that was asked for."""

import errno
import socket
from typing import Final

from agentgauge_cli.errors import CliError

LOOPBACK: Final = "127.0.0.1"


def listen(port: int, option: str) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 takes any free one.

    Raises CliError, naming `option`, when the port cannot be had: another port is never tried.
    """
    try:
        return socket.create_server((LOOPBACK, port), reuse_port=False)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = "is taken: end what listens there"
        else:
            reason = f"cannot be used ({error.strerror}): end what holds it"
        raise CliError(f"port {port} of {LOOPBACK} {reason}, or choose another with {option} PORT") from None


def port_of(listener: socket.socket) -> int:
    """The port that a socket listens on."""
    port: int = listener.getsockname()[1]
    return port
