"""Drafts that become final, unless they are too large to go out unseen: those wait for an operator.

A draft that is held keeps what it waits for: usage that is corrected meanwhile is on it as corrected. The
drafts behind it wait too, as what is late to one period is an adjustment on the next.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from drawdown.billing.invoice import Invoice
from drawdown.billing.invoice_hold import reason_to_hold, usage_of
from drawdown.errors import PreconditionError
from drawdown.model.instants import us_from_instant
from drawdown.runtime.control.arrears_steps import UsageClosed, close_usage, waiting_drafts
from drawdown.runtime.control.invoicing import finalize, tell_created
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.documents import Since
from drawdown.subscriptions.arrears import overage_line_id

# So that the last invoice of a year is among what is compared with.
LOOKED_BACK: Final = timedelta(days=400)


def since_looked_back(created_at: datetime) -> Since:
    """Of invoices, those that one of this instant is compared with."""
    return Since("created_at", us_from_instant(created_at - LOOKED_BACK))


def close_or_hold(step: Step, invoice: Invoice, at: datetime) -> None:
    """Its grace is over: usage joins it for the last time, or it is held."""
    ahead = _held_ahead(step, invoice)
    if ahead is not None:
        _hold(step, invoice, f"the usage of {ahead.invoice_id} comes first", of="behind:")
        return
    closed = close_usage(step, invoice)
    reason = _reason(step, closed.invoice)
    if reason:
        _hold(step, invoice, reason)
    else:
        _close(step, closed, at)


def finalize_or_hold(step: Step, invoice: Invoice, at: datetime) -> None:
    """A draft that waits for nothing becomes final, or is held."""
    reason = _reason(step, invoice) if invoice.state == "draft" else ""
    if reason:
        _hold(step, invoice, reason)
    else:
        finalize(step, invoice, at)


def approve_held(step: Step, invoice: Invoice, at: datetime) -> None:
    """The operator has seen it: it becomes final as it is now, and the drafts behind it are looked at.

    One that stands behind a held draft itself stays where it is. Raises ``PreconditionError`` then.
    """
    ahead = _held_ahead(step, invoice)
    if ahead is not None:
        raise PreconditionError(
            f"invoice {invoice.invoice_id!r} is held behind {ahead.invoice_id!r}: approve that one first",
            reason="INVOICE_BEHIND_HELD",
        )
    seen = msgspec.structs.replace(invoice, held="")
    if not seen.waits_for_usage:
        finalize(step, seen, at)
        return
    _close(step, close_usage(step, seen), at)
    look_again_at_held(step, seen.account, at)


def with_its_usage(step: Step, invoice: Invoice) -> Invoice:
    """A draft that nobody will pay takes its usage along: that usage is on no later invoice either.

    Raises ``PreconditionError`` where the usage of another draft comes first.
    """
    if not invoice.waits_for_usage:
        return invoice
    first = waiting_drafts(step, invoice.account)[0]
    if first.invoice_id != invoice.invoice_id:
        raise PreconditionError(
            f"the usage of {first.invoice_id!r} comes before that of {invoice.invoice_id!r}: approve or "
            "close that one first, or wait until it is final",
            reason="INVOICE_BEHIND_ANOTHER",
        )
    closed = close_usage(step, invoice)
    for billed in closed.billed:
        step.work.overage_billed.put(billed)
    return closed.invoice


def give_up_usage(step: Step, invoice: Invoice) -> None:
    """Nobody pays for the invoice: where its usage is corrected later, nothing of it is given back."""
    for line in invoice.lines:
        if line.kind != "overage":
            continue
        known = step.work.overage_billed.get(account=invoice.account, credit_type=line.reference)
        if known is not None:
            given_up = tuple(
                each.stem
                for each in known.closed
                if each.stem in known.given_up or overage_line_id(each, line.reference) == line.line_id
            )
            step.work.overage_billed.put(msgspec.structs.replace(known, given_up=given_up))


def look_again_at_held(step: Step, account: str, at: datetime) -> None:
    """One that was held is no more: those that waited behind it go out, unless they are too large too."""
    for draft in waiting_drafts(step, account):
        if draft.held:
            close_or_hold(step, msgspec.structs.replace(draft, held=""), at)


def _held_ahead(step: Step, invoice: Invoice) -> Invoice | None:
    if not invoice.waits_for_usage:
        return None
    for draft in waiting_drafts(step, invoice.account):
        if draft.invoice_id == invoice.invoice_id:
            return None
        if draft.held:
            return draft
    return None


def _reason(step: Step, invoice: Invoice) -> str:
    if usage_of(invoice).minor <= 0:
        return ""
    since = since_looked_back(invoice.created_at)
    earlier = step.work.invoices.find(account=invoice.account, order="row", since=since)
    return reason_to_hold(invoice, reversed(earlier), step.plane.invoice_hold_factor)


def _hold(step: Step, invoice: Invoice, reason: str, *, of: str = "") -> None:
    step.work.invoices.put(msgspec.structs.replace(invoice, held=reason))
    # Behind another, and then for what it has itself: each is told once.
    step.decision.notice(
        "invoice.held",
        invoice.account,
        key=f"invoice.held:{of}{invoice.invoice_id}",
        invoice_id=invoice.invoice_id,
        reason=reason,
    )


def _close(step: Step, closed: UsageClosed, at: datetime) -> None:
    for billed in closed.billed:
        step.work.overage_billed.put(billed)
    invoice = closed.invoice
    if not invoice.lines and not invoice.advance:
        # Made when a subscription ended, in case it would owe something: no invoice of a billing period.
        step.work.invoices.delete(invoice_id=invoice.invoice_id)
    elif invoice.state == "approved" or invoice.advance is not None:
        finalize(step, invoice, at)
    else:
        # A last invoice may have got its first line only now, and waits to be approved.
        tell_created(step, step.work.invoices.put(invoice))
