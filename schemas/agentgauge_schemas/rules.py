"""Records of `.rules`: so far the price table in force (rules, budgets and views join it)."""

from typing import Annotated, Final

import msgspec

SCHEMA_VERSION: Final = 1
PRICES_KEY: Final = "prices"
EFFECTIVE_AFTER_US: Final = 60_000_000
"""A price table is in force this long after its record's broker time, so that every reduce worker
has read it by then and a replay prices alike."""


UnitPrice = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
"""Nano-dollars per million tokens: up to a dollar a token."""
Multiplier = Annotated[float, msgspec.Meta(ge=0, le=1_000)]


class PriceOverride(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A contract price or a model of one's own: nano-dollars per million tokens.

    `model` matches exactly, or as a prefix when it ends with `*`.
    """

    model: str
    provider: str = ""
    service_tier: str = ""
    input: UnitPrice
    output: UnitPrice
    cache_read: UnitPrice | None = None
    """None: like input; likewise the two below."""
    cache_write_5m: UnitPrice | None = None
    cache_write_1h: UnitPrice | None = None


class PriceTable(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The value of the record `prices`: overrides in front of the published prices."""

    overrides: list[PriceOverride] = []
    service_tiers: dict[str, Multiplier] = {}
    """Multiplier by service tier, for models whose published prices do not know the tier."""
    comment: str = ""
    schema: int = SCHEMA_VERSION
