"""A change of plan whose payment is confirmed: carried out, or asked for anew where its period is over.

What was asked for is the difference for the rest of one period. Paid when another has begun, it is no
price for that one: the money is kept for the account by a credit note, and the difference for the present
period is asked for, for which the money counts. Where no period runs, the change does not happen.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from drawdown.runtime.control.credit_notes import take_back_all
from drawdown.runtime.control.invoice_foot import add_to_balance
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_changes import apply_change, ask_to_pay, drop_change, work_out
from drawdown.subscriptions.identifiers import change_note_id, derived
from drawdown.subscriptions.subscription import PlannedChange, Subscription


def go_on_with_change(step: Step, subscription: Subscription, planned: PlannedChange) -> None:
    """The invoice that the change waited for is paid."""
    now = step.now_of(subscription.account)
    if _is_in_its_period(subscription, planned, now):
        apply_change(step, subscription, planned, already_charged=True)
        return
    _keep_money(step, planned)
    if not subscription.has_period_at(now):
        drop_change(step, subscription, planned)
        return
    period = f"{subscription.epoch}.{subscription.billing.number_at(now)}"
    own_id = derived("inv", subscription.subscription_id, "change", planned.change_id, "again", period)
    again = msgspec.structs.replace(planned, asked_at=now, invoice_id=own_id)
    target = work_out(step, subscription, again, now)
    if target.due_now().minor <= 0:
        apply_change(step, subscription, again, already_charged=False)
    elif subscription.payment_method:
        ask_to_pay(step, subscription, again, target, now)
    else:
        drop_change(step, subscription, planned)


def _is_in_its_period(subscription: Subscription, planned: PlannedChange, now: datetime) -> bool:
    asked_in = subscription.billing.number_at(planned.asked_at)
    return asked_in >= 0 and asked_in == subscription.billing.number_at(now)


def _keep_money(step: Step, planned: PlannedChange) -> None:
    invoice = step.work.invoice(planned.invoice_id)
    note_id = change_note_id(invoice.invoice_id)
    note = take_back_all(step, invoice, note_id, "Paid when another period had begun")
    assert note.totals is not None
    add_to_balance(step, invoice.account, -note.totals.total)
