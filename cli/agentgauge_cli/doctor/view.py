"""How the checks look."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

from agentgauge_cli.doctor.check import Check, State
from agentgauge_cli.rendering import console, plural, printable

COLOURS: Final[dict[State, str]] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def print_checks(checks: Sequence[Check]) -> None:
    """One line each, and the cure below it where one is needed."""
    if sys.stdout.isatty():
        _print_rich(checks)
    else:
        for check in checks:
            print(f"{check.state:<4}  {check.name:<9} {printable(check.found)}")
            if check.cure:
                print(f"{'':<16}{printable(check.cure)}")
    print(_verdict(checks))


def _print_rich(checks: Sequence[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for check in checks:
        said = Text(printable(check.found))
        if check.cure:
            said.append(f"\n{printable(check.cure)}", style="italic")
        table.add_row(Text(check.state, style=COLOURS[check.state]), check.name, said)
    console().print(table)


def _verdict(checks: Sequence[Check]) -> str:
    counts = Counter(check.state for check in checks)
    if counts["fail"]:
        return f"{plural(counts['fail'], 'problem')}."
    return f"No problems, {plural(counts['warn'], 'warning')}." if counts["warn"] else "All is well."
