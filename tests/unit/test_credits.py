"""Credits at the human edge are exact, or an error that names the field."""

from decimal import Decimal

import pytest
from drawdown.errors import InvalidRequestError
from drawdown.model import credits_from_units, decimal_text, units_from_credits
from hypothesis import given
from hypothesis import strategies as st

I64 = st.integers(-(2**63), 2**63 - 1)


@given(I64, st.integers(0, 12))
def test_units_to_credits_and_back_is_the_same(units: int, scale: int) -> None:
    amount = credits_from_units(units, scale)
    assert units_from_credits(amount, scale) == units
    assert units_from_credits(decimal_text(amount), scale) == units
    assert amount == Decimal(units) / 10**scale or abs(units) > 10**27


@pytest.mark.parametrize(
    ("amount", "scale", "units"),
    [
        ("12.5", 9, 12_500_000_000),
        ("12.500", 1, 125),
        ("-0.000001", 6, -1),
        (Decimal("1E+3"), 2, 100_000),
        (7, 0, 7),
        ("9223372036854775807", 0, 2**63 - 1),
        ("-9223372036854775808", 0, -(2**63)),
        ("00012", 0, 12),
    ],
)
def test_amounts_become_units(amount: Decimal | int | str, scale: int, units: int) -> None:
    assert units_from_credits(amount, scale) == units


@pytest.mark.parametrize(
    ("amount", "scale", "said"),
    [
        ("0.01", 1, "more than 1 decimals"),
        (1.5, 9, "float"),
        (True, 9, "bool"),
        ("1e3", 9, "not a decimal"),
        ("", 9, "not a decimal"),
        (" 1", 9, "not a decimal"),
        ("1.", 9, "not a decimal"),
        ("+1", 9, "not a decimal"),
        ("1_000", 9, "not a decimal"),
        ("١", 9, "not a decimal"),
        (Decimal("NaN"), 9, "not a number"),
        (Decimal("1E+99"), 9, "outside the range"),
        ("9223372036854775808", 0, "64-bit"),
        (None, 9, "NoneType"),
    ],
)
def test_what_is_no_amount_is_refused_by_name(amount: object, scale: int, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as refused:
        units_from_credits(amount, scale, "price")  # type: ignore[arg-type]
    assert refused.value.field == "price"
    assert refused.value.definite
    assert not refused.value.retryable


@pytest.mark.parametrize(
    ("units", "scale", "text"),
    [(10**11, 9, "100"), (0, 9, "0"), (-5, 1, "-0.5"), (1, 12, "0.000000000001"), (1230, 2, "12.3")],
)
def test_credits_are_shown_without_trailing_zeros_or_exponent(units: int, scale: int, text: str) -> None:
    assert decimal_text(credits_from_units(units, scale)) == text
