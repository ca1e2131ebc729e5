"""Records of version 1 stay readable for ever, also when later versions add fields to them."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.golden import samples_v1 as samples
from tests.golden.generate import FOLDER, files, generate

from agentgauge_schemas.account import Account, ServiceTotals
from agentgauge_schemas.block import BlockHeaders, decode_block
from agentgauge_schemas.dlq import DeadLetter
from agentgauge_schemas.partials import decode_partials
from agentgauge_schemas.results import Alert, Series, Window
from agentgauge_schemas.rules import PriceTable

JSON_RECORDS: dict[str, tuple[Callable[[bytes], object], object]] = {
    "block.json": (decode_block, samples.BLOCK),
    "series.json": (msgspec.json.Decoder(Series).decode, samples.SERIES),
    "window.json": (msgspec.json.Decoder(Window).decode, samples.WINDOW),
    "account.json": (msgspec.json.Decoder(Account).decode, samples.ACCOUNT),
    "service-totals.json": (msgspec.json.Decoder(ServiceTotals).decode, samples.SERVICE_TOTALS),
    "alert.json": (msgspec.json.Decoder(Alert).decode, samples.ALERT),
    "price-table.json": (msgspec.json.Decoder(PriceTable).decode, samples.PRICE_TABLE),
}
OPEN_MAPS = frozenset(
    [
        "dropped",
        "metadata",
        "input",
        "model_parameters",
        "errors",
        "flags",
        "kinds",
        "duration_buckets",
        "ttft_buckets",
        "group",
        "windows",
        "labels",
        "annotations",
        "service_tiers",
    ]
)
"""Fields whose keys are data: an unknown key there is no unknown field."""

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def golden(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def headers(name: str) -> list[tuple[str, bytes]]:
    return [(key, value.encode()) for key, value in json.loads(golden(name))]


def with_unknown_fields(value: Json) -> Json:
    if isinstance(value, list):
        return [with_unknown_fields(item) for item in value]
    if not isinstance(value, dict):
        return value
    known = {key: item if key in OPEN_MAPS else with_unknown_fields(item) for key, item in value.items()}
    return {"of_a_later_version": {"any": ["thing"]}, **known}


@pytest.mark.parametrize("name", JSON_RECORDS)
def test_a_record_of_version_1_decodes(name: str) -> None:
    decode, sample = JSON_RECORDS[name]
    assert decode(golden(name)) == sample


@pytest.mark.parametrize("name", JSON_RECORDS)
def test_unknown_fields_are_accepted_at_every_level(name: str) -> None:
    decode, sample = JSON_RECORDS[name]
    later = json.dumps(with_unknown_fields(json.loads(golden(name)))).encode()
    assert later.count(b"of_a_later_version") > golden(name).count(b"of_a_later_version")
    assert decode(later) == sample


def test_partials_of_version_1_decode() -> None:
    assert decode_partials(golden("partials.msgpack")) == samples.PARTIALS


def test_partials_accept_what_a_later_version_adds_at_the_end() -> None:
    schema, sources, entries, progress = msgspec.msgpack.decode(golden("partials.msgpack"))
    for entry in entries:
        entry[4] = [[key, pane, [*aggregate, "later"], "later"] for key, pane, aggregate in entry[4]]
        entry.append("later")
    later = [schema, sources, entries, [[*item, "later"] for item in progress], "later"]
    assert decode_partials(msgspec.msgpack.encode(later)) == samples.PARTIALS


def test_the_headers_of_a_block_decode_and_may_have_company() -> None:
    assert BlockHeaders.decode(headers("block.headers.json")) == samples.HEADERS
    assert BlockHeaders.decode([*headers("block.headers.json"), ("later", b"\xff")]) == samples.HEADERS


def test_a_dead_letter_decodes_and_may_have_more_headers() -> None:
    value, found = golden("dead-letter.value"), headers("dead-letter.headers.json")
    assert DeadLetter.parse(value, found) == samples.DEAD_LETTER
    assert DeadLetter.parse(value, [*found, ("later", b"1")]) == samples.DEAD_LETTER


def test_golden_files_are_never_written_again(tmp_path: Path) -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(files())
    with pytest.raises(FileExistsError, match="written once"):
        generate(FOLDER)
    folder = tmp_path / "v1"
    folder.mkdir()
    (folder / "alert.json").write_text("{}")
    with pytest.raises(FileExistsError, match=r"already there: alert\.json"):
        generate(folder)
    assert [path.name for path in folder.iterdir()] == ["alert.json"]
