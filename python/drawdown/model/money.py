"""Money: whole minor units of an ISO 4217 currency. Never credits, never a float.

One rounding exists: ``round_half_even``, once per line. What is divided among parts goes through
``shares``, whose parts add up to the whole.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.model.credits import decimal_text
from drawdown.model.currencies import decimals_of

MINOR_MAX: Final = 2**63 - 1


class Money(msgspec.Struct, frozen=True, order=False):
    """``minor`` units (cents, yen, fils) of ``currency``; may be negative."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        decimals_of(self.currency)
        if not -MINOR_MAX - 1 <= self.minor <= MINOR_MAX:
            raise InvalidRequestError("money: outside the signed 64-bit range of minor units", field="minor")

    def __add__(self, other: "Money") -> "Money":
        self._require_same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._require_same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._require_same(other)
        return self.minor < other.minor

    def __le__(self, other: "Money") -> bool:
        self._require_same(other)
        return self.minor <= other.minor

    def __bool__(self) -> bool:
        return self.minor != 0

    def times(self, factor: Fraction | int) -> "Money":
        """``factor`` times this, rounded half-even once."""
        return Money(round_half_even(self.minor * Fraction(factor)), self.currency)

    def _require_same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise InvalidRequestError(
                f"currency: {self.currency} and {other.currency} cannot be added", field="currency"
            )

    def __str__(self) -> str:
        return f"{self.decimal():f} {self.currency}"

    def decimal(self) -> Decimal:
        """The amount in the currency's unit, with all its decimals: 1250 USD cents are ``12.50``."""
        return Decimal(self.minor).scaleb(-decimals_of(self.currency))


def zero(currency: str) -> Money:
    """No money of this currency."""
    return Money(0, currency)


def money_from(amount: Decimal | int | str, currency: str, field: str = "amount") -> Money:
    """``"12.50"`` USD as 1250 minor units.

    Raises ``InvalidRequestError`` naming ``field`` for a decimal beyond the currency's minor unit.
    """
    text = decimal_text(amount, field)
    minor = Fraction(text) * 10 ** decimals_of(currency)
    if minor.denominator != 1:
        raise InvalidRequestError(
            f"{field}: {text} {currency} has more than {decimals_of(currency)} decimals", field=field
        )
    return Money(int(minor), currency)


def total(parts: Sequence[Money], currency: str) -> Money:
    """The sum of the parts; ``currency`` is that of an empty sum."""
    found = zero(currency)
    for part in parts:
        found = found + part
    return found


def round_half_even(exact: Fraction) -> int:
    """The nearest integer; a half goes to the even neighbour."""
    return round(exact)


def shares(whole: int, weights: Sequence[int]) -> list[int]:
    """``whole`` divided in proportion to ``weights`` so that the parts add up to it (largest remainder)."""
    sum_of_weights = sum(weights)
    if sum_of_weights <= 0:
        raise InvalidRequestError("weights: nothing to divide by")
    exact = [Fraction(whole * weight, sum_of_weights) for weight in weights]
    parts = [each.numerator // each.denominator for each in exact]
    by_remainder = sorted(range(len(parts)), key=lambda at: (parts[at] - exact[at], at))
    for at in by_remainder[: whole - sum(parts)]:
        parts[at] += 1
    return parts
