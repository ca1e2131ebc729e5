"""How a command ends: its exit codes, and what ends it with one clear sentence, not a traceback."""

from typing import Final

EXIT_OK: Final = 0
EXIT_PROBLEMS: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130


class CliError(Exception):
    """A wrong setting or a missing part: printed as `agentgauge: <message>`, exit code 2.

    The message names the setting, what is wrong with it, and the fix.
    """
