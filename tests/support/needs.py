"""What tests may need beyond Python, whether this machine has it, and what was skipped for want of it."""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Set
from typing import Final

from tests.support.broker import (
    Broker,
    NoBroker,
    docker_missing,
    java_missing,
    start_broker,
    wait_until_ready,
)

NEEDS: Final = {
    "kafka": "a real Kafka broker",
    "docker": "Docker with Compose",
    "servers": "a Prometheus server",
}
"""Marker -> how the closing summary names it."""

BROKER_FIXTURES: Final = frozenset({"kafka", "broker", "own_broker"})
KAFKA_VARIABLE: Final = "AGENTGAUGE_TEST_KAFKA"


class Needs:
    """Answers for one test session. The shared broker is started by the first test that needs it."""

    def __init__(self) -> None:
        self._broker: Broker | None = None
        self._no_broker: str | None = None
        self._external_ready = False
        self._skipped: Counter[tuple[str, str]] = Counter()

    def kafka(self) -> str:
        """`host:port` of the broker that all tests share. Raises NoBroker."""
        external = os.environ.get(KAFKA_VARIABLE)
        if not external:
            return self.broker().bootstrap
        if not self._external_ready:
            wait_until_ready(external, 10)
            self._external_ready = True
        return external

    def broker(self) -> Broker:
        """The shared broker, if it is one of ours. Raises NoBroker."""
        if self._no_broker is not None:
            raise NoBroker(self._no_broker)
        if self._broker is None:
            try:
                self._broker = start_broker()
            except NoBroker as error:
                self._no_broker = str(error)
                raise
        return self._broker

    def unmet(self, need: str, fixtures: Set[str]) -> str | None:
        """Why a test that has the marker `need` and takes these fixtures cannot run; None if it can."""
        reason = {"kafka": self._kafka_unmet, "docker": _docker_unmet, "servers": _servers_unmet}[need](
            fixtures
        )
        if reason is not None:
            self._skipped[need, reason] += 1
        return reason

    def _kafka_unmet(self, fixtures: Set[str]) -> str | None:
        if fixtures & BROKER_FIXTURES == {"own_broker"}:  # no reason to start the shared one as well
            reasons = (docker_missing(), java_missing())
            return None if None in reasons else "; ".join(filter(None, reasons))
        try:
            if "broker" in fixtures:
                self.broker()
            else:
                self.kafka()
        except NoBroker as error:
            return str(error)
        return None

    def summary(self) -> list[str]:
        """One line for each need that was not met."""
        return [
            f"{count} {'test needs' if count == 1 else 'tests need'} {NEEDS[need]} ({reason})"
            for (need, reason), count in sorted(self._skipped.items())
        ]

    def close(self) -> None:
        """End the shared broker."""
        if self._broker is not None:
            self._broker.remove()
            self._broker = None


def _docker_unmet(_fixtures: Set[str]) -> str | None:
    missing = docker_missing()
    if missing is None and shutil.which("docker") is None:
        return "no docker command on the PATH"
    if missing is None:
        compose = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if compose.returncode:
            return "the docker command has no Compose plugin"
    return missing


def _servers_unmet(fixtures: Set[str]) -> str | None:
    if shutil.which("prometheus") is not None or _docker_unmet(fixtures) is None:
        return None
    return "no prometheus on the PATH and no Docker to run it in"
