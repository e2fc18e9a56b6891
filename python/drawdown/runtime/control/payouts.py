"""What came for credits, purchase by purchase and, of a subscription, period by period: no more is paid out.

The cost basis of a grant is settled when it is made, before its money comes where it is billed later. What
goes back afterwards, by a refund, a chargeback, a credit note or as unused time while the credits stay, is
still in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from drawdown.billing.bought_credits import grants_with
from drawdown.billing.invoice import DRAFT_STATES, InvoiceLine
from drawdown.billing.purchase import Purchase, line_id_of
from drawdown.billing.withdrawal import ADJUSTS
from drawdown.model.money import Money, total, zero
from drawdown.model.results import Grant
from drawdown.runtime.control.credit_notes import left_of, notes_of
from drawdown.runtime.control.invoice_foot import foot
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.closing import PaidFor
from drawdown.subscriptions.identifiers import refund_note_id
from drawdown.subscriptions.renewing import IN_ADVANCE
from drawdown.subscriptions.servicing import DELIVERY_GRANT


def paid_for(step: Step, account: str, grants: Iterable[Grant]) -> list[PaidFor]:
    """Per billing period what its fee, its credits and changes inside it came to, and per purchase its price,
    as far as that was paid, less all that went back."""
    grants = list(grants)
    return [*_per_period(step, account, grants), *_per_purchase(step, account, grants)]


def _per_purchase(step: Step, account: str, grants: Iterable[Grant]) -> list[PaidFor]:
    bought = [each for each in grants if each.source in ("purchase", "recharge")]
    purchases = step.work.purchases.find(account=account, order="row") if bought else []
    return [
        PaidFor(grants=tuple(each.grant_id for each in grants_with(purchase, bought)), money=money)
        for purchase in purchases
        if (money := _came_for(step, purchase)) is not None
    ]


def _came_for(step: Step, purchase: Purchase) -> Money | None:
    """Without tax, and without what promotional money paid; ``None``: the whole cost of its grants."""
    is_debt = _was_taken_as_debt(step, purchase)
    invoice = step.work.invoices.get(invoice_id=purchase.invoice_id) if purchase.invoice_id else None
    if invoice is None:
        if is_debt:
            return None
        if purchase.bill_later:
            return zero(purchase.price.currency)
        return purchase.price - (purchase.refunded or zero(purchase.price.currency))
    if invoice.state != "paid":
        return zero(invoice.currency)
    notes = notes_of(step, invoice)
    if is_debt:
        # Its credits went with its money, out of whichever grants were first.
        notes = [each for each in notes if each.invoice_id != refund_note_id(purchase.purchase_id)]
    lines = [each for each in invoice.lines if each.line_id == line_id_of(purchase)]
    return total([left_of(invoice, each, notes) for each in lines], invoice.currency)


def _was_taken_as_debt(step: Step, purchase: Purchase) -> bool:
    # What became of a chargeback is not on the purchase; the setting seldom changes.
    policy = step.plane.chargeback_policy if purchase.reason == "disputed" else purchase.reason
    return purchase.state == "refunded" and policy == "into_debt"


def _per_period(step: Step, account: str, grants: Iterable[Grant]) -> list[PaidFor]:
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
        is_paid = invoice.state != "void" and "paid" in (invoice.state, invoice.advance_state)
        for line in lines:
            left = left_of(shown, line, notes)
            # What is given back goes off what did come, whoever pays the invoice that says so.
            found.append((line, left if is_paid or left.minor < 0 else zero(invoice.currency)))
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
