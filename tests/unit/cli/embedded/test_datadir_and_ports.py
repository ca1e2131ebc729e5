"""What keeps an embedded pipeline from starting is said in one sentence that names the option."""

from pathlib import Path

import pytest

from agentgauge_cli.embedded.datadir import DataDir
from agentgauge_cli.embedded.ports import listen, port_of
from agentgauge_cli.errors import CliError


def test_a_taken_port_is_named_with_its_option() -> None:
    first = listen(0, "--kafka-port")
    with first, pytest.raises(CliError, match=rf"port {port_of(first)} .* is taken.* --metrics-port PORT"):
        listen(port_of(first), "--metrics-port")


def test_a_port_is_free_again_once_its_owner_ended() -> None:
    with listen(0, "--kafka-port") as first:
        port = port_of(first)
    with listen(port, "--kafka-port") as second:
        assert port_of(second) == port


def test_a_second_pipeline_cannot_take_the_directory(tmp_path: Path) -> None:
    path = tmp_path / "new" / "data"
    with DataDir(path), pytest.raises(CliError, match=r"in use by another 'agentgauge up'.* --data-dir DIR"):
        DataDir(path).take()
    with DataDir(path):
        pass


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CliError, match=r"cannot be written .* --data-dir DIR"):
        DataDir(tmp_path / "file" / "data").take()


def test_clearing_deletes_state_and_storage_only(tmp_path: Path) -> None:
    with DataDir(tmp_path) as directory:
        for name in ("state.sqlite", "state.sqlite-wal", "storage.sqlite", "notes.txt"):
            (tmp_path / name).write_text("x")
        directory.clear()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "notes.txt"]
