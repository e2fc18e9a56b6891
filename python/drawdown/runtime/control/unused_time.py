"""What a period has cost, and its unused time when it is left: given back as far as the customer paid for it.

What promotional money paid of its lines is not paid out, and what a credit note gave back is not given back
again. Of a period with a part that was paid, that part was there for the unused time: promotional money
is used up first, as promotional credits are.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from drawdown.billing.invoice import DRAFT_STATES, InvoiceLine, line_of
from drawdown.catalog.plan import Plan
from drawdown.model.money import Money, total, zero
from drawdown.runtime.control.arrears_steps import since_begun
from drawdown.runtime.control.credit_notes import left_of
from drawdown.runtime.control.invoice_foot import foot
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.change_price import UNUSED, change_line_id, unused_charge
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.renewing import IN_ADVANCE, period_stem
from drawdown.subscriptions.subscription import Subscription

# Nobody pays for their lines.
UNPAID_STATES = ("void", "uncollectible")


def unused_time(
    step: Step, subscription: Subscription, old_plan: Plan, plan: Plan, change_id: str, now: datetime
) -> Charge | None:
    """What is given back for the old plan's unused time when its period ends early."""
    return as_paid(step, subscription, unused_charge(subscription, old_plan, plan, change_id, now), now)


def as_paid(step: Step, subscription: Subscription, charge: Charge | None, now: datetime) -> Charge | None:
    """The charge; one that gives back, cut down to what was paid for the present period."""
    if charge is None or charge.amount.minor >= 0:
        return charge
    number = max(0, subscription.billing.number_at(now))
    period = subscription.billing.period(number)
    paid = _paid_for(step, subscription, period, period_stem(subscription, number))
    if paid is None or paid.minor >= -charge.amount.minor:
        return charge
    return msgspec.structs.replace(charge, amount=-paid) if paid.minor > 0 else None


def charged_for(step: Step, subscription: Subscription, change_id: str, now: datetime) -> Money:
    """What the present period was charged in advance, whoever paid: its fee and credits and changes of plan
    inside it, less credit notes. Without the charge of the change itself, which may be asked for already."""
    number = max(0, subscription.billing.number_at(now))
    period, stem = subscription.billing.period(number), period_stem(subscription, number)
    invoices = step.work.invoices.find(account=subscription.account, order="row", since=since_begun(period))
    amounts: list[Money] = []
    for invoice in invoices:
        if invoice.corrects or invoice.state in UNPAID_STATES:
            continue
        notes = [each for each in invoices if each.corrects == invoice.invoice_id]
        gross = msgspec.structs.replace(invoice, applications=())
        amounts += [
            left_of(gross, line, notes)
            for line in invoice.lines
            if _is_of(line, subscription, period, stem)
            and line.line_id != change_line_id(subscription, change_id)
        ]
    waiting = [line_of(each) for each in subscription.waiting_charges]
    amounts += [each.amount for each in waiting if _is_of(each, subscription, period, stem)]
    return total(amounts, subscription.currency)


def _paid_for(step: Step, subscription: Subscription, period: Period, stem: str) -> Money | None:
    """What its lines came to less invoice credits and notes; ``None`` where it was charged elsewhere."""
    invoices = step.work.invoices.find(account=subscription.account, order="row", since=since_begun(period))
    amounts: list[Money] = []
    for invoice in invoices:
        if invoice.corrects or not any(_is_of(each, subscription, period, stem) for each in invoice.lines):
            continue
        if invoice.state in UNPAID_STATES:
            amounts.append(zero(invoice.currency))
            continue
        shown = foot(step, invoice) if invoice.state in DRAFT_STATES else invoice
        notes = [each for each in invoices if each.corrects == invoice.invoice_id]
        lines = [each for each in shown.lines if _is_of(each, subscription, period, stem)]
        amounts += [left_of(shown, line, notes) for line in lines]
    if not amounts:
        return None
    waiting = [line_of(each) for each in subscription.waiting_charges]
    amounts += [each.amount for each in waiting if _is_of(each, subscription, period, stem)]
    return total(amounts, subscription.currency)


def _is_of(line: InvoiceLine, subscription: Subscription, period: Period, stem: str) -> bool:
    """Whether the line charges the period: its fee and credits, and changes of plan inside it."""
    if line.subscription_id != subscription.subscription_id or line.period is None:
        return False
    if line.kind in IN_ADVANCE:
        return line.line_id.startswith(f"{stem}:")
    return line.kind == "proration" and not line.line_id.endswith(UNUSED) and period.holds(line.period.start)
