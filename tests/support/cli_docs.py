"""The part of docs/cli.md that is generated: `python -m tests.support.cli_docs` writes it anew."""

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
MARKER = "<!-- From here on generated: python -m tests.support.cli_docs -->\n"


def generated() -> str:
    """What Typer says about every command."""
    command = [sys.executable, "-m", "typer", "agentgauge_cli.app", "utils", "docs", "--name", "agentgauge"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip().replace("# `agentgauge`", "## All commands", 1) + "\n"


def written() -> str:
    """What stands in the page."""
    return PAGE.read_text().partition(MARKER)[2].lstrip("\n")


def write() -> None:
    """Replace the generated part."""
    by_hand = PAGE.read_text().partition(MARKER)[0]
    PAGE.write_text(f"{by_hand}{MARKER}\n{generated()}")


if __name__ == "__main__":
    write()
