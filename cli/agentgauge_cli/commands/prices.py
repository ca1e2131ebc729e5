"""`agentgauge prices`: what calls cost, and contract prices of one's own."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from agentgauge_cli.settings import DEFAULT_KAFKA, DEFAULT_PREFIX, JsonOption, KafkaOption, PrefixOption
from agentgauge_schemas.topics import Topic

app = typer.Typer(help="Show what models cost, and publish prices of your own.", no_args_is_help=True)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="As events name it.")],
    provider: Annotated[str, typer.Option(metavar="NAME", help="As events name it.")] = "",
    service_tier: Annotated[str, typer.Option(metavar="NAME", help="batch, flex, priority ...")] = "",
    published: Annotated[
        bool, typer.Option("--published", help="Without the table in force, hence without a broker.")
    ] = False,
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
    json: JsonOption = False,
) -> None:
    """Show what a model costs now, in USD per million tokens. Exit code 1 when no price is known."""
    from agentgauge_cli.kafka import opened_log
    from agentgauge_cli.price_table import find_price, print_price, tables_of
    from agentgauge_cli.rendering import print_json
    from agentgauge_schemas.rules import PriceTable

    async def read() -> list[tuple[int, PriceTable]]:
        async with opened_log(kafka, prefix, Topic.RULES) as log:
            return await tables_of(log)

    tables = [] if published else asyncio.run(read())
    price = find_price(tables, provider, model, service_tier, time.time_ns() // 1_000)
    if json:
        print_json(price)
    else:
        print_price(price)
    if not price.tiers:
        raise typer.Exit(1)


@app.command()
def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A price table, YAML or JSON (docs/cli.md).")],
    kafka: KafkaOption = DEFAULT_KAFKA,
    prefix: PrefixOption = DEFAULT_PREFIX,
) -> None:
    """Put a price table in force: it replaces the one before, 60 s after the broker has it.

    What was counted before keeps its cost. An empty table ({}) brings the published prices back.
    """
    from agentgauge_cli.kafka import opened_log
    from agentgauge_cli.price_table import publish_table, read_price_file
    from agentgauge_cli.rendering import plural

    table = read_price_file(file)

    async def send() -> None:
        async with opened_log(kafka, prefix, Topic.RULES) as log:
            await publish_table(log, table)

    asyncio.run(send())
    typer.echo(
        f"Published {plural(len(table.overrides), 'price')} and "
        f"{plural(len(table.service_tiers), 'service tier')}: in force in 60 s."
    )
