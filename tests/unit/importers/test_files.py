"""Which files an import reads, and how."""

import io
import os
from pathlib import Path

import pytest

from agentgauge_cli.errors import CliError
from agentgauge_cli.importers import files
from agentgauge_cli.importers.files import STILL_AFTER_S, find_files, is_still, read_lines


def touch(path: Path, second: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}\n")
    os.utime(path, (second, second))
    return path


def test_folders_are_searched_and_files_come_once_and_the_oldest_first(tmp_path: Path) -> None:
    new = touch(tmp_path / "a.jsonl", 200)
    old = touch(tmp_path / "z/subagents/agent-1.jsonl", 100)
    touch(tmp_path / "notes.txt", 50)
    assert find_files([tmp_path, new, tmp_path]) == [old, new]


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"no such file or folder: .*nowhere"):
        find_files([tmp_path / "nowhere"])


def test_a_folder_without_sessions_says_where_they_usually_are(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"no session files .*~/\.claude/projects"):
        find_files([tmp_path])


def test_a_torn_last_line_is_a_line_and_empty_ones_are_not() -> None:
    assert list(read_lines(io.BytesIO(b'{"a":1}\r\n\n  \n{"b"'))) == [b'{"a":1}', b'{"b"']


def test_a_line_that_would_fill_the_memory_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 8)
    lines = list(read_lines(io.BytesIO(b"short\n" + b"x" * 30 + b"\n1234567\nend\n")))
    assert lines == [b"short", b"", b"1234567", b"end"]


def test_a_file_is_still_after_five_minutes(tmp_path: Path) -> None:
    path = touch(tmp_path / "a.jsonl", 1_000)
    with path.open("rb") as stream:
        assert not is_still(stream, 1_000 + STILL_AFTER_S - 1)
        assert is_still(stream, 1_000 + STILL_AFTER_S)
