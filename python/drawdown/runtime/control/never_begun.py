"""Subscriptions that ended before their first payment: nobody is asked for what they were to begin with."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from drawdown.billing.invoice import DRAFT_STATES, Invoice, InvoiceLine
from drawdown.billing.totals import taken_back
from drawdown.catalog.plan import version_of
from drawdown.model.money import total
from drawdown.runtime.control.credit_notes import left_of, line_taken_back, notes_of, put_note
from drawdown.runtime.control.invoice_foot import keep_note
from drawdown.runtime.control.invoicing import drop_invoice, void_waiting
from drawdown.runtime.control.step import Step
from drawdown.storage.sql import tables
from drawdown.subscriptions.identifiers import unbegun_note_id
from drawdown.subscriptions.renewing import IN_ADVANCE
from drawdown.subscriptions.subscription import Subscription


def drop_unpaid(step: Step, subscription: Subscription) -> None:
    """What subscriptions were to begin with that all ended before, this one the last, is void.

    So are its credits that waited for it, and what else of this one alone was asked for and declined. Of an
    invoice that others go on with, its own lines in advance are off while it is a draft, and taken back by a
    credit note once it is final.
    """
    unpaid = tables.billing.invoice.c.state.in_((*DRAFT_STATES, "finalized"))
    for invoice in step.work.invoices.find(unpaid, account=subscription.account, order="row"):
        own = [line for line in invoice.lines if line.subscription_id == subscription.subscription_id]
        others = [line for line in invoice.lines if line not in own]
        begins = any(line.kind in IN_ADVANCE for line in own)
        if not own or not (begins or (invoice.payment_failure and not others)):
            continue
        if invoice.arrears or not all(_never_began(step, line) for line in others):
            _take_off(step, invoice, subscription, [line for line in own if line.in_advance])
        else:
            drop_invoice(step, invoice.invoice_id)
            void_waiting(step, invoice, subscription)


def _never_began(step: Step, line: InvoiceLine) -> bool:
    """Whether the unpaid line was the beginning of a subscription that has ended since."""
    if not line.subscription_id or not line.in_advance:
        return False
    subscription = step.work.subscription(line.subscription_id)
    waited = step.work.plan(*version_of(line.plan_key)).release == "on_payment"
    # Another period, or schedules laid anew, come behind a payment only.
    in_first = subscription.epoch == 0 and subscription.billing_next <= 1
    return subscription.state == "ended" and waited and in_first


def _take_off(step: Step, invoice: Invoice, subscription: Subscription, lines: Sequence[InvoiceLine]) -> None:
    """Its lines are not owed, and its credits are void whether or not others pay for theirs."""
    void_waiting(step, invoice, subscription)
    kept = step.work.invoice(invoice.invoice_id)
    if invoice.state in DRAFT_STATES:
        left = tuple(each for each in invoice.lines if each not in lines)
        step.work.invoices.put(msgspec.structs.replace(kept, lines=left))
        return
    _credit(step, kept, unbegun_note_id(subscription.subscription_id, invoice.invoice_id), lines)


def _credit(step: Step, invoice: Invoice, note_id: str, lines: Sequence[InvoiceLine]) -> None:
    """A note over what is left of the lines. What was asked for stays asked for, as it may be on its way:
    what comes for these lines is the account's."""
    assert invoice.totals is not None
    notes = notes_of(step, invoice)
    left = [(line, amount) for line in lines if (amount := left_of(invoice, line, notes)).minor > 0]
    if not left:
        return
    before = -total([each.amount for note in notes for each in note.lines], invoice.currency)
    earlier = [tax for note in notes if note.totals for tax in note.totals.taxes]
    amount = total([each for _, each in left], invoice.currency)
    taxes = taken_back(invoice.totals.taxes, before, amount, earlier)
    taken = tuple(line_taken_back(line, note_id, each) for line, each in left)
    keep_note(step, invoice, put_note(step, invoice, note_id, taken, taxes, "ended before it began"))
