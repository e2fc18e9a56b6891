"""When an invoice is too large to go out unseen: a wrong unit or rate, before anybody is charged for it.

What an invoice has for usage is compared with what the account was billed for per day, all in all, over the
last invoices that together cover thirty days (reliability §2). Fees count as usual too, so that the
first usage of a paying customer is not held; an account that was never billed for anything has no measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from drawdown.billing.invoice import Invoice
from drawdown.model.money import Money, total

OF_USAGE: Final = ("overage", "adjustment")
COVERED: Final = timedelta(days=30)
# A period of an hour is not judged by what an hour usually costs.
LEAST: Final = timedelta(days=1)


def usage_of(invoice: Invoice) -> Money:
    """What its lines of usage come to."""
    return total([line.amount for line in invoice.lines if line.kind in OF_USAGE], invoice.currency)


def reason_to_hold(invoice: Invoice, earlier: Iterable[Invoice], factor: int) -> str:
    """Why the invoice has to wait for an operator, in words; empty: it has not.

    ``earlier`` are the account's other invoices, newest first; ``factor`` is how many times the usual is
    taken as it comes, 0 for any.
    """
    usage = usage_of(invoice)
    if factor == 0 or usage.minor <= 0:
        return ""
    comparable = [each for each in earlier if _is_comparable(each, invoice)]
    usual = _usual(invoice, comparable)
    if usual == 0 or usage.minor <= factor * usual:
        return ""
    times = Fraction(usage.minor) / usual
    return f"{usage} for usage, {int(times)} times what the account was usually billed for as long a time"


def _is_comparable(earlier: Invoice, invoice: Invoice) -> bool:
    return (
        earlier.currency == invoice.currency
        and bool(earlier.number)
        and earlier.state in ("finalized", "paid", "uncollectible")
        and not earlier.corrects
        and not earlier.purchase_id
        and earlier.created_at < invoice.created_at
    )


def _usual(invoice: Invoice, earlier: Sequence[Invoice]) -> Fraction:
    """Minor units that are usual for as long as its usage lasted; 0: nothing is known."""
    billed, since = 0, invoice.created_at
    for each in earlier:
        if invoice.created_at - since >= COVERED:
            break
        billed, since = billed + each.gross.minor, each.created_at
    if since == invoice.created_at:
        return Fraction(0)
    days = Fraction(max(_length(invoice, since), LEAST) / LEAST)
    return max(billed, 0) * days / Fraction(max(invoice.created_at - since, LEAST) / LEAST)


def _length(invoice: Invoice, since: datetime) -> timedelta:
    """Of the longest period whose usage it has."""
    periods = [line.period for line in invoice.lines if line.kind in OF_USAGE and line.period is not None]
    return max((each.end - each.start for each in periods), default=invoice.created_at - since)
