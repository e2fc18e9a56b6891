"""What N credits (or N of anything whole) cost in money: the pricing models of a charge.

======== =====================================================================
flat     one price, whatever N
per_unit N × unit price
tiered   graduated: each tier prices only the part of N inside it
volume   the tier that N falls into prices all of N
package  the price of a package for every started package
======== =====================================================================

A tier's ``up_to`` belongs to the tier; the last tier has none. Money is rounded once, half-even.
"""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Final

from drawdown.errors import InvalidRequestError
from drawdown.model.currencies import decimals_of
from drawdown.model.money import Money, round_half_even
from drawdown.model.request import Value

MODELS: Final = ("flat", "per_unit", "tiered", "volume", "package")


class PriceTier(Value, frozen=True):
    """Up to and including ``up_to``: ``unit_price`` each (decimal, in the currency's unit), plus ``flat``."""

    up_to: Decimal | None = None
    unit_price: Decimal = Decimal(0)
    flat: Decimal = Decimal(0)


class Price(Value, frozen=True):
    """A price in one currency, for one country or (empty) for all others."""

    currency: str
    country: str = ""
    model: str = "flat"
    amount: Decimal = Decimal(0)
    """``flat``: the price. ``per_unit``: of one. ``package``: of one package."""
    package_size: Decimal | None = None
    tiers: tuple[PriceTier, ...] = ()

    @property
    def is_free(self) -> bool:
        """Whether any quantity costs nothing."""
        return not (self.amount or any(tier.unit_price or tier.flat for tier in self.tiers))

    def check(self, field: str) -> None:
        """Raises ``InvalidRequestError`` naming the place below ``field``."""
        decimals_of(self.currency)
        if self.country and not (len(self.country) == 2 and self.country.isupper()):
            raise InvalidRequestError(
                f"{field}.country: two capital letters, like DE", field=f"{field}.country"
            )
        if self.model not in MODELS:
            raise InvalidRequestError(
                f"{field}.model: {self.model!r} is not one of {', '.join(MODELS)}", field=f"{field}.model"
            )
        numbers = [
            self.amount,
            *(tier.unit_price for tier in self.tiers),
            *(tier.flat for tier in self.tiers),
        ]
        if any(not number.is_finite() or number < 0 for number in numbers):
            raise InvalidRequestError(f"{field}: a price is not negative", field=field)
        if self.model == "package" and (self.package_size is None or self.package_size <= 0):
            raise InvalidRequestError(
                f"{field}.package_size: a package holds more than 0", field=f"{field}.package_size"
            )
        if (self.model in ("tiered", "volume")) != bool(self.tiers):
            raise InvalidRequestError(
                f"{field}.tiers: needed for tiered and volume, and for nothing else", field=f"{field}.tiers"
            )
        self._check_tiers(field)
        if self.model == "flat":
            self.check_whole(Decimal(1), f"{field}.amount")

    def check_whole(self, quantity: Decimal, field: str) -> None:
        """What ``quantity`` costs can be charged as it is, with nothing rounded off.

        Raises ``InvalidRequestError`` naming ``field``.
        """
        price, decimals = self._exact(Fraction(quantity)), decimals_of(self.currency)
        if (price * 10**decimals).denominator != 1:
            raise InvalidRequestError(
                f"{field}: {self.currency} has {decimals} decimals, and this price needs more;"
                " round it to what is charged",
                field=field,
            )

    def _check_tiers(self, field: str) -> None:
        edges = [tier.up_to for tier in self.tiers]
        if not edges:
            return
        inner = [edge for edge in edges[:-1] if edge is not None]
        ascending = all(low < high for low, high in pairwise([Decimal(0), *inner]))
        if edges[-1] is not None or len(inner) != len(edges) - 1 or not ascending:
            raise InvalidRequestError(
                f"{field}.tiers: up_to ascends from above 0, and only the last tier has none",
                field=f"{field}.tiers",
            )

    def of(self, quantity: Decimal) -> Money:
        """The price of ``quantity``, exact at and on both sides of each edge, rounded once."""
        minor = self._exact(Fraction(quantity)) * 10 ** decimals_of(self.currency)
        return Money(round_half_even(minor), self.currency)

    def _exact(self, quantity: Fraction) -> Fraction:
        amount = Fraction(self.amount)
        if self.model == "flat":
            return amount
        if self.model == "per_unit":
            return quantity * amount
        if self.model == "package":
            packages = -(-quantity // Fraction(self.package_size or 1))
            return packages * amount
        if self.model == "volume":
            tier = next(each for each in self.tiers if each.up_to is None or quantity <= each.up_to)
            return quantity * Fraction(tier.unit_price) + (Fraction(tier.flat) if quantity else 0)
        return _graduated(self.tiers, quantity)


def _graduated(tiers: tuple[PriceTier, ...], quantity: Fraction) -> Fraction:
    price, below = Fraction(0), Fraction(0)
    for tier in tiers:
        if quantity <= below:
            break
        upper = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))
        price += (upper - below) * Fraction(tier.unit_price) + Fraction(tier.flat)
        below = upper
    return price


def price_for(prices: tuple[Price, ...], currency: str, country: str) -> Price | None:
    """The price for a customer: of the currency and country, else of the currency for everyone."""
    of_currency = [price for price in prices if price.currency == currency]
    for wanted in (country, ""):
        for price in of_currency:
            if price.country == wanted:
                return price
    return None


def check_prices(prices: tuple[Price, ...], field: str) -> None:
    """Every price is sound and no currency × country occurs twice."""
    seen: set[tuple[str, str]] = set()
    for number, price in enumerate(prices):
        price.check(f"{field}[{number}]")
        key = (price.currency, price.country)
        if key in seen:
            raise InvalidRequestError(
                f"{field}: {price.currency} {price.country or 'for all countries'} occurs twice", field=field
            )
        seen.add(key)
