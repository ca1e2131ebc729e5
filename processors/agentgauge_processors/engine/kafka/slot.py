"""One live process per slot: two with the same static membership would kick each other out for ever."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agentgauge_processors.engine.errors import StartupProblem


def writable_directory(path: Path) -> Path:
    """Make a directory, with its parents, and prove that it can be written to. Raises StartupProblem."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StartupProblem(
            f"cannot write to the data directory {path} ({error.strerror}): name another with --data-dir"
        ) from error
    return path


@contextmanager
def held_slot(data_dir: Path, group: str, slot: int) -> Iterator[None]:
    """Hold a slot of a consumer group on this machine. Raises StartupProblem when it is taken.

    The lock is the kernel's: it goes with the process, however that ends.
    """
    with (data_dir / f"{group}-{slot}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartupProblem(
                f"slot {slot} of {group} is taken by another process on this machine:"
                " give each worker a --slot of its own"
            ) from None
        yield
