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
    at: str = ""
    """At this point only; "": at all."""
    after: int = 0
    """Not before it has passed so many of them since it started."""
    once: bool = False
    """Never again after the first time: the file is removed."""


class FaultPoints:
    """Names the points and throws the dice."""

    def __init__(self, faults: SelfFaults, notes: Path, name: str, seed: int) -> None:
        self._faults = faults
        self._notes = notes
        self._name = name
        self._passed = 0
        self._random = random.Random(seed * 1_000_003 + os.getpid())

    def passing(self, point: str) -> None:
        """The process is at this point now: it may not come any further, or only much later."""
        faults = self._faults
        if not faults.armed.exists() or faults.at not in ("", point):
            return
        self._passed += 1
        if self._passed <= faults.after:
            return
        chance = self._random.random()
        if chance >= faults.kill + faults.stop:
            return
        if faults.once:
            faults.armed.unlink()
        what = "self-kill" if chance < faults.kill else "self-stop"
        with self._notes.open("a") as file:
            file.write(f"{self._name} {what} {point}\n")
        if what == "self-kill":
            os.kill(os.getpid(), signal.SIGKILL)
        self._freeze()

    def _freeze(self) -> None:
        subprocess.Popen(
            ["sh", "-c", f"sleep {self._faults.stop_s}; kill -CONT {os.getpid()}"],
            start_new_session=True,
        )
        os.kill(os.getpid(), signal.SIGSTOP)
