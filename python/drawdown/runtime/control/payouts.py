"""What came for the credits of a subscription, period by period: no more of it is paid out.

The cost basis of a grant is settled when it is made. What goes back afterwards, by a credit note or as unused
time while the credits stay, is still in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from drawdown.billing.invoice import DRAFT_STATES, InvoiceLine
from drawdown.billing.withdrawal import ADJUSTS
from drawdown.model.money import Money, total, zero
from drawdown.model.results import Grant
from drawdown.runtime.control.credit_notes import left_of
from drawdown.runtime.control.invoice_foot import foot
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.unused_time import UNPAID_STATES
from drawdown.subscriptions.closing import PaidFor
from drawdown.subscriptions.renewing import IN_ADVANCE
from drawdown.subscriptions.servicing import DELIVERY_GRANT


def paid_for(step: Step, account: str, grants: Iterable[Grant]) -> list[PaidFor]:
    """Per billing period what its fee, its credits and changes inside it came to, less all that went back."""
    left = _lines_left(step, account)
    periods: dict[tuple[str, datetime], list[str]] = {}
    for grant in grants:
        end = _period_end(grant, [line for line, _ in left])
        if end is not None:
            periods.setdefault((grant.source_reference, end), []).append(grant.grant_id)
    return [
        PaidFor(grants=tuple(ids), money=_came(left, subscription_id, end))
        for (subscription_id, end), ids in periods.items()
    ]


def _lines_left(step: Step, account: str) -> list[tuple[InvoiceLine, Money]]:
    """Every line of a subscription's periods, with what it came to."""
    invoices = step.work.invoices.find(account=account, order="row")
    found: list[tuple[InvoiceLine, Money]] = []
    for invoice in invoices:
        lines = [each for each in invoice.lines if each.kind in (*IN_ADVANCE, "proration") and each.period]
        if invoice.corrects or not lines:
            continue
        shown = foot(step, invoice) if invoice.state in DRAFT_STATES else invoice
        notes = [each for each in invoices if each.corrects == invoice.invoice_id]
        is_paid = invoice.state not in UNPAID_STATES
        found += (
            (line, left_of(shown, line, notes) if is_paid else zero(invoice.currency)) for line in lines
        )
    return found


def _period_end(grant: Grant, lines: Iterable[InvoiceLine]) -> datetime | None:
    """Of the billing period that gave the grant; ``None`` for one that was charged elsewhere, or is free."""
    began = grant.effective_at
    is_delivery = grant.metadata.get(ADJUSTS, grant.grant_id).startswith(DELIVERY_GRANT)
    if grant.source != "subscription" or began is None or is_delivery:
        return None
    periods = [
        line.period
        for line in lines
        if line.subscription_id == grant.source_reference
        and line.kind in IN_ADVANCE
        and line.period is not None
        and line.period.holds(began)
    ]
    # After a change of rhythm one period lies inside another.
    return max(periods, key=lambda period: period.start).end if periods else None


def _came(left: Iterable[tuple[InvoiceLine, Money]], subscription_id: str, end: datetime) -> Money:
    amounts = [
        money
        for line, money in left
        if line.subscription_id == subscription_id and line.period is not None and line.period.end == end
    ]
    return total(amounts, amounts[0].currency)
