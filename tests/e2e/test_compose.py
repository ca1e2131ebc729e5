"""docker-compose.yml, for real: built, started, fed with the demo, compared with the truth, removed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.support.broker import free_ports
from tests.support.prometheus import Prometheus, assert_demo_truth
from tests.support.up import until

_REPOSITORY: Final = Path(__file__).parents[2]
_BUILD_AND_START_S: Final = 600
_RESTARTED: Final = ("reduce-0", "reduce-1", "merge-0", "merge-1", "sink-prometheus", "sink-storage")

pytestmark = pytest.mark.docker


class Project:
    """The compose file as a project of its own, on free ports, beside whatever else runs here."""

    def __init__(self) -> None:
        self.kafka_port, metrics, self.prometheus_port = free_ports(3)
        self._environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": f"agentgauge-test-{os.getpid()}",
            "AGENTGAUGE_KAFKA_PORT": str(self.kafka_port),
            "AGENTGAUGE_METRICS_PORT": str(metrics),
            "AGENTGAUGE_PROMETHEUS_PORT": str(self.prometheus_port),
        }

    def compose(self, *arguments: str, timeout_s: float = 120) -> str:
        """What one `docker compose` command prints; it must succeed."""
        done = self.run("docker", "compose", *arguments, timeout_s=timeout_s)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, *command: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """One command in the project's environment, however it ends."""
        return subprocess.run(
            command,
            cwd=_REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


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


@pytest.mark.timeout(_BUILD_AND_START_S + 600)
def test_demo_through_the_containers_gives_the_truth_and_killed_ones_come_back(project: Project) -> None:
    project.compose("up", "--build", "--detach", "--wait", timeout_s=_BUILD_AND_START_S)
    prometheus = Prometheus(project.prometheus_port)

    project.compose("run", "--rm", "demo", timeout_s=180)
    assert_demo_truth(prometheus)
    expected = {"llm_calls": 591, "tool_calls": 765, "tool_errors": 39, "cost_usd": "29.36499105"}
    until(lambda: _stored_totals(project) == expected, 30)

    for service in _RESTARTED:
        project.compose("exec", "-T", service, "sh", "-c", "kill -9 -1")  # all but the shell itself
    _publish_from_this_machine(project.kafka_port, spans=100)
    mine = 'agentgauge_agent_spans_total{gen_ai_agent_name="after-the-kill"}'
    until(lambda: prometheus.query(mine, "gen_ai_agent_name") == {"after-the-kill": 100}, 120)
    assert_demo_truth(prometheus)
    until(lambda: _stored_totals(project) == expected, 60)
    containers = project.compose("ps", "--quiet", *_RESTARTED).split()
    restarts = project.run("docker", "inspect", "--format", "{{.RestartCount}}", *containers).stdout.split()
    assert [count == "0" for count in restarts] == [False] * len(_RESTARTED)


def _stored_totals(project: Project) -> dict[str, object] | None:
    """None while the container is about to be started again."""
    report = project.run("docker", "compose", "exec", "-T", "sink-storage", "agentgauge", "report", "--json")
    if report.returncode:
        return None
    totals = json.loads(report.stdout)["totals"]
    return {name: totals[name] for name in ("llm_calls", "tool_calls", "tool_errors", "cost_usd")}


def _publish_from_this_machine(port: int, spans: int) -> None:
    """Through the SDK, and the listener that is for programs outside the containers."""
    program = f"""
import agentgauge
agentgauge.init("kafka://127.0.0.1:{port}", service="compose-test", agent="after-the-kill")
for _ in range({spans}):
    with agentgauge.span("step"):
        pass
assert agentgauge.flush(30).pending == 0
"""
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)
