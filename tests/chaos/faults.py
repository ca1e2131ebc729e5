"""A process that does to itself, at the most dangerous points, what a machine may do to it at any."""

import os
import random
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SelfFaults:
    """How likely a process ends or freezes itself at each point that it passes."""

    armed: Path
    """Only while this file exists."""
    kill: float = 0.0
    stop: float = 0.0
    stop_s: float = 8.0
    """How long it stays frozen: longer than its session."""
    once_at: str = ""
    """Freeze once at this point, then never again: the file is removed."""


class FaultPoints:
    """Names the points and throws the dice."""

    def __init__(self, faults: SelfFaults, notes: Path, name: str, seed: int) -> None:
        self._faults = faults
        self._notes = notes
        self._name = name
        self._random = random.Random(seed * 1_000_003 + os.getpid())

    def passing(self, point: str) -> None:
        """The process is at this point now: it may not come any further, or only much later."""
        faults = self._faults
        if not faults.armed.exists():
            return
        if faults.once_at:
            if faults.once_at == point:
                faults.armed.unlink()
                self._freeze(point)
            return
        chance = self._random.random()
        if chance < faults.kill:
            self._note("self-kill", point)
            os.kill(os.getpid(), signal.SIGKILL)
        elif chance < faults.kill + faults.stop:
            self._freeze(point)

    def _freeze(self, point: str) -> None:
        self._note("self-stop", point)
        subprocess.Popen(
            ["sh", "-c", f"sleep {self._faults.stop_s}; kill -CONT {os.getpid()}"],
            start_new_session=True,
        )
        os.kill(os.getpid(), signal.SIGSTOP)

    def _note(self, what: str, point: str) -> None:
        with self._notes.open("a") as file:
            file.write(f"{self._name} {what} {point}\n")
