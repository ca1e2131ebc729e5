"""Price tables: from a file of USD per million tokens to the record of `.rules`, and back to a screen."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from agentgauge_cli.errors import CliError
from agentgauge_cli.reading import records
from agentgauge_cli.rendering import Column, print_table, printable
from agentgauge_processors.engine.contract import Append, Log, Message
from agentgauge_processors.pricing.book import PriceBook
from agentgauge_processors.pricing.rates import Rates
from agentgauge_schemas.money import format_usd, nanousd
from agentgauge_schemas.rules import PRICES_KEY, PriceOverride, PriceTable
from agentgauge_schemas.topics import Topic

Usd = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Factor = Annotated[float, msgspec.Meta(ge=0, le=1_000)]


class FilePrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of `overrides` in a price file: USD per million tokens."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    provider: str = ""
    service_tier: str = ""
    input: Usd
    output: Usd
    cache_read: Usd | None = None
    cache_write_5m: Usd | None = None
    cache_write_1h: Usd | None = None


class PriceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a user writes."""

    overrides: list[FilePrice] = []
    service_tiers: dict[str, Factor] = {}
    comment: str = ""


def read_price_file(path: Path) -> PriceTable:
    """YAML, of which JSON is a part. Raises CliError that names the place of what is wrong."""
    import_module("yaml")  # what msgspec reads YAML with: its absence is reported like any package's
    try:
        # A file of comments only is an empty table.
        found = msgspec.yaml.decode(path.read_bytes(), type=PriceFile | None) or PriceFile()
    except OSError as error:
        raise CliError(f"cannot read {path}: {error.strerror}") from None
    except msgspec.ValidationError as error:
        raise CliError(f"{path} is not a price table: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CliError(f"{path} is neither YAML nor JSON: {' '.join(str(error).split())}") from None
    return PriceTable(
        overrides=[_override(price) for price in found.overrides],
        service_tiers=found.service_tiers,
        comment=found.comment,
    )


def _override(price: FilePrice) -> PriceOverride:
    def nano(amount: float | None) -> int | None:
        return None if amount is None else nanousd(amount)

    return PriceOverride(
        model=price.model,
        provider=price.provider,
        service_tier=price.service_tier,
        input=nanousd(price.input),
        output=nanousd(price.output),
        cache_read=nano(price.cache_read),
        cache_write_5m=nano(price.cache_write_5m),
        cache_write_1h=nano(price.cache_write_1h),
    )


async def publish_table(log: Log, table: PriceTable) -> None:
    """Write the record; returns when it is durable."""
    message = Message(Topic.RULES, PRICES_KEY.encode(), msgspec.json.encode(table))
    await log.append([Append(0, message)])


async def tables_of(log: Log) -> list[tuple[int, PriceTable]]:
    """The tables that the log keeps, oldest first, each with the broker's time of its record."""
    end = await log.end_offset(Topic.RULES, 0)
    return [
        (record.timestamp_us, table)
        async for record in records(log, Topic.RULES, 0, 0, end)
        if record.key == PRICES_KEY.encode() and (table := _table(record.value)) is not None
    ]


def _table(value: bytes | None) -> PriceTable | None:
    try:
        return msgspec.json.decode(value or b"", type=PriceTable)
    except msgspec.DecodeError:  # no table: reduce ignores it too
        return None


class Tier(msgspec.Struct, frozen=True):
    """Prices of requests with more than so many input tokens: USD per million tokens, as decimals."""

    above_input_tokens: int
    input: str
    cache_read: str
    cache_write_5m: str
    cache_write_1h: str
    output: str
    reasoning: str
    request: str
    """USD per thousand requests."""


class Price(msgspec.Struct, frozen=True):
    """What a model costs: `prices show --json`. No tiers: no price is known."""

    model: str
    provider: str
    service_tier: str
    source: Literal["table in force", "published", "unknown"]
    tiers: list[Tier]


def find_price(
    tables: Sequence[tuple[int, PriceTable]], provider: str, model: str, service_tier: str, now_us: int
) -> Price:
    """As reduce prices a call that ends now and that the broker receives now."""
    book, published = PriceBook(), PriceBook()
    for broker_us, table in tables:
        book.publish(table, broker_us)
    schedule = book.find(provider, model, service_tier, now_us, now_us)
    if schedule is None:
        return Price(model, provider, service_tier, "unknown", [])
    same = schedule == published.find(provider, model, service_tier, now_us, now_us)
    tiers = [_tier(0, schedule.base), *(_tier(start, rates) for start, rates in schedule.tiers)]
    return Price(model, provider, service_tier, "published" if same else "table in force", tiers)


def _tier(start: int, rates: Rates) -> Tier:
    return Tier(
        above_input_tokens=start,
        input=format_usd(rates.input),
        cache_read=format_usd(rates.cache_read),
        cache_write_5m=format_usd(rates.cache_write_5m),
        cache_write_1h=format_usd(rates.cache_write_1h),
        output=format_usd(rates.output),
        reasoning=format_usd(rates.reasoning),
        request=format_usd(rates.request_fusd // 1_000),
    )


def print_price(price: Price) -> None:
    """One row for each size of request that has prices of its own."""
    name = " ".join(word for word in (price.provider, price.model, price.service_tier) if word)
    if not price.tiers:
        print(f"No price is known for {printable(name)}: its calls count as unpriced, not as free.")
        return
    columns = [
        Column("input tokens"),
        *(
            Column(title, number=True)
            for title in ("input", "cache read", "write 5 min", "write 1 h", "output")
        ),
        Column("reasoning", number=True, spare=1),
        Column("1,000 requests", number=True, spare=1),
    ]
    rows = [
        [
            f"above {tier.above_input_tokens:,}" if tier.above_input_tokens else "any",
            tier.input, tier.cache_read, tier.cache_write_5m, tier.cache_write_1h, tier.output,
            tier.reasoning, tier.request,
        ]
        for tier in price.tiers
    ]  # fmt: skip
    print_table(f"{name}: USD per million tokens ({price.source})", columns, rows)
