"""What an invoice comes to, in the order it stands on the page.

::

    gross lines
    − credits applied, per line
    = subtotal
    + tax (a hook: whoever knows the tax computes it per line)
    = total
    − credit-note and money balance of the account
    = due
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from drawdown.billing.invoice import InvoiceLine
from drawdown.billing.page_sums import CreditApplication, TaxLine, Totals
from drawdown.errors import InvalidRequestError
from drawdown.model.money import Money, total, zero


class TaxRule(Protocol):
    """Computes the taxes of net amounts. Pure: the same lines give the same taxes."""

    def taxes(self, net: Sequence[tuple[InvoiceLine, Money]], country: str, tax_id: str) -> list[TaxLine]:
        """Taxes of the lines after credits, for a customer of ``country`` with ``tax_id`` (or empty)."""


class NoTax:
    """The default: nothing is added."""

    def taxes(self, net: Sequence[tuple[InvoiceLine, Money]], country: str, tax_id: str) -> list[TaxLine]:
        return []


class RateByCountry:
    """One rate per country, on the sum, rounded once; customers with a tax id of another country pay none."""

    def __init__(self, rates: dict[str, tuple[str, Fraction]], home: str = "") -> None:
        for country, (name, rate) in rates.items():
            if rate < 0 or not name:
                raise InvalidRequestError(f"tax: {country} needs a name and a rate not below 0", field="tax")
        self._rates = rates
        self._home = home

    def taxes(self, net: Sequence[tuple[InvoiceLine, Money]], country: str, tax_id: str) -> list[TaxLine]:
        found = self._rates.get(country)
        if found is None or not net or (tax_id and country != self._home):
            return []
        name, rate = found
        base = total([amount for _, amount in net], net[0][1].currency)
        shown = f"{(rate * 100).limit_denominator(1000)} %"
        return [TaxLine(name=name, rate=shown, base=base, amount=base.times(rate))]


def net_of(
    lines: Sequence[InvoiceLine], applications: Sequence[CreditApplication]
) -> list[tuple[InvoiceLine, Money]]:
    """Each line with what is left of it after its credits."""
    net = []
    for line in lines:
        credited = total(
            [each.amount for each in applications if each.line_id == line.line_id], line.amount.currency
        )
        net.append((line, line.amount - credited))
    return net


def totals_of(
    lines: Sequence[InvoiceLine],
    applications: Sequence[CreditApplication],
    *,
    currency: str,
    rule: TaxRule,
    country: str = "",
    tax_id: str = "",
    balance: Money | None = None,
) -> Totals:
    """The foot of the invoice. ``balance`` is what the account has with us; no more of it is used than is
    owed, and a negative total leaves it as it is."""
    gross = total([line.amount for line in lines], currency)
    credited = total([each.amount for each in applications], currency)
    taxes = tuple(rule.taxes(net_of(lines, applications), country, tax_id))
    tax = total([each.amount for each in taxes], currency)
    owed = gross - credited + tax
    used = Money(max(0, min((balance or zero(currency)).minor, owed.minor)), currency)
    return Totals(
        gross=gross,
        credited=credited,
        subtotal=gross - credited,
        taxes=taxes,
        tax=tax,
        total=owed,
        balance_used=used,
        due=owed - used,
    )
