"""Asking a broker what it speaks: Kafka's ApiVersions request, which every client may send first."""

import socket
import struct
import time
from typing import Final, NamedTuple

API_VERSIONS: Final = 18
DESCRIBE_CONFIGS: Final = 32
CORRELATION: Final = 7
TIMEOUT_S: Final = 5.0
MAX_ANSWER: Final = 1 << 20

NEEDED: Final = {
    "zstd in Produce": (0, 7),
    "zstd in Fetch": (1, 10),
    "idempotent producers": (22, 1),
    "transactions": (26, 1),
    "consumer groups": (11, 5),
}
"""What -> API key and the version of it that must be spoken: Kafka 2.3 or later has them all."""


class NoKafka(Exception):
    """No Kafka broker answers; the message is the address, and in parentheses why."""


class Answer(NamedTuple):
    """What a broker said."""

    seconds: float
    versions: dict[int, int]
    """API key -> the highest version that the broker speaks."""

    @property
    def embedded(self) -> bool:
        """Whether it is the broker of `agentgauge up`, which keeps no configuration."""
        return DESCRIBE_CONFIGS not in self.versions

    @property
    def lacking(self) -> list[str]:
        """What we need and it has not."""
        return [what for what, (key, version) in NEEDED.items() if self.versions.get(key, -1) < version]


def ask(address: str) -> Answer:
    """Ask the first broker of `HOST:PORT[,HOST:PORT]` that answers; blocks for 5 s each at most.

    Raises NoKafka.
    """
    reason = ""
    for one in address.split(","):
        host, _, port = one.rpartition(":")
        begin = time.perf_counter()
        try:
            with socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S) as connection:
                versions = _api_versions(connection)
        except (OSError, struct.error) as error:
            reason = reason or f"{one} ({_why(error)})"
        else:
            return Answer(time.perf_counter() - begin, versions)
    raise NoKafka(reason)


def _api_versions(connection: socket.socket) -> dict[int, int]:
    request = struct.pack(">hhih", API_VERSIONS, 0, CORRELATION, -1)
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    if not 10 <= size <= MAX_ANSWER:
        raise struct.error("no Kafka broker: it answers in another language")
    answer = _exactly(connection, size)
    correlation, error, count = struct.unpack_from(">ihi", answer)
    if correlation != CORRELATION or error:
        raise struct.error(f"no Kafka broker: it answers with error {error}")
    return {key: high for key, _, high in struct.iter_unpack(">hhh", answer[10 : 10 + 6 * count])}


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = connection.recv(size - len(found))
        if not more:
            raise struct.error("no Kafka broker: it hangs up")
        found += more
    return found


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {TIMEOUT_S:.0f} s"
    return ((error.strerror if isinstance(error, OSError) else None) or str(error)).lower()
