"""What comes from outside cannot make a key, or the names of errors, too large to send."""

from agentgauge_processors.pricing import PriceBook
from agentgauge_processors.reduce.measure import measure
from agentgauge_schemas import HotEvent
from agentgauge_schemas.aggregate import MAX_ERROR_TYPES, OTHER_ERRORS
from agentgauge_schemas.group import MAX_KEY_BYTES, VIEWS, group_key, parse_key


def test_a_key_of_hostile_names_fits_and_an_ordinary_one_is_kept_whole() -> None:
    for view, attributes in VIEWS.items():
        hostile = group_key(view, tuple("\x00" * 10_000 for _ in attributes))
        assert len(hostile.encode()) <= MAX_KEY_BYTES
        assert parse_key(hostile)[0] == view
        ordinary = tuple(f"{attribute}-" + "x" * 100 for attribute in attributes)
        assert parse_key(group_key(view, ordinary)) == (view, ordinary)


def test_error_types_of_one_set_are_named_up_to_a_limit() -> None:
    events = [
        HotEvent(kind="span", time_us=1, status="error", error_type=f"E{number}")
        for number in range(MAX_ERROR_TYPES + 10)
    ]
    errors = measure(events, PriceBook(), 2).errors
    assert len(errors) == MAX_ERROR_TYPES + 1
    assert errors[OTHER_ERRORS] == 10
