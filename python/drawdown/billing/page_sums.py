"""What is added to the lines of an invoice: credits applied, taxes, and the sums at its foot."""

from __future__ import annotations

from drawdown.model.money import Money
from drawdown.model.request import Value


class CreditApplication(Value, frozen=True):
    """So much of one credit paid for one line."""

    credit_id: str
    line_id: str
    amount: Money


class TaxLine(Value, frozen=True):
    """One tax on the invoice."""

    name: str
    rate: str
    """As shown: ``19 %``."""
    base: Money
    amount: Money


class Totals(Value, frozen=True):
    """The sums at the foot of an invoice."""

    gross: Money
    credited: Money
    subtotal: Money
    tax: Money
    total: Money
    balance_used: Money
    """Of credit notes and money paid before."""
    due: Money
    taxes: tuple[TaxLine, ...] = ()
