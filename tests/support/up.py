"""`agentgauge up` as a process of its own, on ports that were free a moment ago."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

from tests.support.broker import free_ports

STARTS_WITHIN_S = 30.0


class Ports(NamedTuple):
    """Those of one embedded pipeline."""

    kafka: int
    metrics: int
    status: int

    @property
    def options(self) -> list[str]:
        """As `up` and `demo` take them."""
        names = ("--kafka-port", "--metrics-port", "--status-port")
        return [word for name, port in zip(names, self, strict=True) for word in (name, str(port))]


def some_ports() -> Ports:
    """Free ones."""
    return Ports(*free_ports(3))


@contextmanager
def up(ports: Ports, data_dir: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Started and ready; killed at the end, if the test did not end it."""
    process = subprocess.Popen(
        [
            sys.executable, "-c", "from agentgauge_cli.main import run; run()",
            "up", "--data-dir", str(data_dir), *ports.options, *more,
        ],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        until(lambda: get(f"http://127.0.0.1:{ports.status}/healthz") is not None, STARTS_WITHIN_S)
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def until(condition: Callable[[], bool], within_s: float) -> None:
    """Wait for it; fails when it does not come true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s"
        time.sleep(0.05)


def get(url: str) -> str | None:
    """The body, or None for anything but a good answer."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return str(response.read().decode())
    except (URLError, ConnectionError, TimeoutError):
        return None
