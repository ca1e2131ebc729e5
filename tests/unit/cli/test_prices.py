"""A price file is read exactly, refused clearly, and shown as reduce will use it."""

from pathlib import Path

import pytest

from agentgauge_cli.errors import CliError
from agentgauge_cli.price_table import find_price, publish_table, read_price_file, tables_of
from agentgauge_processors.engine.contract import Append, Message
from agentgauge_processors.engine.sqlite import SqliteLog
from agentgauge_schemas.rules import EFFECTIVE_AFTER_US, PriceOverride, PriceTable
from agentgauge_schemas.topics import Topic

HOUR_US = 3_600_000_000

YAML = """
comment: contract of 2026
overrides:
  - model: acme-*       # ours
    input: 1.25
    output: 10
    cache_read: 0.1255000001
service_tiers:
  batch: 0.5
"""


def price_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    return path


def test_usd_become_nano_dollars_exactly(tmp_path: Path) -> None:
    assert read_price_file(price_file(tmp_path, YAML)) == PriceTable(
        overrides=[
            PriceOverride(model="acme-*", input=1_250_000_000, output=10_000_000_000, cache_read=125_500_000)
        ],
        service_tiers={"batch": 0.5},
        comment="contract of 2026",
    )


@pytest.mark.parametrize("text", ["{}", "", "# nothing\n", '{"overrides": []}'])
def test_an_empty_table_is_a_table(tmp_path: Path, text: str) -> None:
    assert read_price_file(price_file(tmp_path, text)) == PriceTable()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "overrides: [{model: a, input: -1, output: 2}]",
            r"not a price table: .*>= 0.* at `\$.overrides\[0\].input`",
        ),
        ("overrides: [{model: a, input: .nan, output: 2}]", "not a price table"),
        ("overrides: [{model: a, input: .inf, output: 2}]", "not a price table"),
        ("overrides: [{model: a, inputs: 1, output: 2}]", "inputs"),
        ("overrides: [{model: a, output: 2}]", "missing required field `input`"),
        ("overrides: [{model: '', input: 1, output: 2}]", "model"),
        ("models: []", "models"),
        ("overrides: [", "neither YAML nor JSON: [^\n]*$"),
        ("a: !!python/object:os.system x", "neither YAML nor JSON"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CliError, match=message):
        read_price_file(price_file(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"cannot read .*none.yaml: No such file"):
        read_price_file(tmp_path / "none.yaml")


async def test_a_published_table_is_read_back_with_the_brokers_time() -> None:
    table = PriceTable(overrides=[PriceOverride(model="m", input=1, output=2)])
    with SqliteLog(":memory:", now_us=lambda: HOUR_US) as log:
        await log.append([Append(0, Message(Topic.RULES, b"other", b"{}"))])
        await publish_table(log, table)
        assert await tables_of(log) == [(HOUR_US, table)]


async def test_a_record_that_is_no_table_is_passed_over_as_reduce_does() -> None:
    with SqliteLog(":memory:") as log:
        await log.append([Append(0, Message(Topic.RULES, b"prices", b"{"))])
        assert await tables_of(log) == []


def test_a_price_of_the_table_holds_60_s_after_the_broker_has_it() -> None:
    tables = [(HOUR_US, PriceTable(overrides=[PriceOverride(model="acme-*", input=1_250_000_000, output=5)]))]
    before = find_price(tables, "", "acme-1", "", HOUR_US + EFFECTIVE_AFTER_US - 1)
    after = find_price(tables, "", "acme-1", "", HOUR_US + EFFECTIVE_AFTER_US)
    assert (before.source, before.tiers) == ("unknown", [])
    assert (after.source, after.tiers[0].input, after.tiers[0].output) == (
        "table in force",
        "1.25",
        "0.000000005",
    )


def test_published_prices_are_found_by_model_alone() -> None:
    price = find_price([], "", "claude-opus-4-6", "", 1_770_724_991_000_000)
    assert price.source == "published"
    assert (price.tiers[0].input, price.tiers[0].cache_write_1h) == ("5.00", "10.00")
