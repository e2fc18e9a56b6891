"""A subscription whose period nobody pays for: past due, settled, or given up.

While it is past due its unreleased credits wait on, nothing past zero is served on top of the debt where the
plan releases on payment, and its period is not followed by another: one unpaid invoice, not a pile of them.
"""

from datetime import datetime

import msgspec

from drawdown.billing.invoice import Invoice
from drawdown.runtime.control.invoicing import void_waiting
from drawdown.runtime.control.payment_retries import give_up, is_of_period, method_of
from drawdown.runtime.control.registry import carries_out
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_changes import drop_change
from drawdown.runtime.control.subscription_hooks import GIVEN_UP_JOB
from drawdown.runtime.control.subscription_lifecycle import end, go_on_anew
from drawdown.runtime.control.subscription_steps import entitle, tell
from drawdown.storage.sql.jobs import StoredJob
from drawdown.subscriptions.subscription import Subscription


def fall_behind(step: Step, subscription: Subscription, job: StoredJob) -> None:
    """The payment of a period's invoice has failed: past due from here on, unless it is paid meanwhile."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    is_draft_unpaid = invoice.waits_for_usage and invoice.advance_state == "failed"
    if not (invoice.state == "finalized" or is_draft_unpaid):
        return
    if not is_of_period(invoice) or not method_of(step, invoice):
        return
    if subscription.state not in ("active", "paused") or subscription.unpaid_invoice_id:
        return
    behind = msgspec.structs.replace(
        subscription,
        state="past_due" if subscription.state == "active" else subscription.state,
        unpaid_invoice_id=invoice.invoice_id,
        past_due_since=job.due_at,
    )
    entitle(step, behind)
    tell(step, behind, "past_due", invoice.invoice_id, invoice_id=invoice.invoice_id)
    step.work.subscriptions.put(behind)


def go_on_settled(step: Step, subscription: Subscription, job: StoredJob) -> Subscription:
    """Nothing is unpaid any more: active, in the period that is paid, or in a new one from now.

    Where the payment of another period has failed meanwhile, it waits for that one; or ends, as it would
    have when that one was given up.
    """
    if not subscription.is_served:
        return subscription
    failed = _failed_besides(step, subscription)
    if failed:
        other = failed[0]
        behind = msgspec.structs.replace(subscription, unpaid_invoice_id=other.invoice_id)
        if step.plane.after_retries == "cancel" and other.state == "uncollectible":
            return end_unpaid(step, behind, step.now_of(subscription.account))
        tell(step, behind, "past_due", other.invoice_id, invoice_id=other.invoice_id)
        return step.work.subscriptions.put(behind)
    was_past_due = subscription.state == "past_due"
    settled = msgspec.structs.replace(
        subscription,
        state="active" if was_past_due else subscription.state,
        unpaid_invoice_id="",
        past_due_since=None,
    )
    owed_on = job.payload["invoice_id"]
    tell(step, settled, "settled", owed_on, invoice_id=owed_on)
    entitle(step, settled)
    now = step.now_of(settled.account)
    if not was_past_due or settled.has_period_at(now):
        return step.work.subscriptions.put(settled)
    return go_on_anew(step, settled, now)


def _failed_besides(step: Step, subscription: Subscription) -> list[Invoice]:
    """Other invoices of periods of it whose payment has failed: a provider out of reach over more
    than one end of a period may decline them all afterwards."""
    return [
        invoice
        for state in ("uncollectible", "finalized", "draft")
        for invoice in step.work.invoices.find(account=subscription.account, state=state, order="row")
        if invoice.invoice_id != subscription.unpaid_invoice_id
        and (invoice.attempts > 0 or invoice.advance_state == "failed")
        and is_of_period(invoice)
        and any(line.subscription_id == subscription.subscription_id for line in invoice.lines)
    ]


def leave_unpaid_period(step: Step, subscription: Subscription, edge: datetime) -> None:
    """Its period is over and was never paid for: it ends, or stays past due without another."""
    if step.plane.after_retries != "cancel":
        return
    invoice = step.work.invoice(subscription.unpaid_invoice_id)
    if invoice.state == "finalized":
        give_up(step, invoice, edge)
    end_unpaid(step, subscription, edge)


@carries_out(GIVEN_UP_JOB)
def go_on_given_up(step: Step, job: StoredJob, _: object) -> None:
    """Its invoice is not asked for any more: it ends or stays past due, or goes on where that was void.

    A change that waited for an invoice that is void does not happen.
    """
    subscription = step.work.subscription(job.payload["subscription_id"])
    planned = subscription.planned_change
    if planned is not None and planned.invoice_id == job.payload["invoice_id"]:
        if step.work.invoice(planned.invoice_id).state == "void":
            drop_change(step, subscription, planned)
        return
    if subscription.unpaid_invoice_id != job.payload["invoice_id"] or not subscription.is_served:
        return
    if step.work.invoice(job.payload["invoice_id"]).state == "void":
        go_on_settled(step, subscription, job)
    elif step.plane.after_retries == "cancel":
        end_unpaid(step, subscription, step.now_of(subscription.account))


def end_unpaid(step: Step, subscription: Subscription, at: datetime) -> Subscription:
    """It ends; credits that waited for this payment or for others that failed are void, those that were paid
    for stay."""
    unpaid = step.work.invoice(subscription.unpaid_invoice_id)
    for invoice in (unpaid, *_failed_besides(step, subscription)):
        void_waiting(step, invoice, subscription)
    tell(step, subscription, "cancelled", None, ends_at=at.isoformat())
    return end(step, msgspec.structs.replace(subscription, ends_at=at), at)
