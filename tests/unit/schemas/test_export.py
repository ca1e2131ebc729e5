"""The JSON Schemas say what the records are."""

import json
from pathlib import Path

import pytest
from tests.support.cli import assert_one_sentence, run

from agentgauge_schemas.event import Event, HotEvent
from agentgauge_schemas.export import RECORDS, export, json_schema


def test_one_file_a_record_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in export(tmp_path / "a")}
    second = {path.name: path.read_bytes() for path in export(tmp_path / "b" / "c")}
    assert first == second
    assert sorted(first) == sorted(f"{name}.schema.json" for name in RECORDS)
    assert all(json.loads(data)["$id"].startswith("urn:agentgauge:schema:1:") for data in first.values())


@pytest.mark.parametrize("name", RECORDS)
def test_a_schema_describes_every_field(name: str) -> None:
    schema = json_schema(name)
    definition = schema["$defs"][RECORDS[name].__name__]
    if definition["type"] == "array":
        assert definition["minItems"] == len(RECORDS[name].__struct_fields__)
    else:
        assert set(definition["properties"]) == set(RECORDS[name].__struct_encode_fields__)
        assert definition.get("additionalProperties") is not False


def test_an_event_needs_its_kind_and_time_only() -> None:
    definition = json_schema("event")["$defs"][Event.__name__]
    assert definition["required"] == ["kind", "time_us"]
    assert set(HotEvent.__struct_fields__) < set(definition["properties"])


def test_the_command_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run(capsys, "schemas", "export", str(tmp_path / "out"))
    assert (ran.code, len(list((tmp_path / "out").iterdir()))) == (0, len(RECORDS))


def test_where_nothing_can_be_written_the_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert_one_sentence(run(capsys, "schemas", "export", str(tmp_path / "file" / "out")))
