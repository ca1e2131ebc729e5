"""The processes of a run: started, harmed, and started again when they end."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Supervised:
    """A process that is started again whenever it ends."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    continue_at: float = 0.0
    """When a frozen one goes on; 0: it is not frozen."""


@dataclass
class Supervisor:
    """Starts processes, and what a container runtime does: restarts those that ended."""

    folder: Path
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    """What was done, and with what codes processes ended."""
    members: dict[str, Supervised] = field(default_factory=dict)
    disturbed_at: float = 0.0
    """When a process ended or was frozen last (monotonic)."""
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def add(self, name: str, command: list[str]) -> None:
        """Start it, and keep it running."""
        self.members[name] = Supervised(name, command)
        self.tend()

    def tend(self) -> None:
        """Start what is due, let what was frozen go on. Call it often."""
        now = time.monotonic()
        for member in self.members.values():
            process = member.process
            if process is not None and member.continue_at and now >= member.continue_at:
                process.send_signal(signal.SIGCONT)
                member.continue_at = 0.0
            if process is not None and process.poll() is not None:
                self.counts[f"{member.name.split('-')[0]} ended with {process.returncode}"] += 1
                member.process, member.continue_at = None, 0.0
                member.start_at = now + self._random.choice([0.0, 0.5, 2.0])
            if member.process is None and now >= member.start_at:
                member.process = self.start(member.name, member.command)
                self.disturbed_at = now
            if member.process is not None and _is_frozen(member.process.pid):
                self.disturbed_at = now

    def start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """A process that nobody restarts; what it says goes to a file."""
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def harm(self, name: str, how: str, stop_s: float = 0.0) -> None:
        """`kill`, `term` or `stop` (for so long) a process, if it runs."""
        member = self.members[name]
        if member.process is None or member.process.poll() is not None or member.continue_at:
            return
        self.counts[how] += 1
        if how == "stop":
            member.continue_at = time.monotonic() + stop_s
        member.process.send_signal(
            {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}[how]
        )

    def harm_at_random(self, hows: tuple[str, ...], stop_s: float) -> None:
        """One of the processes, in one of these ways."""
        name, how = self._random.choice(sorted(self.members)), self._random.choice(hows)
        self.harm(name, how, stop_s + self._random.uniform(1, 4))

    def end(self, prefix: str, within_s: float = 60.0) -> dict[str, int]:
        """Stop those whose names begin so, in order, for good; returns their exit codes."""
        ending = [self.members.pop(name) for name in list(self.members) if name.startswith(prefix)]
        for member in ending:
            if member.process is not None:
                member.process.send_signal(signal.SIGCONT)
                member.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + within_s
        return {
            member.name: member.process.wait(max(0.1, deadline - time.monotonic()))
            for member in ending
            if member.process is not None
        }

    def kill_all(self) -> None:
        """Whatever is left."""
        for member in self.members.values():
            if member.process is not None and member.process.poll() is None:
                member.process.kill()
                member.process.wait()


def _is_frozen(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "T"


def module(name: str, orders: Mapping[str, object]) -> list[str]:
    """The command of a module of this suite."""
    return [sys.executable, "-m", f"tests.chaos.{name}", json.dumps(orders)]
