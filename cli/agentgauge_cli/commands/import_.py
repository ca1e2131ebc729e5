"""`agentgauge import`: what other programs recorded becomes events, each counted once."""

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentgauge_cli.settings import DEFAULT_KAFKA, DEFAULT_PREFIX, JsonOption, KafkaOption, PrefixOption
from agentgauge_schemas.topics import Topic

if TYPE_CHECKING:
    from agentgauge_cli.importers.publish import FileReport

app = typer.Typer(help="Import what other programs recorded.", no_args_is_help=True)


@app.callback()
def import_() -> None:
    """Import what other programs recorded."""


@app.command("claude-code")
def claude_code(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Session files, or folders of them (~/.claude/projects)."),
    ],
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Add one constant to all times: the latest item ends now.")
    ] = False,
    no_content: Annotated[
        bool, typer.Option("--no-content", help="Leave texts, arguments and results out; their sizes stay.")
    ] = False,
    project: Annotated[
        str | None,
        typer.Option(
            "--project", metavar="NAME", help="Of all events; default: the folder a session ran in."
        ),
    ] = None,
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
    json: JsonOption = False,
) -> None:
    """Import recorded sessions of Claude Code: each response and tool call counts once.

    Importing again, also after a file grew, adds only what is new. What a file does not show to be
    complete yet is reported as open; it is taken as it is once nothing was written for 5 minutes.
    """
    from rich.progress import Progress

    from agentgauge_cli.importers.delivery import publishing
    from agentgauge_cli.importers.files import find_files
    from agentgauge_cli.importers.publish import Options
    from agentgauge_cli.importers.run import import_files
    from agentgauge_cli.rendering import console

    files = find_files(paths)
    asyncio.run(_require_topic(kafka, prefix))
    size = sum(file.stat().st_size for file in files) * (2 if shift_to_now else 1)

    with (
        Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress,
        publishing(kafka, prefix) as publisher,
    ):
        reading = progress.add_task("Importing", total=size)
        reports = import_files(
            publisher,
            files,
            options=Options(project=project, content=not no_content),
            now_us=time.time_ns() // 1000,
            shift_to_now=shift_to_now,
            on_read=lambda read: progress.advance(reading, read),
        )
    _print(reports, json=json)


async def _require_topic(kafka: str, prefix: str) -> None:
    """Many a broker makes a topic that is asked for: what a mistyped prefix gets, nobody would read."""
    from agentgauge_cli.kafka import opened_log

    async with opened_log(kafka, prefix, Topic.EVENTS):
        pass


def _print(reports: "list[FileReport]", *, json: bool) -> None:
    from agentgauge_cli.importers.run import totals
    from agentgauge_cli.rendering import NOTHING, Column, plural, print_json, print_table

    total = totals(reports)
    if json:
        print_json({"files": reports, "total": total})
        return
    rows = [
        [
            report.file,
            f"{report.responses:,}",
            f"{report.tool_calls:,}",
            f"{report.errors:,}",
            f"{len(report.open):,}",
            ", ".join(f"{reason} {count:,}" for reason, count in report.skipped.items()) or NOTHING,
        ]
        for report in reports
    ]
    columns = [Column("file"), *(Column(title, number=True) for title in ("responses", "tool calls"))]
    columns += [Column("errors", number=True), Column("open", number=True), Column("skipped lines")]
    print_table("Imported sessions", columns, rows)
    typer.echo(
        f"{plural(total.responses, 'response')} and {plural(total.tool_calls, 'tool call')} "
        f"({total.errors:,} failed) in {plural(total.files, 'file')}; "
        "what was imported before is not counted again."
    )
    if total.open:
        typer.echo(f"{plural(total.open, 'item')} open: import again when the session has gone on.")
