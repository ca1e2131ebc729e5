"""What keeps the engine from starting, and the codes with which a worker ends."""

from enum import IntEnum


class StartupProblem(Exception):
    """A service cannot start: one sentence that names what is wrong and, where there is one, the cure."""


class ExitCode(IntEnum):
    """With what a worker process ends. All but the first two ask the supervisor for a restart, after
    which the work goes on from the last checkpoint.
    """

    STOPPED = 0
    STARTUP = 2
    """Raised as `StartupProblem`: a setting, a topic or the broker is missing or wrong."""
    CRASHED = 70
    """Faust failed, or a stage in a way that nobody foresaw."""
    LOAD_FAILED = 72
    """A checkpoint could not be read back."""
    FENCED = 73
    """Another process owns the partition, or a write's outcome is unknown."""
    WATCHDOG = 75
    """Nothing went on for too long."""
    OFFSET_GAP = 77
    """A record was skipped on its way to the stage."""
