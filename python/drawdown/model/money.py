"""Money: whole minor units of one currency. Never mixed with credits, never a float.

Sums stay in one currency; a product with a rational rate is rounded half-even once, to the minor
unit (semantics §2, §11).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.model.credits import AmountLike, credits_from_units, units_from_credits
from drawdown.model.currencies import decimals_of


def half_even(value: Fraction) -> int:
    """The nearest whole number; of two equally near ones the even one."""
    return round(value)


class Money(msgspec.Struct, frozen=True, order=False):
    """``minor`` units (cents, yen, fils) of ``currency`` (ISO 4217). May be negative."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise InvalidRequestError("amount: money is whole minor units", field="amount")
        decimals_of(self.currency)

    @classmethod
    def of(cls, amount: AmountLike, currency: str, field: str = "amount") -> Money:
        """From decimal text of major units: ``Money.of("12.50", "EUR")`` is 1,250 cents.

        Raises ``InvalidRequestError`` naming ``field`` for a digit beyond the currency's decimals.
        """
        try:
            return cls(units_from_credits(amount, decimals_of(currency), field), currency)
        except InvalidRequestError as error:
            if "scale of this credit type" not in str(error):
                raise
            raise InvalidRequestError(
                f"{field}: {amount} has more than the {decimals_of(currency)} decimals of {currency}",
                field=field,
            ) from None

    @classmethod
    def zero(cls, currency: str) -> Money:
        return cls(0, currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """Their sum; ``currency`` says what nothing sums to. Raises as ``+`` does."""
        return sum(amounts, start=cls.zero(currency))

    @property
    def decimal(self) -> Decimal:
        """Major units, exactly."""
        return credits_from_units(self.minor, decimals_of(self.currency))

    def times(self, factor: int | Fraction) -> Money:
        """The product, rounded half-even once to the minor unit."""
        return Money(half_even(Fraction(self.minor) * factor), self.currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise InvalidRequestError(
                f"currency: {self.currency} and {other.currency} can't be added or compared", field="currency"
            )

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.minor < other.minor

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.minor <= other.minor

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        """``12.50 EUR``: all decimals of the currency, for messages and tables."""
        digits = decimals_of(self.currency)
        sign = "-" if self.minor < 0 else ""
        whole, rest = divmod(abs(self.minor), 10**digits)
        fraction = f".{rest:0{digits}d}" if digits else ""
        return f"{sign}{whole}{fraction} {self.currency}"


def money_json(money: Money) -> dict[str, Any]:
    """For people and programs alike: exact decimal text, minor units and currency."""
    return {"amount": str(money).rpartition(" ")[0], "minor": money.minor, "currency": money.currency}
