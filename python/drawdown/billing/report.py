"""Reports as sums (semantics §13): what was sold, and what became of granted credits. Pure.

A grant's cost is shared out over what was burned, expired, voided, moved on and what is left, in
proportion to the credits. The cuts are rounded, not the shares, so the shares make up the cost exactly
and nothing is deferred where nothing is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import msgspec

from drawdown.billing.purchase import Purchase
from drawdown.model.money import Money, zero
from drawdown.model.request import Value
from drawdown.model.results import Grant

SOLD: Final = frozenset({"paid", "granted", "refunded"})


class PackSales(Value, frozen=True):
    """Packs of one type sold, in one currency; those that recharges bought are among them. Without tax."""

    pack_id: str
    revenue: Money
    refunded: Money
    """The share of the revenue that was given back, by refunds, chargebacks and credit notes."""
    packs: int = 0
    purchases: int = 0
    credits: Decimal = Decimal(0)


class RechargeSales(Value, frozen=True):
    """Automatic recharges of one credit type, in one currency."""

    credit_type: str
    money: Money
    """Of those that were paid, without tax."""
    recharges: int = 0
    """Paid."""
    failures: int = 0
    credits: Decimal = Decimal(0)


class SalesReport(Value, frozen=True):
    """What was bought in a period."""

    packs: tuple[PackSales, ...] = ()
    recharges: tuple[RechargeSales, ...] = ()


class CreditSums(Value, frozen=True):
    """What became of the credits of one type and source; money of one currency, absent where free.

    Of a period: opening + granted - burned - expired - voided - moved = outstanding, and the same of their
    money: opening_deferred + cost - recognised - breakage - forfeited - carried = deferred.
    """

    credit_type: str
    source: str
    grants: int = 0
    opening: Decimal = Decimal(0)
    """Outstanding when the period began."""
    granted: Decimal = Decimal(0)
    burned: Decimal = Decimal(0)
    expired: Decimal = Decimal(0)
    voided: Decimal = Decimal(0)
    moved: Decimal = Decimal(0)
    """Carried on into other grants, which are counted themselves."""
    outstanding: Decimal = Decimal(0)
    opening_deferred: Money | None = None
    """Deferred when the period began."""
    cost: Money | None = None
    recognised: Money | None = None
    """Of what was burned."""
    breakage: Money | None = None
    """Of what expired."""
    forfeited: Money | None = None
    """Of what was voided."""
    carried: Money | None = None
    """Of what moved."""
    deferred: Money | None = None
    """Of what is outstanding."""


class CreditReport(Value, frozen=True):
    """Granted, burned, expired and voided in a period, outstanding at its end."""

    rows: tuple[CreditSums, ...] = ()


class GivenBack(msgspec.Struct, frozen=True):
    """Of what a purchase came to, so much went back: both with tax, or both without."""

    money: Money
    of: Money


def sales_of(purchases: Iterable[tuple[Purchase, GivenBack | None]]) -> SalesReport:
    """Sums per pack and per credit type, ordered by their ids."""
    packs: dict[tuple[str, str], PackSales] = {}
    recharges: dict[tuple[str, str], RechargeSales] = {}
    for each, given_back in purchases:
        currency = each.price.currency
        if each.pack_id and each.state in SOLD:
            key = (each.pack_id, currency)
            known = packs.get(key) or PackSales(
                pack_id=each.pack_id, revenue=zero(currency), refunded=zero(currency)
            )
            packs[key] = _with_pack(known, each, given_back)
        if each.kind == "recharge":
            key = (each.credit_type, currency)
            begun = recharges.get(key) or RechargeSales(credit_type=each.credit_type, money=zero(currency))
            recharges[key] = _with_recharge(begun, each)
    return SalesReport(
        packs=tuple(packs[key] for key in sorted(packs)),
        recharges=tuple(recharges[key] for key in sorted(recharges)),
    )


def _with_pack(sums: PackSales, purchase: Purchase, given_back: GivenBack | None) -> PackSales:
    return msgspec.structs.replace(
        sums,
        revenue=sums.revenue + purchase.price,
        refunded=sums.refunded + _refunded_of(purchase.price, given_back),
        packs=sums.packs + purchase.quantity,
        purchases=sums.purchases + 1,
        credits=sums.credits + purchase.credits,
    )


def _refunded_of(price: Money, given_back: GivenBack | None) -> Money:
    """The same share of the price, in which promotional money is."""
    if given_back is None or given_back.of.minor == 0:
        return zero(price.currency)
    back = _rounded(price.minor, Decimal(given_back.money.minor), Decimal(given_back.of.minor))
    return Money(back, price.currency)


def _with_recharge(sums: RechargeSales, purchase: Purchase) -> RechargeSales:
    if purchase.state == "failed":
        return msgspec.structs.replace(sums, failures=sums.failures + 1)
    if purchase.state not in SOLD:
        return sums
    return msgspec.structs.replace(
        sums,
        money=sums.money + purchase.price,
        recharges=sums.recharges + 1,
        credits=sums.credits + purchase.credits,
    )


RowKey = tuple[str, str, str]
"""Credit type, source and currency; the last is empty where nothing was paid."""
_FLOWS: Final = ("granted", "burned", "expired", "voided", "moved")
_MONEY_FLOWS: Final = ("cost", "recognised", "breakage", "forfeited", "carried")


def credits_between(
    opening: Mapping[RowKey, CreditSums], closing: Mapping[RowKey, CreditSums]
) -> CreditReport:
    """What happened between two instants, out of the sums up to each (``sums_of``).

    A correction told in the period of an earlier charge may make a figure negative.
    """
    rows = []
    for key in sorted(opening.keys() | closing.keys()):
        nothing = CreditSums(credit_type=key[0], source=key[1])
        row = _between(opening.get(key, nothing), closing.get(key, nothing), key[2])
        if row != nothing:
            rows.append(row)
    return CreditReport(rows=tuple(rows))


def _between(before: CreditSums, after: CreditSums, currency: str) -> CreditSums:
    flows: dict[str, Any] = {name: getattr(after, name) - getattr(before, name) for name in _FLOWS}
    if currency:
        none = zero(currency)
        flows |= {
            name: (getattr(after, name) or none) - (getattr(before, name) or none) for name in _MONEY_FLOWS
        }
        flows |= {"opening_deferred": before.deferred or none, "deferred": after.deferred or none}
    return msgspec.structs.replace(
        after,
        grants=after.grants - before.grants,
        opening=before.outstanding,
        **flows,
    )


def sums_of(grants: Iterable[Grant]) -> dict[RowKey, CreditSums]:
    """Sums per credit type, source and currency; grants that wait for payment are not granted yet."""
    rows: dict[RowKey, CreditSums] = {}
    for grant in grants:
        if grant.state == "pending":
            continue
        currency = grant.cost_currency if grant.cost_minor else ""
        key = (grant.credit_type, grant.source, currency)
        known = rows.get(key) or CreditSums(credit_type=grant.credit_type, source=grant.source)
        rows[key] = _with_grant(known, grant, currency)
    return rows


def _with_grant(sums: CreditSums, grant: Grant, currency: str) -> CreditSums:
    added = msgspec.structs.replace(
        sums,
        grants=sums.grants + 1,
        granted=sums.granted + grant.amount,
        burned=sums.burned + grant.burned,
        expired=sums.expired + grant.expired,
        voided=sums.voided + grant.voided,
        moved=sums.moved + grant.moved,
        outstanding=sums.outstanding + grant.remaining,
    )
    if not currency:
        return added
    recognised, breakage, forfeited, carried, deferred = shares_of(grant)

    def plus(known: Money | None, minor: int) -> Money:
        return (known or zero(currency)) + Money(minor, currency)

    return msgspec.structs.replace(
        added,
        cost=plus(sums.cost, grant.cost_minor),
        recognised=plus(sums.recognised, recognised),
        breakage=plus(sums.breakage, breakage),
        forfeited=plus(sums.forfeited, forfeited),
        carried=plus(sums.carried, carried),
        deferred=plus(sums.deferred, deferred),
    )


def shares_of(grant: Grant) -> tuple[int, ...]:
    """The cost in minor units over burned, expired, voided, moved and the rest."""
    cuts = [Decimal(0)]
    for part in (grant.burned, grant.expired, grant.voided, grant.moved):
        cuts.append(cuts[-1] + part)
    rounded = [_rounded(grant.cost_minor, cut, grant.amount) for cut in cuts] + [grant.cost_minor]
    return tuple(after - before for before, after in pairwise(rounded))


def _rounded(cost: int, part: Decimal, amount: Decimal) -> int:
    # In whole numbers: a quotient of Decimals would be cut at the context's digits.
    top, bottom = part.as_integer_ratio(), amount.as_integer_ratio()
    numerator, denominator = cost * top[0] * bottom[1], top[1] * bottom[0]
    quotient, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2):
        quotient += 1
    return quotient
