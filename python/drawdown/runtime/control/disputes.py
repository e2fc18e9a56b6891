"""Chargebacks of invoices: the bank has taken back what an invoice was paid with.

So too of a purchase that there is nothing left to take back of: it was refunded before, or never granted.

A final invoice never changes, and what of its credits should go is for a person to say, by a credit note.
Until then the account is frozen, where that is the policy, and somebody is told. Once per invoice: banks
and providers repeat themselves, and an account that was let go on is not frozen again by an echo.

What came late, for a void invoice, was the account's balance: the bank's word takes it from there.
"""

from typing import Final

from drawdown.billing.invoice import Invoice
from drawdown.model.commands import SuspendAccount
from drawdown.model.decision import Job
from drawdown.model.money import Money
from drawdown.runtime.control.invoice_foot import add_to_balance
from drawdown.runtime.control.invoicing import TAKEN_BACK
from drawdown.runtime.control.registry import carries_out
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.jobs import StoredJob

DISPUTE_JOB: Final = "invoice.dispute"


def note_dispute(step: Step, invoice: Invoice, money: Money) -> None:
    """The bank's word on a charge over ``money``, to be acted on once."""
    # Its own: it waits for nothing that happens to the account by calendar.
    lane = f"dispute:{invoice.invoice_id}"
    step.decision.job(
        Job(
            kind=DISPUTE_JOB,
            key=f"{DISPUTE_JOB}:{invoice.invoice_id}",
            lane=lane,
            account="",
            due_at=step.real_now(),
            payload={"invoice_id": invoice.invoice_id, "money": str(money)},
        )
    )
    step.run_now(lane)


@carries_out(DISPUTE_JOB)
def dispute_invoice(step: Step, job: StoredJob, _: object) -> None:
    """The account is frozen where ``chargeback_policy`` says so, and the feed tells."""
    invoice = step.work.invoice(job.payload["invoice_id"])
    if invoice.state == "void":
        _take_off_balance(step, invoice)
    if step.plane.chargeback_policy == "freeze":
        step.decision.command(invoice.account, SuspendAccount(account=invoice.account))
    step.decision.notice(
        "payment.disputed",
        invoice.account,
        key=f"payment.disputed:{invoice.invoice_id}",
        invoice_id=invoice.invoice_id,
        # Of an earlier version's job, what the invoice was paid with.
        money=job.payload.get("money") or str(invoice.paid),
        **({"purchase_id": invoice.purchase_id} if invoice.purchase_id else {}),
    )


def _take_off_balance(step: Step, invoice: Invoice) -> None:
    """What came late is the account's no more; what comes after the bank's word never is."""
    if invoice.paid is not None:
        add_to_balance(step, invoice.account, -invoice.paid)
    else:
        step.work.calls_seen.note(TAKEN_BACK, invoice.invoice_id)
