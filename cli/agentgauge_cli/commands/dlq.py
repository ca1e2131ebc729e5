"""`agentgauge dlq`: what could not be counted, why, and how to have it counted after all."""

import asyncio
from typing import Annotated

import typer

from agentgauge_cli.errors import CliError
from agentgauge_cli.letters import Letter, LetterId
from agentgauge_cli.settings import DEFAULT_KAFKA, DEFAULT_PREFIX, JsonOption, KafkaOption, PrefixOption
from agentgauge_schemas.topics import Topic

app = typer.Typer(help="See and replay what could not be counted.", no_args_is_help=True)


def letter_id(text: str) -> LetterId:
    """From `PARTITION:OFFSET`. Raises typer.BadParameter for anything else."""
    partition, _, offset = text.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter(f"{text!r} is not PARTITION:OFFSET, as 'agentgauge dlq list' prints it")
    return LetterId(int(partition), int(offset))


@app.command("list")
def list_letters(
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="The newest so many.")] = 50,
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
    json: JsonOption = False,
) -> None:
    """List dead letters, the newest first: which, why, and what is wrong."""
    from agentgauge_cli.kafka import opened_log
    from agentgauge_cli.letter_view import print_letters, summary
    from agentgauge_cli.letters import newest_letters
    from agentgauge_cli.rendering import print_json

    async def read() -> list[Letter]:
        async with opened_log(kafka, prefix, Topic.DLQ) as log:
            return await newest_letters(log, limit)

    letters = asyncio.run(read())
    if json:
        print_json([summary(letter) for letter in letters])
    else:
        print_letters(letters)


@app.command()
def show(
    letter: Annotated[
        LetterId,
        typer.Argument(metavar="LETTER", parser=letter_id, help="PARTITION:OFFSET, from 'dlq list'."),
    ],
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
    json: JsonOption = False,
) -> None:
    """Show one dead letter: where it comes from, why it is here, and what is in it."""
    from agentgauge_cli.kafka import opened_log
    from agentgauge_cli.letter_view import details, print_letter
    from agentgauge_cli.letters import find_letters
    from agentgauge_cli.rendering import print_json

    async def read() -> list[Letter]:
        async with opened_log(kafka, prefix, Topic.DLQ) as log:
            return [found async for found in find_letters(log, [letter])]

    [found] = asyncio.run(read())
    if json:
        print_json(details(found))
    else:
        print_letter(found)


@app.command()
def replay(
    letters: Annotated[
        list[LetterId] | None,
        typer.Argument(metavar="LETTER", parser=letter_id, help="PARTITION:OFFSET, from 'dlq list'."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the broker keeps.")] = False,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=JSON", help="Set a field of each event; may be repeated."),
    ] = None,
    drops: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="FIELD", help="Remove a field of each event; may be repeated."),
    ] = None,
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
    json: JsonOption = False,
) -> None:
    """Publish dead letters again, after a fix: each event counts once, however often this runs.

    A letter that is still not valid is not published. Exit code 1 when there was such a one.
    """
    if bool(letters) == every:
        raise CliError("say which letters to replay: PARTITION:OFFSET ..., or --all")

    from agentgauge_cli.importers.delivery import publishing
    from agentgauge_cli.kafka import opened_log
    from agentgauge_cli.letters import all_letters, find_letters
    from agentgauge_cli.rendering import print_json, waiting
    from agentgauge_cli.replay import Outcome, Replay, parse_repair, print_outcome, replay_letters

    repair = parse_repair(assignments or [], drops or [])

    async def run() -> Outcome:
        async with opened_log(kafka, prefix, Topic.DLQ) as log:
            with publishing(kafka, prefix) as publisher:

                def publish(one: Replay) -> None:
                    publisher.publish(
                        one.producer,
                        one.seq,
                        one.events,
                        resource=one.resource,
                        backfill=True,
                        repeatable=True,
                    )

                chosen = find_letters(log, letters) if letters else all_letters(log)
                return await replay_letters(chosen, prefix, repair, publish)

    with waiting("Replaying ..."):
        outcome = asyncio.run(run())
    if json:
        print_json(outcome)
    else:
        print_outcome(outcome)
    if outcome.refused:
        raise typer.Exit(1)
