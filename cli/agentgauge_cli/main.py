"""The entry point of `agentgauge`: what a user did wrong ends in one sentence, never in a traceback."""

import logging
import sys
from collections.abc import Sequence
from typing import Final

from agentgauge_cli.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE

_EXTRAS: Final = {
    "typer": "cli",
    "rich": "cli",
    "confluent_kafka": "cli",
    "yaml": "cli",
    "faust": "processors",
    "mode": "processors",
    "genai_prices": "processors",
    "alembic": "sinks",
    "prometheus_client": "sinks",
    "sqlalchemy": "sinks",
}
"""Import name of a third party -> the extra of ours that installs it."""


def run() -> None:
    """Run the command line and end the process."""
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. `arguments` are the process's own by default."""
    # What a Kafka client has to say about itself is for those who configure logging (a worker does).
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    try:
        from agentgauge_cli.app import app

        app(args=arguments, prog_name="agentgauge")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else EXIT_OK
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        return _complain(
            f"this needs the package {package!r}: run pip install 'agentgauge[{_EXTRAS[package]}]'"
        )
    except Exception as error:
        if not isinstance(error, _user_errors()):
            raise
        return _complain(str(error))
    return EXIT_OK


def _user_errors() -> tuple[type[Exception], ...]:
    """What the packages raise for a wrong setting or a missing part; each message is one sentence."""
    from agentgauge.errors import ConfigError, NetworkError
    from agentgauge_cli.errors import CliError
    from agentgauge_processors.engine.contract import LogError
    from agentgauge_processors.engine.errors import StartupProblem
    from agentgauge_sinks.contract import SinkError

    return CliError, ConfigError, LogError, NetworkError, SinkError, StartupProblem


def _complain(sentence: str) -> int:
    sys.stderr.write(f"agentgauge: {sentence}\n")
    return EXIT_USAGE
