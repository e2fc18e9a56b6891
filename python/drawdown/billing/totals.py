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

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, Protocol

from drawdown.billing.invoice import InvoiceLine
from drawdown.billing.page_sums import CreditApplication, TaxLine, Totals
from drawdown.errors import ConfigError, InvalidRequestError
from drawdown.model.money import Money, shares, total, zero

_PERCENT: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?\Z")


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
        shown = f"{_decimal(rate * 100)} %"
        return [TaxLine(name=name, rate=shown, base=base, amount=base.times(rate))]


def tax_rule_from(rates: str, home: str) -> TaxRule:
    """The rule of a text like ``DE 19 VAT; CH 8.1 MWST``. Raises ``ConfigError`` naming ``tax_rates``."""
    known: dict[str, tuple[str, Fraction]] = {}
    for row in filter(None, (row.strip() for row in rates.split(";"))):
        country, _, rest = row.partition(" ")
        percent, _, name = rest.strip().partition(" ")
        if not _is_country(country) or not _PERCENT.match(percent) or not name.strip() or country in known:
            raise ConfigError(
                f"tax_rates: {row!r}: give each country once, like 'DE 19 VAT; CH 8.1 MWST'",
                field="tax_rates",
            )
        known[country] = (name.strip(), Fraction(percent) / 100)
    if home and not _is_country(home):
        raise ConfigError(
            f"tax_home: {home!r} is not a country; two capital letters, like DE", field="tax_home"
        )
    return RateByCountry(known, home) if known else NoTax()


def _decimal(value: Fraction) -> str:
    """``19`` or ``8.1``: a fraction of a percent has at most four decimals."""
    text = f"{Decimal(value.numerator) / Decimal(value.denominator):.4f}"
    return text.rstrip("0").rstrip(".")


def _is_country(text: str) -> bool:
    return len(text) == 2 and text.isascii() and text.isalpha() and text.isupper()


def taken_back(
    taxes: Sequence[TaxLine], before: Money, amount: Money, earlier: Sequence[TaxLine]
) -> list[TaxLine]:
    """The taxes of a credit note over ``amount`` (net) of an invoice with ``taxes``.

    ``before`` (net) and ``earlier`` are what notes took back until now: the taxes of all notes together are
    those of their sum, so that an invoice taken back in parts returns its taxes to the unit.
    """
    returned = []
    for tax in taxes:
        share = Fraction(tax.amount.minor, tax.base.minor) if tax.base else Fraction(0)
        part = (before + amount).times(share)
        for each in earlier:
            part = part + each.amount if each.name == tax.name else part
        returned.append(TaxLine(name=tax.name, rate=tax.rate, base=-amount, amount=-part))
    return returned


def given_back(taxes: Sequence[TaxLine], base: Money, amount: Money) -> list[TaxLine]:
    """So much tax given back with ``base`` (below zero) of net, in proportion to what each tax came to."""
    if not any(each.amount for each in taxes):
        return []
    parts = shares(amount.minor, [each.amount.minor for each in taxes])
    return [
        TaxLine(name=tax.name, rate=tax.rate, base=base, amount=Money(-part, base.currency))
        for tax, part in zip(taxes, parts, strict=True)
    ]


class TaxesKnown:
    """Taxes that are settled already."""

    def __init__(self, taxes: Sequence[TaxLine]) -> None:
        self._taxes = list(taxes)

    def taxes(self, net: Sequence[tuple[InvoiceLine, Money]], country: str, tax_id: str) -> list[TaxLine]:
        return self._taxes


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
