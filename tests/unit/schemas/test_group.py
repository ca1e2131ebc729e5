"""Keys of groups: made, parsed, placed and described."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge_schemas.group import (
    MAX_ATTRIBUTE_LENGTH,
    OVERFLOW,
    VIEWS,
    describe,
    group_key,
    merge_partition,
    overflow_key,
    parse_key,
)

values = st.lists(st.text(max_size=20), max_size=6).map(tuple)


@given(st.sampled_from(sorted(VIEWS)), values)
def test_a_key_is_parsed_into_what_it_was_made_of(view: str, attributes: tuple[str, ...]) -> None:
    assert parse_key(group_key(view, attributes)) == (view, attributes)


def test_a_key_is_a_json_array_that_anyone_reads() -> None:
    assert group_key("tool", ("default", "planner", "Bash")) == '["tool","default","planner","Bash"]'


def test_a_value_without_end_does_not_make_a_key_without_end() -> None:
    (_, (kept,)) = parse_key(group_key("user", ("x" * 10_000,)))
    assert kept == "x" * MAX_ATTRIBUTE_LENGTH


def test_the_place_of_a_group_is_part_of_schema_version_1() -> None:
    key = '["tool","default","planner","Bash"]'
    assert [merge_partition(key, count) for count in (1, 2, 8, 64)] == [0, 1, 5, 13]


@pytest.mark.parametrize("key", ["", "{}", "[]", "[1]", '["tool",null]', "tool", '["tool"'])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        parse_key(key)


@pytest.mark.parametrize("view", VIEWS)
def test_a_group_is_described_by_the_attributes_of_its_view(view: str) -> None:
    described = describe(view, [name.upper() for name in VIEWS[view]])
    assert described == {name: name.upper() for name in VIEWS[view]}


def test_an_overflow_group_says_so_in_every_attribute() -> None:
    view, found = parse_key(overflow_key("tool", 5))
    assert describe(view, found) == {"project": OVERFLOW, "agent": OVERFLOW, "tool": OVERFLOW}


def test_a_view_of_a_later_version_is_described_by_number() -> None:
    assert describe("prompt", ["shop", "greeting"]) == {"1": "shop", "2": "greeting"}
    assert describe("tool", ["shop", "planner", "Bash", "more"]) == {
        "1": "shop", "2": "planner", "3": "Bash", "4": "more",
    }  # fmt: skip
    assert describe("prompt", [OVERFLOW, "3"]) == {"1": OVERFLOW, "2": "3"}
    assert describe("prompt", []) == {}
