"""`agentgauge topics`: create the topics, and check that they are as they must be."""

import asyncio
from typing import Annotated

import typer

from agentgauge_cli.settings import DEFAULT_KAFKA, DEFAULT_PREFIX, JsonOption, KafkaOption, PrefixOption
from agentgauge_schemas.topics import DEFAULT_EVENTS_PARTITIONS, DEFAULT_MERGE_PARTITIONS

app = typer.Typer(help="Create and check the Kafka topics.", no_args_is_help=True)


@app.command()
def create(
    events_partitions: Annotated[
        int,
        typer.Option(
            min=1, max=10_000, metavar="N", help="Of the events: how many workers can share them; may grow."
        ),
    ] = DEFAULT_EVENTS_PARTITIONS,
    merge_partitions: Annotated[
        int, typer.Option(min=1, max=1_000, metavar="N", help="Of the results: fixed at creation, for ever.")
    ] = DEFAULT_MERGE_PARTITIONS,
    replication: Annotated[
        int, typer.Option(min=1, max=10, metavar="N", help="Copies of each partition: 3 on a cluster.")
    ] = 1,
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
    json: JsonOption = False,
) -> None:
    """Create the topics that are missing and grow those that may grow; running it again is harmless."""
    from agentgauge_cli.kafka import require_topics_of_its_own
    from agentgauge_cli.rendering import Column, print_json, print_table, waiting
    from agentgauge_processors.engine.kafka.topics import create_topics

    with waiting(f"Creating topics at {kafka} ..."):
        require_topics_of_its_own(kafka)
        changes = asyncio.run(create_topics(kafka, prefix, events_partitions, merge_partitions, replication))
    if json:
        print_json({"changes": changes})
    elif changes:
        rows = [[change.topic, change.action, str(change.partitions)] for change in changes]
        print_table(
            f"Topics at {kafka}", [Column("topic"), Column("change"), Column("partitions", number=True)], rows
        )
    else:
        typer.echo(f"All topics of {prefix!r} exist at {kafka}: nothing to do.")


@app.command()
def check(
    kafka: KafkaOption = DEFAULT_KAFKA, prefix: PrefixOption = DEFAULT_PREFIX, json: JsonOption = False
) -> None:
    """Compare the topics with what they must be. Exit code 1 when one is not."""
    from agentgauge_cli.kafka import require_topics_of_its_own
    from agentgauge_cli.rendering import plural, print_json, waiting
    from agentgauge_processors.engine.kafka.topics import check_topics

    with waiting(f"Checking topics at {kafka} ..."):
        require_topics_of_its_own(kafka)
        problems = asyncio.run(check_topics(kafka, prefix))
    if json:
        print_json({"ok": not problems, "problems": problems})
    elif problems:
        for problem in problems:
            typer.echo(str(problem))
        typer.echo(f"{plural(len(problems), 'problem')} at {kafka}.")
    else:
        typer.echo(f"All topics of {prefix!r} at {kafka} are as they must be.")
    if problems:
        raise typer.Exit(1)
