"""The parts of the Kafka carrier that need no broker."""

import logging
from pathlib import Path

import pytest

from agentgauge_processors.engine.contract import Fenced, Unavailable
from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_processors.engine.kafka.connection import Connection, Security
from agentgauge_processors.engine.kafka.errors import log_errors
from agentgauge_processors.engine.kafka.quiet import PER_PERIOD, PERIOD_S, RateLimit
from agentgauge_processors.engine.kafka.slot import held_slot, writable_directory


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def record(name: str, message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, message, args, None)


def test_a_flood_of_a_library_is_cut_and_what_was_cut_is_said() -> None:
    clock = Clock()
    limit = RateLimit(clock)
    passed = [limit.filter(record("aiokafka.client", "cannot connect to %s", n)) for n in range(100)]
    assert sum(passed) == PER_PERIOD
    clock.now = PERIOD_S
    later = record("aiokafka.client", "cannot connect to %s", 100)
    assert limit.filter(later)
    assert later.getMessage() == f"cannot connect to 100 [and {100 - PER_PERIOD} more like it before]"


def test_what_we_say_ourselves_is_never_cut() -> None:
    limit = RateLimit(Clock())
    assert all(limit.filter(record("agentgauge_processors.engine", "same")) for _ in range(100))


def test_different_messages_do_not_cut_each_other() -> None:
    limit = RateLimit(Clock())
    assert all(limit.filter(record("aiokafka", f"message {n}")) for n in range(100))


def test_a_slot_is_held_once_and_free_again_afterwards(tmp_path: Path) -> None:
    with held_slot(tmp_path, "agentgauge-merge", 0):
        with held_slot(tmp_path, "agentgauge-merge", 1), held_slot(tmp_path, "agentgauge-reduce", 0):
            pass
        with (
            pytest.raises(StartupProblem, match="slot 0 of agentgauge-merge is taken"),
            held_slot(tmp_path, "agentgauge-merge", 0),
        ):
            pass
    with held_slot(tmp_path, "agentgauge-merge", 0):
        pass


def test_a_directory_is_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    assert list(writable_directory(tmp_path / "a" / "b").iterdir()) == []


def test_a_directory_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartupProblem, match=r"Not a directory.*--data-dir"):
        writable_directory(tmp_path / "file" / "below")


def test_security_is_passed_to_clients_and_its_password_to_nobody_else() -> None:
    security = Security("SASL_PLAINTEXT", "SCRAM-SHA-256", "user", "hush")
    settings = Connection("b:9092", security).settings()
    assert settings["sasl_mechanism"] == "SCRAM-SHA-256"
    assert settings["sasl_plain_password"] == "hush"
    assert "hush" not in repr(security)
    assert "ssl_context" not in settings
    assert "ssl_context" in Connection("b:9092", Security("SSL")).settings()
    assert "sasl_mechanism" not in Connection("b:9092").settings()


@pytest.mark.parametrize("error", [OSError("refused"), TimeoutError(), AssertionError("state")])
def test_what_a_client_raises_is_unavailable(error: Exception) -> None:
    with pytest.raises(Unavailable, match="reading"), log_errors("reading"):
        raise error


def test_errors_of_the_contract_pass_and_mistakes_of_ours_are_not_hidden() -> None:
    with pytest.raises(Fenced, match="mine"), log_errors("reading"):
        raise Fenced("mine")
    with pytest.raises(KeyError), log_errors("reading"):
        raise KeyError("typo")
