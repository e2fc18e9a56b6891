"""Reading invoices, approving them, marking them paid."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from drawdown import errors
from drawdown.billing.invoice import STATES, Invoice
from drawdown.billing.requests import (
    ApproveInvoice,
    GetInvoice,
    Invoices,
    ListInvoices,
    MarkInvoicePaid,
    RetryPayment,
)
from drawdown.model.ids import check_id
from drawdown.payments import Charge
from drawdown.runtime.control.invoice_closing import approve_held
from drawdown.runtime.control.invoice_draft import as_it_would_be
from drawdown.runtime.control.invoice_jobs import apply_found
from drawdown.runtime.control.invoicing import (
    ask_in_advance,
    finalize,
    settle_advance,
    take_payment,
    tell,
)
from drawdown.runtime.control.late_payments import look_before_marking, note_marked
from drawdown.runtime.control.payment_retries import concerned, may_retry, put_retry
from drawdown.runtime.control.purchase_invoices import require_not_of_purchase
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.releasing import release
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.tables.billing import invoice as invoice_table
from drawdown.subscriptions.identifiers import lane_of

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane


@handles(ListInvoices)
def list_invoices(step: Step, request: ListInvoices) -> Invoices:
    """Oldest first; ``after`` is the id of the last one seen."""
    where = []
    if request.account:
        if not step.sees(request.account):
            return Invoices(invoices=())
        where.append(invoice_table.c.account == request.account)
    elif step.account_prefix:
        raise errors.PermissionDeniedError(
            "a credential bound to accounts names the account", field="account"
        )
    if request.state:
        if request.state not in STATES:
            raise errors.InvalidRequestError(f"state: one of {', '.join(STATES)}", field="state")
        where.append(invoice_table.c.state == request.state)
    if request.after:
        position = (
            invoice_table.select()
            .with_only_columns(invoice_table.c.row)
            .where(invoice_table.c.invoice_id == request.after)
        )
        if request.account:
            # Of another account's invoice it would say that it is there.
            position = position.where(invoice_table.c.account == request.account)
        where.append(invoice_table.c.row > position.scalar_subquery())
    limit = min(max(request.limit, 1), 1_000)
    found = step.work.invoices.find(*where, order="row", limit=limit)
    return Invoices(invoices=tuple(as_it_would_be(step, each) for each in found))


@handles(GetInvoice)
def get_invoice(step: Step, request: GetInvoice) -> Invoice:
    """A draft has the lines it would have now. Raises ``NotFoundError``."""
    return as_it_would_be(step, step.invoice(request.invoice_id))


def _reread(step: Step, request: ApproveInvoice | MarkInvoicePaid | RetryPayment) -> Invoice:
    return as_it_would_be(step, step.invoice(request.invoice_id))


@handles(ApproveInvoice, reread=_reread)
def approve_invoice(step: Step, request: ApproveInvoice) -> Invoice:
    """A draft is agreed to: final, or with its usage, and what waited for approval is released."""
    invoice = step.invoice(request.invoice_id)
    if invoice.state != "draft" and not (invoice.held and invoice.state == "approved"):
        return invoice
    waiting = tuple(each for each in invoice.releases if each.on == "approval")
    release(step, invoice, waiting)
    approved = msgspec.structs.replace(
        invoice, state="approved", releases=tuple(each for each in invoice.releases if each not in waiting)
    )
    # Before it is final, as that follows from it.
    tell(step, "invoice.approved", approved)
    if approved.held:
        approve_held(step, approved, step.now_of(invoice.account))
    elif approved.waits_for_usage:
        # It may have been asked for already; the approval stands nevertheless.
        step.work.invoices.put(approved)
        ask_in_advance(step, approved, step.now_of(invoice.account))
    else:
        finalize(step, approved, step.now_of(invoice.account))
    step.run_now(lane_of(invoice.account))
    return approved


def _look(plane: ControlPlane, request: MarkInvoicePaid, account_prefix: str) -> Charge | None:
    invoice: Invoice = plane.read(lambda step: step.work.invoice(request.invoice_id, account_prefix))
    return look_before_marking(plane, invoice)


@handles(MarkInvoicePaid, reread=_reread, before=_look)
def mark_invoice_paid(step: Step, request: MarkInvoicePaid) -> Invoice:
    """Paid: by what the provider has taken, else outside; of a draft, what was asked for in advance."""
    invoice = step.invoice(request.invoice_id)
    paid_at = _when_paid(step, invoice, request)
    if step.prior is not None:
        invoice = apply_found(step, invoice, step.prior, paid_at)
    if invoice.waits_for_usage and invoice.advance is not None:
        step.run_now(lane_of(invoice.account))
        note_marked(step, invoice)
        return settle_advance(step, invoice, paid_at)
    if invoice.state not in ("finalized", "paid", "uncollectible"):
        raise errors.PreconditionError(
            f"invoice {invoice.invoice_id!r} is {invoice.state}; only a finalized one can be paid",
            reason="INVOICE_NOT_FINALIZED",
        )
    require_not_of_purchase(invoice)
    step.run_now(lane_of(invoice.account))
    note_marked(step, invoice)
    return take_payment(step, invoice, paid_at)


def _when_paid(step: Step, invoice: Invoice, request: MarkInvoicePaid) -> datetime:
    """Raises ``InvalidRequestError`` for an instant to come: what waits would wait for it."""
    now = step.now_of(invoice.account)
    if request.paid_at is not None and request.paid_at > now:
        raise errors.InvalidRequestError(
            f"paid_at: {request.paid_at.isoformat()} is to come; for account {invoice.account!r} it is "
            f"{now.isoformat()}: give when it was paid, or nothing for now",
            field="paid_at",
        )
    return request.paid_at or now


@handles(RetryPayment, reread=_reread)
def retry_payment(step: Step, request: RetryPayment) -> Invoice:
    """One attempt, at once; while one is still on its way it is that one."""
    check_id(request.retry_id, "retry_id")
    invoice = step.invoice(request.invoice_id)
    step.run_now(lane_of(invoice.account))
    if not step.work.first_time(request, f"{invoice.invoice_id}:{request.retry_id}"):
        return invoice
    require_not_of_purchase(invoice)
    if invoice.advance_state == "asked" and not invoice.waits_for_usage:
        raise errors.PreconditionError(
            f"invoice {invoice.invoice_id!r}: {invoice.advance} of it was asked for in advance, and that "
            "payment says what is left: retry when it has ended, or mark the invoice paid",
            reason="INVOICE_BEING_PAID",
        )
    if not may_retry(step, invoice, by_hand=True):
        raise errors.PreconditionError(
            f"invoice {invoice.invoice_id!r} is {invoice.state} and {invoice.rest} of it is to be paid: "
            "only what a final invoice owes is asked for",
            reason="INVOICE_NOT_OWED",
        )
    for each in concerned(step, invoice) if request.payment_method else []:
        step.work.subscriptions.put(msgspec.structs.replace(each, payment_method=request.payment_method))
    now = step.now_of(invoice.account)
    put_retry(step, invoice, now, f"asked:{request.retry_id}", by_hand=True)
    return invoice
