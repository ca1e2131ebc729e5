"""Typed attributes that are kept in one dictionary, made only when the first of them is set."""

from __future__ import annotations

from typing import Generic, Protocol, Self, TypeVar, overload

T = TypeVar("T")


class HasAttributes(Protocol):
    """Where attributes are kept."""

    def get_attribute(self, name: str) -> object:
        """None when it was never set."""

    def set_attribute(self, name: str, value: object) -> None:
        """Keep it."""


class Attribute(Generic[T]):
    """A field of the event under the attribute's own name."""

    def __set_name__(self, owner: type[object], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[object]) -> Self: ...
    @overload
    def __get__(self, instance: HasAttributes, owner: type[object]) -> T | None: ...
    def __get__(self, instance: HasAttributes | None, owner: type[object]) -> Self | T | None:
        if instance is None:
            return self
        value: T | None = instance.get_attribute(self._name)  # type: ignore[assignment]  # as __set__ took it
        return value

    def __set__(self, instance: HasAttributes, value: T | None) -> None:
        instance.set_attribute(self._name, value)
