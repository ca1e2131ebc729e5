"""Money as integers, so that sums are exact and do not depend on their order.

Amounts are integer nano-dollars (1e-9 USD). Unit prices are integer nano-dollars per *million*
tokens, because many published prices are no whole number of nano-dollars per token; a product of
tokens and such a price is therefore in femto-dollars (1e-15 USD) and is divided once, at the end.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

NANO: Final = 1_000_000_000
FEMTO_PER_NANO: Final = 1_000_000


def nanousd(amount: float | int | str | Decimal) -> int:
    """USD to nano-dollars, half to even; a float counts as the decimal that it prints as.

    Raises ValueError for an amount that is negative, not finite, or no number.
    """
    try:
        value = Decimal(str(amount))
        if not value.is_finite() or value < 0:
            raise ValueError
        return int((value * NANO).to_integral_value(ROUND_HALF_EVEN))
    except (ArithmeticError, ValueError):
        raise ValueError(f"not an amount of money: {amount!r}") from None


def usd(amount_nanousd: int) -> Decimal:
    """Nano-dollars to USD, exactly."""
    return Decimal(amount_nanousd) / NANO


def femto_to_nano(amount_fusd: int) -> int:
    """Femto-dollars to nano-dollars, half to even."""
    quotient, rest = divmod(amount_fusd, FEMTO_PER_NANO)
    double = 2 * rest
    if double > FEMTO_PER_NANO or (double == FEMTO_PER_NANO and quotient & 1):
        quotient += 1
    return quotient


def format_usd(amount_nanousd: int) -> str:
    """USD with at least two and at most nine decimals: 29364991050 -> "29.36499105"."""
    text = f"{usd(amount_nanousd):f}"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
