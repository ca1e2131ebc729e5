"""Money is exact, and what is no amount of it is refused."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgauge_schemas.money import FEMTO_PER_NANO, femto_to_nano, format_usd, nanousd, usd


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0, 0),
        (1, 1_000_000_000),
        (0.1, 100_000_000),
        ("29.36499105", 29_364_991_050),
        (Decimal("0.000000001"), 1),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("0.0000000025", 2),
        ("0.00000000250000001", 3),
        (0.015 + 0.009, 24_000_000),
        (1e-30, 0),
    ],
)
def test_an_amount_is_rounded_half_to_even(amount: float | str | Decimal, expected: int) -> None:
    assert nanousd(amount) == expected


@pytest.mark.parametrize(
    "amount",
    [float("nan"), float("inf"), float("-inf"), -1, -1e-9, "-0.1", "", "three", "NaN", "Infinity", "1,5"],
)
def test_what_is_no_amount_is_refused(amount: float | str) -> None:
    with pytest.raises(ValueError, match="not an amount of money"):
        nanousd(amount)


@given(st.integers(0, 10**24))
def test_femto_dollars_are_divided_half_to_even(amount: int) -> None:
    assert femto_to_nano(amount) == round(Fraction(amount, FEMTO_PER_NANO))


@given(st.integers(0, 10**6))
def test_exactly_half_goes_to_the_even_side(whole: int) -> None:
    half = femto_to_nano(whole * FEMTO_PER_NANO + FEMTO_PER_NANO // 2)
    assert half % 2 == 0
    assert abs(half - whole) <= 1


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (29_364_991_050, "29.36499105"),
        (1_000_000_000, "1.00"),
        (1_500_000_000, "1.50"),
        (10**20, "100000000000.00"),
        (1_234_000_000_000, "1234.00"),
    ],
)
def test_usd_has_two_to_nine_decimals(amount: int, text: str) -> None:
    assert format_usd(amount) == text


@given(st.integers(0, 10**20))
def test_what_is_printed_is_what_was_meant(amount: int) -> None:
    assert nanousd(format_usd(amount)) == amount
    assert nanousd(usd(amount)) == amount
