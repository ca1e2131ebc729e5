"""The data directory of an embedded pipeline: its files, and the lock that keeps others out."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agentgauge_cli.errors import CliError

STATE_FILE: Final = "state.sqlite"
STORAGE_FILE: Final = "storage.sqlite"
LOCK_FILE: Final = "lock"
_SQLITE_SUFFIXES: Final = ("", "-wal", "-shm", "-journal")


class DataDir:
    """A directory that one pipeline owns. The lock is the kernel's: it ends with the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def state(self) -> Path:
        """The log: records not yet processed, results, checkpoints."""
        return self.path / STATE_FILE

    @property
    def storage_url(self) -> str:
        """The storage, as an SQLAlchemy URL."""
        return f"sqlite:///{self.path / STORAGE_FILE}"

    def take(self) -> None:
        """Create and lock the directory. Raises CliError when it cannot be written, or is locked."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CliError(
                f"the data directory {self.path} cannot be written ({error.strerror}): "
                "choose another with --data-dir DIR"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise CliError(
                f"the data directory {self.path} is in use by another 'agentgauge up': "
                "end that one, or choose another with --data-dir DIR"
            ) from None
        self._lock = lock

    def clear(self) -> None:
        """Delete the state and the storage of the directory, which this object has taken."""
        for name in (STATE_FILE, STORAGE_FILE):
            for suffix in _SQLITE_SUFFIXES:
                (self.path / f"{name}{suffix}").unlink(missing_ok=True)

    def give_back(self) -> None:
        """Unlock it; idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()
