"""Money: exact, one currency at a time, rounded once and half-even."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from drawdown.errors import InvalidRequestError
from drawdown.model.currencies import DECIMALS
from drawdown.model.money import Money, money_json


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12", "JPY", 12),
        ("1.234", "KWD", 1234),
        ("-0.01", "USD", -1),
        (3, "USD", 300),
    ],
)
def test_major_units_become_minor_ones(text: str | int, currency: str, minor: int) -> None:
    money = Money.of(text, currency)
    assert money == Money(minor, currency)
    assert money.decimal == Decimal(text)
    assert Money.of(str(money).split()[0], currency) == money


@pytest.mark.parametrize(("text", "currency"), [("0.5", "JPY"), ("0.001", "EUR"), ("0.0001", "KWD")])
def test_a_digit_beyond_the_currency_is_refused(text: str, currency: str) -> None:
    with pytest.raises(InvalidRequestError, match="decimals of") as raised:
        Money.of(text, currency, field="price")
    assert raised.value.field == "price"


@pytest.mark.parametrize("code", ["eur", "EURO", "", "ZZZ"])
def test_unknown_currencies_are_refused(code: str) -> None:
    with pytest.raises(InvalidRequestError, match="ISO 4217"):
        Money(1, code)


def test_currencies_do_not_mix() -> None:
    for operation in ("__add__", "__sub__", "__lt__", "__le__"):
        with pytest.raises(InvalidRequestError, match="EUR and USD"):
            getattr(Money(1, "EUR"), operation)(Money(1, "USD"))
    assert Money(1, "EUR") != Money(1, "USD")


def test_products_round_half_even_once() -> None:
    assert Money(5, "EUR").times(Fraction(1, 2)) == Money(2, "EUR")
    assert Money(7, "EUR").times(Fraction(1, 2)) == Money(4, "EUR")
    assert Money(-5, "EUR").times(Fraction(1, 2)) == Money(-2, "EUR")
    assert Money(100, "EUR").times(Fraction(2, 3)) == Money(67, "EUR")


def test_sums_and_shapes() -> None:
    assert Money.total([], "CHF") == Money(0, "CHF")
    assert Money.total([Money(5, "CHF"), Money(-7, "CHF")], "CHF") == Money(-2, "CHF")
    assert money_json(Money(-5, "USD")) == {"amount": "-0.05", "minor": -5, "currency": "USD"}
    assert not Money.zero("USD")
    assert len(DECIMALS) > 150
