"""An import ends when all is delivered, and says clearly why when it cannot."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from agentgauge_cli.errors import CliError
from agentgauge_cli.importers.delivery import require_broker, wait_until_delivered


@dataclass(frozen=True)
class Result:
    pending: int
    dropped: int = 0
    failures: Sequence[str] = ()


class Queue:
    """Delivers as told: one result a call, the last one for ever."""

    def __init__(self, *results: Result) -> None:
        self._results = list(results)

    def flush(self, timeout: float) -> Result:
        return self._results.pop(0) if len(self._results) > 1 else self._results[0]


def test_it_waits_while_there_is_progress() -> None:
    wait_until_delivered(Queue(Result(3), Result(3), Result(1), Result(0)), stuck_after_s=60)


def test_no_progress_is_an_error_that_names_its_cause() -> None:
    with pytest.raises(CliError, match=r"7 events were not delivered \(refused\); import again"):
        wait_until_delivered(Queue(Result(9), Result(7, failures=["refused"])), stuck_after_s=0)


def test_dropped_events_are_an_error() -> None:
    with pytest.raises(CliError, match="2 events were dropped"):
        wait_until_delivered(Queue(Result(0, dropped=2)))


def test_a_broker_that_does_not_answer_is_named_with_the_cure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(CliError, match=rf"nothing answers at {address}: .*agentgauge up"):
            require_broker(address, timeout_s=1)


def test_one_of_several_brokers_is_enough() -> None:
    with socket.socket() as unused, socket.create_server(("127.0.0.1", 0)) as server:
        unused.bind(("127.0.0.1", 0))
        ports = (unused.getsockname()[1], server.getsockname()[1])
        require_broker(",".join(f"127.0.0.1:{port}" for port in ports), timeout_s=1)
