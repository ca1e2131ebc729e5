"""A real Kafka broker for the tests: one node in KRaft mode, started in Docker or with this machine's Java.

`start_broker` chooses; a test takes the fixture `kafka`, `broker` or `own_broker` of tests/conftest.py.
All methods block; in a coroutine call them through `asyncio.to_thread`.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import docker
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

VERSION: Final = "4.1.1"
IMAGE: Final = f"apache/kafka:{VERSION}"
READY_WITHIN_S: Final = 90.0

_POM: Final = Path(__file__).parents[1] / "kafka" / "pom.xml"
_CLUSTER_ID: Final = "5L6g3nShT-eMCtK--X86sw"
_HEAP: Final = ("-Xms256m", "-Xmx512m")
# The image's own start writes the configuration and formats the storage: a second start needs neither.
_START_IN_IMAGE: Final = (
    "[ ! -e /tmp/kafka-logs/meta.properties ] && exec /etc/kafka/docker/run;"
    " exec /opt/kafka/bin/kafka-server-start.sh /opt/kafka/config/server.properties"
)


class NoBroker(Exception):
    """No broker can be had on this machine; the message says why."""


class Broker(ABC):
    """One broker that a test may kill, freeze and start again: its address and its data stay."""

    def __init__(self) -> None:
        self.port, self._controller_port, self._proxied_port, self.proxy_port = free_ports(4)

    @property
    def bootstrap(self) -> str:
        """What a client is given: `host:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def proxied(self) -> str:
        """A second listener, whose metadata sends clients to `proxy_port` of 127.0.0.1.

        A test that puts a proxy between client and broker listens there and forwards to here.
        """
        return f"127.0.0.1:{self._proxied_port}"

    @abstractmethod
    def _launch(self) -> None:
        """Start the broker's process, with the data that it left."""

    @abstractmethod
    def kill(self) -> None:
        """kill -9; returns when the process is gone."""

    @abstractmethod
    def stop(self) -> None:
        """An orderly end; returns when the process is gone."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""

    @abstractmethod
    def resume(self) -> None:
        """End a `pause`."""

    @abstractmethod
    def remove(self) -> None:
        """End it, whatever state it is in, and delete its data."""

    @abstractmethod
    def _last_words_if_ended(self) -> str | None:
        """The end of its log if it is no longer there; None while it runs."""

    def start(self) -> None:
        """Start it, for the first time or again; returns when it serves clients. Raises NoBroker."""
        self._launch()
        wait_until_ready(self.bootstrap, READY_WITHIN_S, self._last_words_if_ended)

    def _settings(self) -> dict[str, str]:
        return {
            "node.id": "1",
            "process.roles": "broker,controller",
            "listeners": (
                f"PLAINTEXT://:{self.port},PROXIED://:{self._proxied_port},"
                f"CONTROLLER://:{self._controller_port}"
            ),
            "advertised.listeners": (
                f"PLAINTEXT://127.0.0.1:{self.port},PROXIED://127.0.0.1:{self.proxy_port}"
            ),
            "listener.security.protocol.map": ("PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT"),
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@localhost:{self._controller_port}",
            # A topic that a test forgot to create must not appear by itself, with other settings.
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # A killed broker may register again only when its last session is over.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            # So that a topic with a small segment.ms is compacted or expires while a test waits.
            "log.cleaner.backoff.ms": "500",
            "log.retention.check.interval.ms": "1000",
        }


class DockerBroker(Broker):
    """The image that docker-compose.yml names."""

    def __init__(self) -> None:
        super().__init__()
        self._container = DockerContainer(IMAGE).with_command(["bash", "-c", _START_IN_IMAGE])
        self._container.with_env("CLUSTER_ID", _CLUSTER_ID)
        self._container.with_env("KAFKA_HEAP_OPTS", " ".join(_HEAP))
        for name, value in self._settings().items():
            self._container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
        # The advertised ports must be known before the start: the same inside and outside.
        for port in (self.port, self._proxied_port):
            self._container.with_bind_ports(port, port)
        self._created = False

    def _launch(self) -> None:
        if self._created:
            self._container.get_wrapped_container().start()
            return
        try:
            self._container.start()
        except DockerException as error:
            raise NoBroker(f"Docker cannot run {IMAGE}: {error}") from error
        self._created = True

    def kill(self) -> None:
        container = self._container.get_wrapped_container()
        container.kill(signal="SIGKILL")
        container.wait()

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=60)

    def pause(self) -> None:
        self._container.get_wrapped_container().pause()

    def resume(self) -> None:
        self._container.get_wrapped_container().unpause()

    def _last_words_if_ended(self) -> str | None:
        container = self._container.get_wrapped_container()
        container.reload()
        if container.status == "running":
            return None
        return str(container.logs(tail=5).decode(errors="replace"))

    def remove(self) -> None:
        if self._created:
            self._container.stop()


class JavaBroker(Broker):
    """Apache Kafka from Maven Central, run by this machine's Java; jars are kept in the user's cache."""

    def __init__(self) -> None:
        super().__init__()
        self._jars = _kafka_jars()
        self._folder = Path(tempfile.mkdtemp(prefix="agentgauge-kafka-"))
        self._process: subprocess.Popen[bytes] | None = None

    def _java(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / "broker.log").open("ab") as log:
            return subprocess.Popen(
                ["java", "-XX:TieredStopAtLevel=1", *_HEAP, "-cp", f"{self._jars}/*", *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for pytest, which then removes us
            )

    def _launch(self) -> None:
        properties = self._folder / "server.properties"
        if not properties.exists():
            settings = {**self._settings(), "log.dirs": str(self._folder / "data")}
            properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
            format_ = ("kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties))
            if self._java(*format_).wait(timeout=60):
                raise NoBroker(f"Kafka cannot format its storage: {self._log_end()}")
        self._process = self._java("kafka.Kafka", str(properties))

    def _last_words_if_ended(self) -> str | None:
        running = self._process is not None and self._process.poll() is None
        return None if running else self._log_end()

    def _log_end(self) -> str:
        return (self._folder / "broker.log").read_text(errors="replace")[-400:]

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._wait(10)

    def stop(self) -> None:
        self._signal(signal.SIGTERM)
        self._wait(60)

    def _wait(self, timeout_s: float) -> None:
        assert self._process is not None
        self._process.wait(timeout_s)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder)


def start_broker() -> Broker:
    """A broker that serves, in Docker if that runs, else with Java. Raises NoBroker."""
    reasons = []
    for check, kind in ((docker_missing, DockerBroker), (java_missing, JavaBroker)):
        reason = check()
        if reason is None:
            try:
                broker = kind()
                try:
                    broker.start()
                except BaseException:
                    broker.remove()
                    raise
                return broker
            except NoBroker as error:
                reason = str(error)
        reasons.append(reason)
    raise NoBroker("; ".join(reasons))


def docker_missing() -> str | None:
    """Why containers cannot be run here; None if they can."""
    try:
        client = docker.from_env(timeout=10)
        try:
            client.ping()
        finally:
            client.close()
    except DockerException:
        return "no Docker engine answers"
    return None


def java_missing() -> str | None:
    """Why Kafka cannot be run by this machine's Java; None if it can."""
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    return f"no {' and no '.join(missing)} on the PATH" if missing else None


def wait_until_ready(
    bootstrap: str, timeout_s: float, last_words_if_ended: Callable[[], str | None] = lambda: None
) -> None:
    """Return when a broker answers and has announced itself to clients. Raises NoBroker."""
    deadline = time.monotonic() + timeout_s
    while not _answers(bootstrap):
        if (last_words := last_words_if_ended()) is not None:
            raise NoBroker(f"Kafka ended at once: {last_words}")
        if time.monotonic() > deadline:
            raise NoBroker(f"nothing that speaks Kafka answers at {bootstrap} within {timeout_s:g} s")


def _answers(bootstrap: str) -> bool:
    # A new client each time: one that was refused waits ever longer before it tries again.
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(client.list_topics(timeout=0.5).brokers)
    except KafkaException:
        return False


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which nothing listens now.

    Below those that systems give to outgoing connections, one of which would otherwise soon have them.
    """
    free: list[int] = []
    for port in random.sample(range(20_000, 32_000), 1_000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            free.append(port)
        if len(free) == count:
            return free
    raise OSError("no free ports from 20,000 to 32,000")


def _kafka_jars() -> Path:
    """The folder with Kafka's jars, filled by Maven on first use (43 MB). Raises NoBroker."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agentgauge-kafka"
    folder = cache / VERSION
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as unfinished:
            maven = subprocess.run(
                [
                    "mvn",
                    "-q",
                    "-B",
                    "-f",
                    str(_POM),
                    "dependency:copy-dependencies",
                    f"-DoutputDirectory={unfinished}/jars",
                ],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if maven.returncode:
                first = next((line for line in maven.stdout.splitlines() if "ERROR" in line), "no output")
                raise NoBroker(f"Maven cannot get Apache Kafka {VERSION}: {first}")
            Path(unfinished, "jars").rename(folder)
    return folder
