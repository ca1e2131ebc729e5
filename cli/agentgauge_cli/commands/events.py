"""`agentgauge events`: what producers send, as it arrives."""

import asyncio
from typing import Annotated, get_args

import typer

from agentgauge_cli.settings import DEFAULT_KAFKA, DEFAULT_PREFIX, JsonOption, KafkaOption, PrefixOption
from agentgauge_schemas.event import Kind
from agentgauge_schemas.topics import Topic

app = typer.Typer(help="Look at the events that producers send.", no_args_is_help=True)


def _kind(kind: str) -> str:
    if kind and kind not in get_args(Kind):
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(get_args(Kind))}")
    return kind


@app.command()
def tail(
    agent: Annotated[str, typer.Option(metavar="NAME", help="Only this agent's.")] = "",
    kind: Annotated[
        str, typer.Option(metavar="KIND", callback=_kind, help="Only this kind: span, message, score ...")
    ] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", metavar="N", min=1, help="End after so many.")
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest that the broker keeps.")
    ] = False,
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
    json: JsonOption = False,
) -> None:
    """Print events as they arrive, one a line (times are UTC), until Ctrl-C.

    With --json each line is an object: partition, offset, producer, seq, resource, event.
    """
    from agentgauge_cli.events_tail import Filter, print_events
    from agentgauge_cli.kafka import opened_log

    async def follow() -> None:
        async with opened_log(kafka, prefix, Topic.EVENTS) as log:
            wanted = Filter(agent, kind, limit)
            await print_events(log, wanted, from_beginning=from_beginning, as_json=json)

    asyncio.run(follow())
