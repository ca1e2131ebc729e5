"""A real Prometheus server for a test, and what it must say after the demo."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.support.broker import free_ports
from tests.support.session_truth import session_truth
from tests.support.up import get, until

IMAGE: Final = "prom/prometheus:v3.5.0"
_READY_WITHIN_S: Final = 60.0
_MODEL: Final = "gen_ai_request_model"
_TOOL: Final = "gen_ai_tool_name"


class Prometheus:
    """The HTTP API of one server."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def query(self, expression: str, label: str) -> dict[str, float]:
        """The value of each series now, by one of its labels."""
        with urlopen(f"{self._url}/api/v1/query?{urlencode({'query': expression})}", timeout=10) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return {each["metric"][label]: float(each["value"][1]) for each in answer["data"]["result"]}


@contextmanager
def running_prometheus(target: str, folder: Path) -> Iterator[Prometheus]:
    """A server that scrapes `target` (`host:port`) each second; its data goes into `folder`."""
    (port,) = free_ports(1)
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: agentgauge, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    configuration.chmod(0o644)
    options = [f"--web.listen-address=127.0.0.1:{port}"]
    if shutil.which("prometheus"):
        command = ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}"]
    else:
        inside = "/etc/prometheus/prometheus.yml"
        command = ["docker", "run", "--rm", "--network=host", f"--volume={configuration}:{inside}:ro", IMAGE]
        options += [f"--config.file={inside}", "--storage.tsdb.path=/prometheus"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, *options], stdout=log, stderr=subprocess.STDOUT)
    try:
        until(lambda: get(f"http://127.0.0.1:{port}/-/ready") is not None, _READY_WITHIN_S)
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(30)


def assert_demo_truth(server: Prometheus, timeout_s: float = 60.0) -> None:
    """Wait until all of the demo was scraped; then every figure must be what the raw files say."""
    truth = session_truth()
    assert sum(model.responses for model in truth.models.values()) == 591
    assert truth.calls.total() == 765

    def calls() -> dict[str, float]:
        return server.query(f"sum by ({_MODEL}) (agentgauge_operations_total)", _MODEL)

    def tools(metric: str) -> dict[str, float]:
        return server.query(f"sum by ({_TOOL}) ({metric}) > 0", _TOOL)

    def all_there() -> bool:
        return sum(calls().values()) >= 591 and sum(tools("agentgauge_tool_calls_total").values()) >= 765

    until(all_there, timeout_s)
    assert calls() == {name: model.responses for name, model in truth.models.items()}
    assert tools("agentgauge_tool_calls_total") == dict(truth.calls)
    assert tools("agentgauge_tool_errors_total") == dict(truth.failed)
    for kind, expected in (
        ("input", {name: model.input for name, model in truth.models.items()}),
        ("output", {name: model.output for name, model in truth.models.items()}),
        ("cache_read", {name: model.cache_read for name, model in truth.models.items()}),
    ):
        tokens = f'sum by ({_MODEL}) (gen_ai_client_token_usage_total{{gen_ai_token_type="{kind}"}})'
        assert server.query(tokens, _MODEL) == expected
    cost = server.query(f"sum by ({_MODEL}) (agentgauge_cost_usd_total)", _MODEL)
    assert _in_nanodollars(cost) == {
        "claude-opus-4-6": Decimal("27.489280250"),
        "claude-haiku-4-5-20251001": Decimal("1.789047100"),
        "claude-sonnet-4-5-20250929": Decimal("0.086663700"),
    }


def _in_nanodollars(values: Mapping[str, float]) -> dict[str, Decimal]:
    """Prometheus has doubles: their ninth decimal is still exact at these sizes."""
    return {name: Decimal(value).quantize(Decimal("1e-9")) for name, value in values.items()}
