"""Which session files there are, and how they are read: streamed, and safe while they grow."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from agentgauge_cli.errors import CliError

STILL_AFTER_S: Final = 300.0
"""A file that nobody wrote to for this long is taken to be at its end, for now."""
MAX_LINE_BYTES: Final = 64 * (1 << 20)
"""A longer line is skipped, so that no file can take all memory."""


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files named, and the `*.jsonl` in the folders named, each once, the oldest first: where a
    resumed session repeats another's lines, the original comes before its copy.

    Raises CliError for a path that is not there, and when there is no file at all.
    """
    found: dict[Path, Path] = {}
    asked = list(paths)
    for path in asked:
        if path.is_dir():
            found |= {file.resolve(): file for file in path.rglob("*.jsonl") if file.is_file()}
        elif path.is_file():
            found[path.resolve()] = path
        else:
            raise CliError(f"no such file or folder: {path}")
    if not found:
        folders = ", ".join(str(path) for path in asked)
        raise CliError(
            f"no session files (*.jsonl) in {folders}; Claude Code keeps them in ~/.claude/projects"
        )
    return sorted(found.values(), key=lambda file: (file.stat().st_mtime_ns, str(file)))


def read_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines that hold anything, without their ends. A torn last line comes as it is; a line above
    the limit comes as b"", which nobody can read and everybody counts.
    """
    while line := stream.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield b""
        elif stripped := line.strip():
            yield stripped


def is_still(stream: IO[bytes], now_s: float) -> bool:
    """Whether an open file has rested long enough. Ask after reading it: what was written meanwhile
    then counts as a movement.
    """
    return now_s - os.fstat(stream.fileno()).st_mtime >= STILL_AFTER_S
