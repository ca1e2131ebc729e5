"""docker-compose.yml, for real: built, started, fed with the demo, compared with the truth, removed."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.support.broker import free_ports
from tests.support.prometheus import Prometheus, assert_demo_truth

_REPOSITORY: Final = Path(__file__).parents[2]
_BUILD_AND_START_S: Final = 600

pytestmark = pytest.mark.docker


class Project:
    """The compose file as a project of its own, on free ports, beside whatever else runs here."""

    def __init__(self) -> None:
        kafka, metrics, self.prometheus_port = free_ports(3)
        self._environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": f"agentgauge-test-{os.getpid()}",
            "AGENTGAUGE_KAFKA_PORT": str(kafka),
            "AGENTGAUGE_METRICS_PORT": str(metrics),
            "AGENTGAUGE_PROMETHEUS_PORT": str(self.prometheus_port),
        }

    def compose(self, *arguments: str, timeout_s: float = 120) -> str:
        """What one `docker compose` command prints; it must succeed."""
        done = subprocess.run(
            ["docker", "compose", *arguments],
            cwd=_REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def project() -> Iterator[Project]:
    project = Project()
    yield project
    project.compose("--profile", "demo", "down", "--volumes", "--remove-orphans")


def test_ports_are_open_to_this_machine_only_and_no_secret_is_in_the_file(project: Project) -> None:
    services = json.loads(project.compose("--profile", "demo", "config", "--format", "json"))["services"]
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 3
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}
    names = {name for service in services.values() for name in service.get("environment", {})}
    assert not [
        name for name in names if any(word in name for word in ("PASSWORD", "SECRET", "TOKEN", "KEY"))
    ]


@pytest.mark.timeout(_BUILD_AND_START_S + 300)
def test_demo_through_the_containers_gives_the_truth(project: Project) -> None:
    project.compose("up", "--build", "--detach", "--wait", timeout_s=_BUILD_AND_START_S)
    project.compose("run", "--rm", "demo", timeout_s=180)
    assert_demo_truth(Prometheus(project.prometheus_port))
    expected = {"llm_calls": 591, "tool_calls": 765, "tool_errors": 39, "cost_usd": "29.36499105"}
    deadline = time.monotonic() + 30
    while (stored := _stored_totals(project)) != expected and time.monotonic() < deadline:
        pass  # storage follows the topics at its own pace; each look takes about a second
    assert stored == expected


def _stored_totals(project: Project) -> dict[str, object]:
    report = project.compose("exec", "-T", "sink-storage", "agentgauge", "report", "--json")
    totals = json.loads(report)["totals"]
    return {name: totals[name] for name in ("llm_calls", "tool_calls", "tool_errors", "cost_usd")}
