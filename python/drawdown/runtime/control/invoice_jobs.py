"""Invoices by calendar: finalize, collect."""

from datetime import datetime

from drawdown.billing.invoice import Invoice
from drawdown.billing.retrying import ADVANCE_KEY, advance_key, attempt_key, attempt_of
from drawdown.model.money import Money
from drawdown.payments import Charge, ChargeState, PaymentRequest
from drawdown.runtime.control.bringing import bring_closings, bring_invoices
from drawdown.runtime.control.charging import Asking, ask_for_money, asking
from drawdown.runtime.control.invoice_closing import close_or_hold, finalize_or_hold
from drawdown.runtime.control.invoicing import (
    ADVANCE_JOB,
    CLOSE_JOB,
    COLLECT_JOB,
    FINALIZE_JOB,
    ask_in_advance,
    fail_advance,
    keep_payment,
    settle_advance,
    take_payment,
)
from drawdown.runtime.control.late_payments import LOOK_JOB, keep_besides, look_of, look_up
from drawdown.runtime.control.payment_retries import (
    RETRY_JOB,
    give_up,
    may_retry,
    method_of,
    note_failure,
    schedule_retry,
)
from drawdown.runtime.control.registry import carries_out
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.jobs import StoredJob


@carries_out(FINALIZE_JOB, bring=bring_invoices)
def finalize_invoice(step: Step, job: StoredJob, _: object) -> None:
    """The draft becomes final; one that waits for usage is paid for in advance."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    if invoice.waits_for_usage:
        ask_in_advance(step, invoice, job.due_at)
    else:
        finalize_or_hold(step, invoice, job.due_at)


@carries_out(CLOSE_JOB, bring=bring_closings)
def close_invoice_usage(step: Step, job: StoredJob, _: object) -> None:
    """Usage joins its period's invoice for the last time."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    if invoice.waits_for_usage:
        close_or_hold(step, invoice, job.due_at)


def advance_of(step: Step, job: StoredJob) -> Asking | None:
    """What to ask the provider for before the invoice is final."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    if invoice.advance is None or invoice.advance_state != "asked" or invoice.state in ("void", "paid"):
        return None
    key = advance_key(invoice.invoice_id)
    return asking(step, job, _payment(step, invoice, key, invoice.advance, "in advance"))


def payment_of(step: Step, job: StoredJob) -> Asking | None:
    """What to ask the provider for; nothing where the invoice is not open any more, or was declined since:
    then its retries ask."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    if invoice.state != "finalized" or invoice.attempts or invoice.rest.minor <= 0:
        return None
    return asking(step, job, _attempt(step, invoice))


def _attempt(step: Step, invoice: Invoice) -> PaymentRequest:
    """One attempt, the same however often it is asked for: the key says how many have failed before."""
    key = attempt_key(invoice.invoice_id, invoice.attempts)
    return _payment(step, invoice, key, invoice.rest, invoice.number)


def _payment(step: Step, invoice: Invoice, key: str, amount: Money, named: str) -> PaymentRequest:
    return PaymentRequest(
        key=key,
        customer_reference=step.customer_of(invoice.account).provider_id,
        payment_method=method_of(step, invoice),
        amount=amount,
        description=f"invoice {named}",
    )


@carries_out(ADVANCE_JOB, ask=advance_of, effect=ask_for_money, bring=bring_invoices, steps_aside=True)
def collect_advance(step: Step, job: StoredJob, result: Charge | None) -> None:
    """What the provider said of the advance is on the draft."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    if result is not None:
        apply_advance(step, invoice, result, _answered_at(step, invoice, job))


def _answered_at(step: Step, invoice: Invoice, job: StoredJob) -> datetime:
    """When the provider's word came: what failed at first may have been overtaken by the calendar since."""
    return max(job.due_at, step.now_of(invoice.account)) if job.attempts else job.due_at


def apply_advance(step: Step, invoice: Invoice, charge: Charge, at: datetime) -> Invoice:
    """The provider's word on the advance; one that comes twice changes nothing."""
    if invoice.state == "void":
        return _apply_to_void(step, invoice, charge)
    if charge.state is ChargeState.SUCCEEDED and invoice.advance_state == "paid":
        keep_besides(step, invoice, charge.key, charge.amount)
        return invoice
    if charge.state is ChargeState.SUCCEEDED:
        return settle_advance(step, invoice, at)
    if charge.state is ChargeState.FAILED:
        return fail_advance(step, invoice, charge.reason or "failed", at)
    if charge.state is ChargeState.ACTION_REQUIRED:
        step.decision.notice(
            "payment.action_required",
            invoice.account,
            key=f"payment.action_required:advance:{invoice.invoice_id}",
            invoice_id=invoice.invoice_id,
            action_url=charge.action_url,
        )
    return invoice


@carries_out(COLLECT_JOB, ask=payment_of, effect=ask_for_money, bring=bring_invoices, steps_aside=True)
def collect_invoice(step: Step, job: StoredJob, result: Charge | None) -> None:
    """What the provider said is on the invoice."""
    if result is not None:
        invoice = step.work.invoice(job.payload["invoice_id"])
        apply_payment(step, invoice, result, _answered_at(step, invoice, job))


def retry_of(step: Step, job: StoredJob) -> Asking | None:
    """The next attempt, or the one that is on its way; nothing where nobody is to be asked any more."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    if not may_retry(step, invoice, by_hand=job.payload["by_hand"]):
        return None
    return asking(step, job, _attempt(step, invoice), again=True)


@carries_out(RETRY_JOB, ask=retry_of, effect=ask_for_money, steps_aside=True)
def retry_invoice(step: Step, job: StoredJob, result: Charge | None) -> None:
    """What the provider said of one more attempt; what is still on its way is looked at again on schedule."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    at = _answered_at(step, invoice, job)
    if result is not None:
        invoice = apply_payment(step, invoice, result, at)
    elif invoice.state == "finalized" and not job.payload["by_hand"]:
        # Its subscriptions have ended meanwhile.
        give_up(step, invoice, at)
        return
    if result is not None and not result.state.is_final and not job.payload["by_hand"]:
        schedule_retry(step, invoice, at, gives_up=False)


@carries_out(LOOK_JOB, ask=look_of, effect=look_up, bring=bring_invoices, steps_aside=True)
def take_what_was_found(step: Step, job: StoredJob, found: Charge | None) -> None:
    """What became of a payment that nobody waits for any more."""
    if found is not None:
        invoice = step.work.invoice(job.payload["invoice_id"])
        apply_found(step, invoice, found, step.now_of(invoice.account))


def apply_found(step: Step, invoice: Invoice, charge: Charge, at: datetime) -> Invoice:
    """What the provider says of whichever payment of the invoice it is."""
    apply = apply_advance if charge.key.startswith(ADVANCE_KEY) else apply_payment
    return apply(step, invoice, charge, at)


def apply_payment(step: Step, invoice: Invoice, charge: Charge, at: datetime) -> Invoice:
    """The provider's word on an attempt at a final invoice; one that comes twice changes nothing."""
    if invoice.state == "void":
        return _apply_to_void(step, invoice, charge)
    if invoice.state == "paid" and charge.state is ChargeState.SUCCEEDED:
        keep_besides(step, invoice, charge.key, charge.amount)
    if invoice.state not in ("finalized", "uncollectible"):
        return invoice
    if charge.state is ChargeState.SUCCEEDED:
        return take_payment(step, invoice, at)
    _, attempts = attempt_of(charge.key)
    if charge.state is ChargeState.FAILED:
        return note_failure(step, invoice, attempts, charge.reason, at)
    if charge.state is ChargeState.ACTION_REQUIRED:
        step.decision.notice(
            "payment.action_required",
            invoice.account,
            key=f"payment.action_required:{invoice.invoice_id}" + (f":{attempts}" if attempts else ""),
            invoice_id=invoice.invoice_id,
            action_url=charge.action_url,
        )
    return invoice


def _apply_to_void(step: Step, invoice: Invoice, charge: Charge) -> Invoice:
    """The provider was asked before the invoice became void; only money that comes matters now."""
    if charge.state is not ChargeState.SUCCEEDED:
        return invoice
    return keep_payment(step, invoice, charge.amount)
