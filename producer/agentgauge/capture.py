"""Capture: from any Python value to a bounded, redacted copy that JSON can hold.

This is the single choke point: whatever a user hands over passes here, on the caller's thread,
before anything else sees it. The walk copies, so later changes by the host are not seen; it stops
at 64 KiB of text or 2,000 nodes; and what cannot be shown is replaced, never raised.
"""

import datetime as dt
import decimal
import enum
import pathlib
import uuid
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import Final, TypeAlias, TypeGuard, TypeVar

from agentgauge.redaction import REDACTED, Redactor

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_K = TypeVar("_K")

MAX_TEXT_BYTES: Final = 64 * 1024
MAX_NODES: Final = 2_000
MAX_DEPTH: Final = 32
MAX_KEY_LENGTH: Final = 256
TRUNCATED: Final = "[TRUNCATED]"
UNSERIALIZABLE: Final = "[UNSERIALIZABLE]"

_FLAT_ITEMS: Final = 32
_FLAT_TEXT: Final = MAX_TEXT_BYTES // _FLAT_ITEMS - MAX_KEY_LENGTH
_MIN_INT: Final = -(1 << 63)
_MAX_INT: Final = (1 << 64) - 1
_AS_TEXT: Final = (uuid.UUID, decimal.Decimal, pathlib.PurePath)
_FIELD_LISTS: Final = ("__struct_fields__", "_fields", "model_fields", "__dataclass_fields__")
"""Where msgspec, named tuples, pydantic and dataclasses keep their fields' names."""


class Budget:
    """What a walk may still take."""

    __slots__ = ("nodes", "text_bytes", "truncated")

    def __init__(self) -> None:
        self.nodes = MAX_NODES
        self.text_bytes = MAX_TEXT_BYTES
        self.truncated = False


class Capture:
    """Makes copies of values. Thread-safe; never raises an Exception."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor if redactor else None
        self.unserializable = 0
        """How many values could not be shown, about (threads may count one as two do)."""

    def value(self, value: object) -> tuple[Json, bool]:
        """A copy of any value, and whether it is only a part of it."""
        if self._redactor is None:
            # Most of what comes needs no walk.
            if type(value) is str:
                if len(value) <= MAX_TEXT_BYTES and value.isascii():
                    return value, False
            elif type(value) is dict and len(value) <= _FLAT_ITEMS:
                copy = value.copy()
                if _is_flat(copy):
                    return copy, False
        budget = Budget()
        return self.within(budget, value), budget.truncated

    def within(self, budget: Budget, value: object) -> Json:
        """A copy of as much as a budget allows, which is charged for it."""
        try:
            return self._walk(value, budget, 0)
        except Exception:  # a mapping that changes meanwhile, recursion: all by design the same
            return self._failed()

    def text(self, text: str) -> str:
        """A copy of a text."""
        captured, _ = self.value(text)
        return captured if isinstance(captured, str) else UNSERIALIZABLE

    def arguments(
        self, names: Sequence[str], args: Sequence[object], kwargs: Mapping[str, object]
    ) -> tuple[Json, bool]:
        """A copy of a call's arguments, by parameter name; those beyond the names as `args`."""
        given: dict[str, object] = dict(zip(names, args, strict=False))
        if kwargs or len(args) > len(names):
            if len(args) > len(names):
                given["args"] = args[len(names) :]
            given.update(kwargs)
        elif self._redactor is None and _are_plain(given):
            return given, False
        return self.value(given)

    def _walk(self, value: object, budget: Budget, depth: int) -> Json:
        # Exact types first: they are nearly all that comes, and none of them runs the host's code.
        if type(value) is str:
            return self._text(value, budget)
        if value is None or type(value) is bool or type(value) is float:
            return value
        if type(value) is int and _MIN_INT <= value <= _MAX_INT:
            return value
        if depth >= MAX_DEPTH:
            budget.truncated = True
            return TRUNCATED
        if type(value) is dict:
            return self._mapping(value.items(), budget, depth)
        if type(value) is list or type(value) is tuple:
            return self._sequence(value, budget, depth)
        try:
            return self._other(value, budget, depth)
        except Exception:  # the host's own code: a repr, a property, a subclass's method
            return self._failed()

    def _mapping(self, items: Iterable[tuple[object, object]], budget: Budget, depth: int) -> Json:
        copy: dict[str, Json] = {}
        redactor = self._redactor
        for key, value in items:
            if budget.nodes <= 0 or budget.text_bytes <= 0:
                budget.truncated = True
                break
            budget.nodes -= 1
            name = key if type(key) is str and key.isascii() and len(key) <= MAX_KEY_LENGTH else _key(key)
            budget.text_bytes -= len(name)
            if redactor is not None and redactor.is_secret(name):
                copy[name] = REDACTED
            else:
                copy[name] = self._walk(value, budget, depth + 1)
        return copy

    def _sequence(self, values: Iterable[object], budget: Budget, depth: int) -> Json:
        copy: list[Json] = []
        for value in values:
            if budget.nodes <= 0 or budget.text_bytes <= 0:
                budget.truncated = True
                break
            budget.nodes -= 1
            copy.append(self._walk(value, budget, depth + 1))
        if self._redactor is not None and len(copy) == 2:
            # A pair, as headers and query parameters come in.
            name = copy[0]
            if isinstance(name, str) and self._redactor.is_secret(name):
                copy[1] = REDACTED
        return copy

    def _text(self, text: str, budget: Budget) -> str:
        room = max(0, budget.text_bytes)
        if len(text) > room:
            text = text[:room]
            budget.truncated = True
        if not text.isascii():
            encoded = text.encode("utf-8", "replace")  # a lone surrogate is no text for JSON
            if len(encoded) > room:
                budget.truncated = True
            text = encoded[:room].decode("utf-8", "ignore")
            budget.text_bytes = room - min(len(encoded), room)
        else:
            budget.text_bytes = room - len(text)
        if self._redactor is not None:
            text = self._redactor.text(text)
        return text

    def _other(self, value: object, budget: Budget, depth: int) -> Json:
        if isinstance(value, enum.Enum):
            return self._walk(value.value, budget, depth + 1)
        if isinstance(value, int):
            number = int(value)
            return number if _MIN_INT <= number <= _MAX_INT else str(number)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, str):
            return self._text(str.__str__(value), budget)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"<{memoryview(value).nbytes} bytes>"
        if isinstance(value, (dt.datetime, dt.date, dt.time)):
            return value.isoformat()
        if isinstance(value, _AS_TEXT):
            return self._text(str(value), budget)
        if isinstance(value, Mapping):
            return self._mapping(value.items(), budget, depth)
        if not isinstance(value, type):
            for attribute in _FIELD_LISTS:
                names = getattr(type(value), attribute, None)
                if names is not None:
                    return self._mapping(_fields(value, names), budget, depth)
        if isinstance(value, (Sequence, Set)):
            return self._sequence(value, budget, depth)
        if isinstance(value, BaseException):
            return self._text(f"{type(value).__name__}: {value}", budget)
        return self._text(repr(value), budget)

    def _failed(self) -> str:
        self.unserializable += 1
        return UNSERIALIZABLE


def _fields(value: object, names: Iterable[str]) -> Iterable[tuple[str, object]]:
    return ((name, getattr(value, name)) for name in islice(names, MAX_NODES))


def _is_flat(items: dict[object, object]) -> TypeGuard[dict[str, Json]]:
    """Whether a dictionary can be taken as it is."""
    for key in items:
        if type(key) is not str or len(key) > MAX_KEY_LENGTH or not key.isascii():
            return False
    return _are_plain(items)


def _are_plain(items: Mapping[_K, object]) -> TypeGuard[dict[_K, Json]]:
    """Whether the values are few, and short plain texts, numbers or None."""
    if len(items) > _FLAT_ITEMS:
        return False
    for value in items.values():
        if type(value) is str:
            if len(value) > _FLAT_TEXT or not value.isascii():
                return False
        elif type(value) is int:
            if not _MIN_INT <= value <= _MAX_INT:
                return False
        elif value is not None and type(value) is not float and type(value) is not bool:
            return False
    return True


def _key(key: object) -> str:
    if isinstance(key, bytes):
        text = key[:MAX_KEY_LENGTH].decode("utf-8", "replace")
    else:
        text = str(key.value if isinstance(key, enum.Enum) else key)[:MAX_KEY_LENGTH]
    return text.encode("utf-8", "replace").decode()
