"""Invoices tell their subscriptions what became of them, as jobs of the account's lane."""

from datetime import datetime

from drawdown.billing.invoice import Invoice
from drawdown.model.decision import Job
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.identifiers import lane_of

PAID_JOB = "subscription.paid"
UNPAID_JOB = "subscription.unpaid"
GIVEN_UP_JOB = "subscription.given_up"


def tell_subscriptions(step: Step, invoice: Invoice, kind: str, at: datetime, attempt: int | str = 0) -> None:
    """Each subscription with a line on the invoice goes on (``PAID_JOB``) or not (``UNPAID_JOB``), or for
    good not (``GIVEN_UP_JOB``): once per ``attempt`` at the invoice's payment."""
    concerned = sorted({line.subscription_id for line in invoice.lines if line.subscription_id})
    for subscription_id in concerned:
        step.decision.job(
            Job(
                kind=kind,
                key=f"{kind}:{invoice.invoice_id}:{subscription_id}" + (f":{attempt}" if attempt else ""),
                lane=lane_of(invoice.account),
                account=invoice.account,
                due_at=at,
                rank=90,
                payload={"subscription_id": subscription_id, "invoice_id": invoice.invoice_id},
            )
        )
