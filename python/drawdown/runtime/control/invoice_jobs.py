"""Invoices by calendar: finalize, collect."""

from typing import TYPE_CHECKING

import msgspec

from drawdown.payments import Charge, ChargeState, PaymentRequest
from drawdown.runtime.control.bringing import bring_invoices
from drawdown.runtime.control.invoicing import COLLECT_JOB, FINALIZE_JOB, finalize, settle
from drawdown.runtime.control.registry import carries_out
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_hooks import UNPAID_JOB, tell_subscriptions
from drawdown.storage.sql.jobs import StoredJob

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane


@carries_out(FINALIZE_JOB, bring=bring_invoices)
def finalize_invoice(step: Step, job: StoredJob, _: object) -> None:
    """The draft becomes final."""
    finalize(step, step.work.invoice(job.payload["invoice_id"]), job.due_at)


def payment_of(step: Step, job: StoredJob) -> PaymentRequest | None:
    """What to ask the provider for; nothing where the invoice is not open any more."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    if invoice.state != "finalized" or invoice.due is None:
        return None
    customer = step.customer_of(invoice.account)
    subscribed = [
        step.work.subscription(line.subscription_id) for line in invoice.lines if line.subscription_id
    ]
    method = next((each.payment_method for each in subscribed if each.payment_method), "")
    return PaymentRequest(
        key=invoice.invoice_id,
        customer_reference=customer.provider_id,
        payment_method=method or customer.payment_method,
        amount=invoice.due,
        description=f"invoice {invoice.number}",
    )


def ask_for_money(plane: "ControlPlane", request: PaymentRequest) -> Charge:
    """Charge the invoice, once per invoice however often this runs."""
    return plane.provider.charge(request)


@carries_out(COLLECT_JOB, ask=payment_of, effect=ask_for_money, bring=bring_invoices)
def collect_invoice(step: Step, job: StoredJob, result: Charge | None) -> None:
    """What the provider said is on the invoice."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    if result is None or invoice.state != "finalized":
        return
    if result.state is ChargeState.SUCCEEDED:
        settle(step, invoice, job.due_at)
    elif result.state is ChargeState.FAILED:
        step.work.invoices.put(msgspec.structs.replace(invoice, payment_failure=result.reason or "failed"))
        tell_subscriptions(step, invoice, UNPAID_JOB, job.due_at)
        step.decision.notice(
            "payment.failed",
            invoice.account,
            key=f"payment.failed:{invoice.invoice_id}",
            invoice_id=invoice.invoice_id,
            reason=result.reason,
        )
    elif result.state is ChargeState.ACTION_REQUIRED:
        step.decision.notice(
            "payment.action_required",
            invoice.account,
            key=f"payment.action_required:{invoice.invoice_id}",
            invoice_id=invoice.invoice_id,
        )
