"""Views and groups: by what attributes events are summed up, and where a group lives.

A group's key is the JSON array of its view's name and attribute values. The merge partition of a
group is `crc32(key) % partitions`; both are part of schema version 1.
"""

import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Final

import msgspec

VIEWS: Final[dict[str, tuple[str, ...]]] = {
    "llm": ("project", "environment", "agent", "operation", "provider", "model"),
    "tool": ("project", "agent", "tool"),
    "function": ("project", "agent", "event_type"),
    "agent": ("project", "environment", "agent", "release"),
    "user": ("project", "user"),
}
"""The built-in views: name -> attributes, in the order of the key."""

OVERFLOW: Final = "__overflow__"
"""The one group of a view and merge partition that takes what exceeds the cardinality limit."""

MAX_ATTRIBUTE_LENGTH: Final = 256
"""Characters of an attribute value that a key keeps."""
MAX_KEY_BYTES: Final = 1_024
"""Of a group's key; so what one block makes of hostile names still fits into one record."""

_encode = msgspec.json.Encoder().encode
_decode_key = msgspec.json.Decoder(Annotated[list[str], msgspec.Meta(min_length=1)]).decode


@lru_cache(maxsize=100_000)
def group_key(view: str, values: tuple[str, ...]) -> str:
    """The key of a group: `["tool","default","planner","Bash"]`. Values are cut until it fits."""
    length = MAX_ATTRIBUTE_LENGTH
    while len(key := _encode([view, *(value[:length] for value in values)])) > MAX_KEY_BYTES:
        length //= 2
    return key.decode()


def overflow_key(view: str, partition: int) -> str:
    """The key of a view's overflow group in a merge partition."""
    return _encode([view, OVERFLOW, str(partition)]).decode()


@lru_cache(maxsize=100_000)
def merge_partition(key: str, partitions: int) -> int:
    """Where a group is merged, for ever."""
    return zlib.crc32(key.encode()) % partitions


def parse_key(key: str) -> tuple[str, tuple[str, ...]]:
    """View and attribute values of a key. Raises msgspec.DecodeError."""
    view, *values = _decode_key(key.encode())
    return view, tuple(values)


def describe(view: str, values: Sequence[str]) -> dict[str, str]:
    """Attribute -> value; an overflow group says so in every attribute. A view that a later version
    knows, or gave more attributes, has numbers for their names.
    """
    attributes = VIEWS.get(view, ())
    if values and values[0] == OVERFLOW and attributes:
        return dict.fromkeys(attributes, OVERFLOW)
    if len(attributes) != len(values):
        attributes = tuple(str(number) for number in range(1, len(values) + 1))
    return dict(zip(attributes, values, strict=True))
