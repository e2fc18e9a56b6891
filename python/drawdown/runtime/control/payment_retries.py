"""What follows when the payment of an invoice is declined: tried again on a schedule, then given up.

::

    declined ──→ subscriptions past due ──→ retries, days after the first failure ──→ uncollectible
                       ↑    paid at any time: active again, credits released          by ``after_retries``

Each attempt has a key of its own at the provider, by how many have failed before it: however often it is
asked for, and in whatever order the provider's words come, it is one attempt and fails once. Instants of
the schedule that pass while nobody looks are not made up for: one attempt, not a volley.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from drawdown.billing.invoice import Invoice
from drawdown.billing.retrying import next_retry
from drawdown.model.decision import Job
from drawdown.runtime.control.late_payments import look_for_payment
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_hooks import GIVEN_UP_JOB, UNPAID_JOB, tell_subscriptions
from drawdown.subscriptions.identifiers import invoice_id, lane_of
from drawdown.subscriptions.subscription import Subscription

RETRY_JOB: Final = "invoice.retry"


def is_of_period(invoice: Invoice) -> bool:
    """Whether it is the account's invoice of a billing period; others were asked for by somebody."""
    if invoice.period is None or invoice.corrects:
        return False
    regular = invoice_id(invoice.account, invoice.period.start, invoice.currency)
    return invoice.invoice_id.startswith(regular)


def concerned(step: Step, invoice: Invoice) -> list[Subscription]:
    """Subscriptions with a line on it."""
    ids = dict.fromkeys(line.subscription_id for line in invoice.lines if line.subscription_id)
    return [step.work.subscription(each) for each in ids]


def method_of(step: Step, invoice: Invoice) -> str:
    """What it is paid by; empty where there is none: then it is paid outside, and nobody declined it.

    That of a subscription which has ended is asked for only where none that goes on is on the invoice.
    """
    going_on = [each for each in concerned(step, invoice) if each.live]
    own = (each.payment_method for each in going_on or concerned(step, invoice))
    return next(filter(None, own), "") or step.customer_of(invoice.account).payment_method


def note_failure(step: Step, invoice: Invoice, attempts: int, reason: str, at: datetime) -> Invoice:
    """The attempt after ``attempts`` failed ones has failed too; said again it changes nothing."""
    if invoice.state not in ("finalized", "uncollectible") or attempts != invoice.attempts:
        return invoice
    failed = msgspec.structs.replace(
        invoice,
        payment_failure=reason or "failed",
        attempts=attempts + 1,
        failed_at=invoice.failed_at or at,
    )
    tell_subscriptions(step, invoice, UNPAID_JOB, at, attempts)
    step.decision.notice(
        "payment.failed",
        invoice.account,
        key=f"payment.failed:{invoice.invoice_id}" + (f":{attempts}" if attempts else ""),
        invoice_id=invoice.invoice_id,
        reason=reason,
        attempt=attempts + 1,
    )
    if invoice.state == "uncollectible":
        return step.work.invoices.put(failed)
    return schedule_retry(step, failed, at, gives_up=True)


def schedule_retry(step: Step, invoice: Invoice, at: datetime, *, gives_up: bool) -> Invoice:
    """The next instant of the schedule is put down; with ``gives_up``, none is left: it is given up."""
    retries = step.plane.payment_retries
    if not retries or invoice.failed_at is None or not _is_owed(step, invoice):
        return step.work.invoices.put(invoice)
    following = next_retry(invoice.failed_at, retries, max(at, step.now_of(invoice.account)))
    waiting = msgspec.structs.replace(invoice, retry_at=following)
    if following is None:
        return give_up(step, waiting, at) if gives_up else step.work.invoices.put(waiting)
    put_retry(step, waiting, following, f"{following:%Y%m%dT%H%M%S.%fZ}")
    return step.work.invoices.put(waiting)


def put_retry(step: Step, invoice: Invoice, due_at: datetime, name: str, *, by_hand: bool = False) -> None:
    """One attempt at an instant; the same name again is the same attempt."""
    step.decision.job(
        Job(
            kind=RETRY_JOB,
            key=f"{RETRY_JOB}:{invoice.invoice_id}:{name}",
            lane=lane_of(invoice.account),
            account=invoice.account,
            due_at=due_at,
            rank=85,
            payload={"invoice_id": invoice.invoice_id, "by_hand": by_hand},
        )
    )


def retry_with_new_method(step: Step, invoice: Invoice) -> None:
    """One attempt at once, as there is another way to pay; one of them for all subscriptions on it."""
    if may_retry(step, invoice, by_hand=True):
        put_retry(step, invoice, step.now_of(invoice.account), f"method:{invoice.attempts}", by_hand=True)
        step.run_now(lane_of(invoice.account))


def _is_owed(step: Step, invoice: Invoice) -> bool:
    """Whether it is a renewal's: of a period, with a way to pay, for a subscription that goes on."""
    if not is_of_period(invoice) or not method_of(step, invoice):
        return False
    return any(each.is_served for each in concerned(step, invoice))


def may_retry(step: Step, invoice: Invoice, *, by_hand: bool) -> bool:
    """Whether it is still to be asked for: by the schedule only while a subscription goes on with it."""
    if invoice.rest.minor <= 0 or invoice.advance_state == "asked":
        # One payment at a time: what becomes of the advance says how much is left.
        return False
    if by_hand:
        return invoice.state in ("finalized", "uncollectible")
    return invoice.state == "finalized" and _is_owed(step, invoice)


def give_up(step: Step, invoice: Invoice, at: datetime) -> Invoice:
    """Nobody asks for it by itself any more; its subscriptions end or stay past due, by the setting."""
    step.decision.notice(
        "invoice.uncollectible",
        invoice.account,
        key=f"invoice.uncollectible:{invoice.invoice_id}",
        invoice_id=invoice.invoice_id,
    )
    look_for_payment(step, invoice)
    tell_subscriptions(step, invoice, GIVEN_UP_JOB, at)
    return step.work.invoices.put(msgspec.structs.replace(invoice, state="uncollectible", retry_at=None))
