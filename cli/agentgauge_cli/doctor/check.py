"""One check: what was looked at, how it is, and what to do about it."""

from typing import Literal

import msgspec

State = Literal["ok", "warn", "fail"]


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry of `doctor --json`."""

    name: str
    state: State
    found: str
    """One sentence."""
    cure: str = ""
    """One sentence; empty when all is well."""
    lag: dict[str, int] = {}
    """Records that wait, by topic and partition, where the check is about them."""


def ok(name: str, found: str, lag: dict[str, int] | None = None) -> Check:
    """All is well."""
    return Check(name, "ok", found, lag=lag or {})


def warn(name: str, found: str, cure: str, lag: dict[str, int] | None = None) -> Check:
    """It works, but not for long, or not as it should."""
    return Check(name, "warn", found, cure, lag or {})


def fail(name: str, found: str, cure: str, lag: dict[str, int] | None = None) -> Check:
    """It does not work."""
    return Check(name, "fail", found, cure, lag or {})
