"""Each check tells what it found and, where something is wrong, the cure."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentgauge_cli.doctor.check import Check, fail, ok, warn
from agentgauge_cli.doctor.examine import broker, examine
from agentgauge_cli.doctor.machine import data_directory, storage
from agentgauge_cli.doctor.pipeline import judged_skew
from agentgauge_cli.doctor.view import print_checks
from agentgauge_cli.probe import NEEDED, Answer, NoKafka, ask

ALL_APIS = dict(NEEDED.values()) | {32: 4}


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Something that says this to whoever asks, and hangs up."""

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "another language"),
        (b"", "hangs up"),
        (b"\0\0\0\x20\0\0\0\x07", "hangs up"),
        (b"\0\0\0\x0a\0\0\0\x09\0\0\0\0\0\0", "answers with error"),
    ],
)
def test_what_is_no_broker_is_told_from_one(answer: bytes, reason: str) -> None:
    with answering(answer) as address, pytest.raises(NoKafka, match=reason):
        ask(address)


def test_the_apis_of_a_broker_are_read() -> None:
    body = b"\0\0\0\x07\0\0\0\0\0\x02" + b"\0\0\0\0\0\x0b" + b"\0\x20\0\0\0\x04"
    with answering(b"\0\0\0" + bytes([len(body)]) + body) as address:
        answer = ask(address)
    assert answer.versions == {0: 11, 32: 4}


def test_the_second_address_is_asked_when_the_first_does_not_answer() -> None:
    body = b"\0\0\0\x07\0\0\0\0\0\x00"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    with answering(b"\0\0\0" + bytes([len(body)]) + body) as address:
        assert ask(f"{nobody},{address}").versions == {}
    with pytest.raises(NoKafka, match=rf"{nobody} \(connection refused\)"):
        ask(nobody)


def test_a_broker_that_is_too_old_is_one_that_lacks_something() -> None:
    old = {key: version for key, version in ALL_APIS.items() if key != 26}
    assert broker("k:1", Answer(0.002, ALL_APIS)).state == "ok"
    check = broker("k:1", Answer(0.002, old))
    assert (check.state, "no transactions" in check.found) == ("fail", True)


def test_the_embedded_broker_is_known_by_what_it_cannot_tell() -> None:
    check = broker("k:1", Answer(0.002, dict(NEEDED.values())))
    assert "agentgauge up" in check.found


@pytest.mark.parametrize(
    ("skew_s", "state", "found"),
    [
        (0.0, "ok", "within 8 ms"),
        (1.5, "ok", "within 1500 ms"),
        (30.0, "warn", "30 s behind the broker's"),
        (-30.0, "warn", "30 s ahead of the broker's"),
        (259_200.0, "fail", "3 d behind"),
    ],
)
def test_clocks_may_differ_a_little(skew_s: float, state: str, found: str) -> None:
    check = judged_skew(skew_s, 0.008)
    assert check.state == state
    assert found in check.found


def test_a_data_directory_need_not_be_there_yet(tmp_path: Path) -> None:
    check = data_directory(tmp_path / "not" / "yet")
    assert check.state in ("ok", "warn", "fail"), "as full as this machine's disk is"
    assert "free for" in check.found


def test_a_file_where_the_data_directory_should_be_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert data_directory(tmp_path / "file" / "data").state == "fail"


async def test_no_storage_is_a_warning_with_the_cure(tmp_path: Path) -> None:
    check = await storage(f"sqlite:///{tmp_path / 'none.sqlite'}", None)
    assert check.state == "warn"
    assert "--storage" in check.cure


async def test_without_a_broker_the_rest_is_looked_at_all_the_same(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    checks = await examine(nobody, "agentgauge", tmp_path, f"sqlite:///{tmp_path / 'none.sqlite'}")
    assert [(check.name, check.state) for check in checks[:2]] == [("broker", "fail"), ("storage", "warn")]
    assert checks[2].name == "data"


OK, WARN, FAIL = ok("a", "fine"), warn("b", "low", "make room"), fail("c", "bad", "mend it")


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [([OK], "All is well."), ([OK, WARN], "No problems, 1 warning."), ([FAIL, WARN, FAIL], "2 problems.")],
)
def test_the_verdict_is_the_worst_state(
    capsys: pytest.CaptureFixture[str], checks: list[Check], verdict: str
) -> None:
    print_checks(checks)
    assert capsys.readouterr().out.splitlines()[-1] == verdict


def test_a_cure_stands_below_what_it_cures(capsys: pytest.CaptureFixture[str]) -> None:
    print_checks([WARN])
    assert capsys.readouterr().out.splitlines()[:2] == ["warn  b         low", " " * 16 + "make room"]
