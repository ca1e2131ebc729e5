"""How every client of the engine reaches the broker, and the settings that exactness needs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from agentgauge_processors.engine.errors import StartupProblem

MIB: Final = 1 << 20
CONNECT_S: Final = 10.0
"""How long the first connection may take."""
CLOSE_S: Final = 5.0
"""How long a client may take to say goodbye; a broker that is away would make it wait for minutes."""

PRODUCER: Final[dict[str, object]] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 0,  # we batch ourselves; lingering only delays the acknowledgement
    "max_batch_size": MIB,
    "max_request_size": 8 * MIB,
    "compression_type": "zstd",  # aiokafka's lz4 costs six times the CPU
    "request_timeout_ms": 120_000,  # aiokafka's delivery timeout: longer than a broker's restart
}
CONSUMER: Final[dict[str, object]] = {
    "group_id": None,
    "enable_auto_commit": False,
    "isolation_level": "read_committed",
    "fetch_max_wait_ms": 100,
    "max_partition_fetch_bytes": MIB,
    "request_timeout_ms": 20_000,
    "metadata_max_age_ms": 5_000,
}


@dataclass(frozen=True)
class Security:
    """What the broker asks of its clients; the default is nothing."""

    protocol: str = "PLAINTEXT"
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    mechanism: str = "PLAIN"
    """Of SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."""
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str | None = None
    """PEM file of the authority that signed the broker's certificate; None: the system's."""

    def ssl_context(self) -> ssl.SSLContext | None:
        """None where the protocol has no TLS. Reads the CA file: raises OSError."""
        if "SSL" not in self.protocol:
            return None
        return ssl.create_default_context(cafile=self.ca_file)


PLAINTEXT: Final = Security()


@dataclass(frozen=True)
class Connection:
    """Where the broker is: `host:port`, or several of a cluster separated by commas."""

    kafka: str
    security: Security = PLAINTEXT

    def settings(self) -> dict[str, object]:
        """Arguments of any aiokafka client."""
        settings: dict[str, object] = {
            "bootstrap_servers": self.kafka,
            "security_protocol": self.security.protocol,
        }
        context = self.security.ssl_context()
        if context is not None:
            settings["ssl_context"] = context
        if self.security.protocol.startswith("SASL"):
            settings["sasl_mechanism"] = self.security.mechanism
            settings["sasl_plain_username"] = self.security.username
            settings["sasl_plain_password"] = self.security.password
        return settings

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """An admin client. Raises StartupProblem when no broker answers within 10 s."""
        client = AIOKafkaAdminClient(**self.settings(), request_timeout_ms=20_000)
        try:
            try:
                async with asyncio.timeout(CONNECT_S):
                    await client.start()
            except (KafkaError, OSError, TimeoutError) as error:
                raise StartupProblem(
                    f"no Kafka broker answers at {self.kafka}: start one, or name the right one with --kafka"
                ) from error
            yield client
        finally:
            await client.close()


class Client(Protocol):
    """What aiokafka's producers and consumers have in common."""

    async def stop(self) -> None:
        """Close the connections."""


async def stop_within(client: Client, seconds: float = CLOSE_S) -> None:
    """Stop a client that may be stuck or broken; what it raises does not matter any more."""
    stopping = asyncio.ensure_future(client.stop())
    done, _ = await asyncio.wait({stopping}, timeout=seconds)
    for each in done:
        if not each.cancelled():
            each.exception()
