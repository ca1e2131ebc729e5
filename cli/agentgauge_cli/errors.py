"""What ends a command with one clear sentence instead of a traceback."""


class CliError(Exception):
    """A wrong setting or a missing part: printed as `agentgauge: <message>`, exit code 2.

    The message names the setting, what is wrong with it, and the fix.
    """
