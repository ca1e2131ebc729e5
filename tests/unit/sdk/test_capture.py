"""Capture: whatever a program hands over becomes a bounded copy, and nothing that it does can raise."""

import datetime as dt
import enum
import time
import uuid
from collections import UserDict, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec
import orjson
import pytest

from agentgauge.capture import MAX_NODES, MAX_TEXT_BYTES, TRUNCATED, UNSERIALIZABLE, Capture
from agentgauge.redaction import REDACTED, Redactor


@pytest.fixture
def capture() -> Capture:
    return Capture(Redactor())


class Colour(enum.Enum):
    RED = "red"


@dataclass
class User:
    name: str
    age: int


class Document(msgspec.Struct):
    title: str


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (None, None),
        (True, True),
        (1.5, 1.5),
        (1 << 70, str(1 << 70)),
        ([1, (2, "x")], [1, [2, "x"]]),
        ({"a": {"b": [None]}}, {"a": {"b": [None]}}),
        ({1: "a", None: "b", Colour.RED: "c", b"k": "d"}, {"1": "a", "None": "b", "red": "c", "k": "d"}),
        (UserDict(a=1), {"a": 1}),
        (User("Ada", 36), {"name": "Ada", "age": 36}),
        (Document("x"), {"title": "x"}),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Colour.RED, "red"),
        ({7}, [7]),
        (b"secret bytes", "<12 bytes>"),
        (Decimal("1.10"), "1.10"),
        (Path("a/b"), "a/b"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "2026-01-02T00:00:00+00:00"),
        (ValueError("no"), "ValueError: no"),
        (int, "<class 'int'>"),
    ],
)
def test_values_become_json(capture: Capture, value: object, expected: object) -> None:
    captured, truncated = capture.value(value)
    assert captured == expected
    assert not truncated
    orjson.dumps(captured)


def test_a_copy_does_not_change_with_its_original(capture: Capture) -> None:
    original = {"messages": [{"role": "user"}]}
    captured, _ = capture.value(original)
    original["messages"].append({"role": "assistant"})
    assert captured == {"messages": [{"role": "user"}]}


def test_a_lone_surrogate_is_replaced(capture: Capture) -> None:
    captured, _ = capture.value({"k\ud800": "a\ud800b"})
    assert orjson.loads(orjson.dumps(captured)) == {"k?": "a?b"}


def test_not_a_number_becomes_null(capture: Capture) -> None:
    captured, _ = capture.value([float("nan"), float("inf")])
    assert orjson.dumps(captured) == b"[null,null]"


class RaisingRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class RaisingProperty(UserDict[str, int]):
    def items(self) -> Iterator[tuple[str, int]]:  # type: ignore[override]  # wrong on purpose
        raise OSError("gone")


@pytest.mark.parametrize("value", [RaisingRepr(), RaisingProperty(), [RaisingRepr()]])
def test_what_raises_is_replaced_and_counted(capture: Capture, value: object) -> None:
    captured, _ = capture.value({"bad": value, "good": 1})
    assert isinstance(captured, dict)
    assert captured["bad"] in (UNSERIALIZABLE, [UNSERIALIZABLE])
    assert captured["good"] == 1
    assert capture.unserializable == 1


def test_cycles_end(capture: Capture) -> None:
    cycle: list[object] = []
    cycle += [cycle, cycle]
    captured, truncated = capture.value(cycle)
    assert truncated
    assert TRUNCATED in str(captured)
    assert orjson.dumps(captured)


def test_many_nodes_are_cut(capture: Capture) -> None:
    captured, truncated = capture.value(list(range(10 * MAX_NODES)))
    assert truncated
    assert isinstance(captured, list)
    assert len(captured) == MAX_NODES


@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_long_text_is_cut_to_its_bytes(capture: Capture, character: str) -> None:
    captured, truncated = capture.value(character * 1_000_000)
    assert truncated
    assert isinstance(captured, str)
    assert MAX_TEXT_BYTES - 4 < len(captured.encode()) <= MAX_TEXT_BYTES
    assert set(captured) == {character}


def test_many_texts_share_one_budget(capture: Capture) -> None:
    captured, truncated = capture.value({f"key{i}": "x" * 10_000 for i in range(100)})
    assert truncated
    assert len(orjson.dumps(captured)) < MAX_TEXT_BYTES + 2_000


def test_huge_structures_cost_no_more_than_small_ones(capture: Capture) -> None:
    huge = [["x" * 1_000_000] * 1_000] * 1_000_000  # a terabyte, if anybody wrote it out
    started = time.process_time()
    _, truncated = capture.value({"rows": huge, "range": range(10**12)})
    assert truncated
    assert time.process_time() - started < 0.5


def test_arguments_have_their_names(capture: Capture) -> None:
    captured, _ = capture.arguments(["a", "b"], (1, 2, 3, 4), {"c": 5})
    assert captured == {"a": 1, "b": 2, "args": [3, 4], "c": 5}


def test_secret_keys_are_hidden_at_any_depth() -> None:
    capture = Capture(Redactor(["api_key", "password"]))
    captured, _ = capture.value(
        {
            "API-Key": "a",
            "list": [{"apiKey": ["b"]}, ("Password", "c")],
            "user": {"name": "Ada", "password": {"hash": "d"}},
            b"password": "e",
            "text": 'api_key=f and {"password": "g"}',
            "api_key_id": "shown",
        }
    )
    assert captured == {
        "API-Key": REDACTED,
        "list": [{"apiKey": REDACTED}, ["Password", REDACTED]],
        "user": {"name": "Ada", "password": REDACTED},
        "password": REDACTED,
        "text": f'api_key={REDACTED} and {{"password": "{REDACTED}"}}',
        "api_key_id": "shown",
    }
