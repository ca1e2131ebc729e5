"""The command line: every command and where it is defined.

Command modules import only what describes their options; what does the work is imported when a
command runs, so that `agentgauge --help` starts at once and a missing extra harms no other command.
"""

from typing import Annotated

import typer

from agentgauge_cli.commands import (
    demo,
    dlq,
    doctor,
    events,
    import_,
    prices,
    report,
    schemas,
    sink,
    topics,
    up,
    worker,
)

app = typer.Typer(
    name="agentgauge",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 something is wrong (and was printed), 2 wrong usage or setting, 130 interrupted.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"agentgauge {version('agentgauge')}")
        raise typer.Exit


@app.callback()
def agentgauge(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Streaming observability for AI agents, on Kafka."""


_START = "Start"
_LOOK = "Look"
_OPERATE = "Operate on Kafka"

app.command("up", rich_help_panel=_START)(up.up)
app.command("demo", rich_help_panel=_START)(demo.demo)
app.add_typer(import_.app, name="import", rich_help_panel=_START)
app.command("report", rich_help_panel=_LOOK)(report.report)
app.command("doctor", rich_help_panel=_LOOK)(doctor.doctor)
app.add_typer(events.app, name="events", rich_help_panel=_LOOK)
app.add_typer(dlq.app, name="dlq", rich_help_panel=_LOOK)
app.add_typer(schemas.app, name="schemas", rich_help_panel=_LOOK)
app.command("worker", rich_help_panel=_OPERATE)(worker.worker)
app.add_typer(topics.app, name="topics", rich_help_panel=_OPERATE)
app.add_typer(sink.app, name="sink", rich_help_panel=_OPERATE)
app.add_typer(prices.app, name="prices", rich_help_panel=_OPERATE)
