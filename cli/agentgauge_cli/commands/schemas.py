"""`agentgauge schemas`: the JSON Schemas of the records, for readers in other languages."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The JSON Schemas of all public records.", no_args_is_help=True)


@app.callback()
def schemas() -> None:
    """The JSON Schemas of all public records."""


@app.command()
def export(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", file_okay=False, help="Made if it is not there.")
    ],
) -> None:
    """Write one NAME.schema.json a record into DIR."""
    from agentgauge_cli.errors import CliError
    from agentgauge_schemas import export as schema_export

    try:
        written = schema_export.export(directory)
    except OSError as error:
        raise CliError(f"cannot write to {directory}: {error.strerror}; name another folder") from None
    typer.echo(f"{len(written)} schemas written to {directory}")
