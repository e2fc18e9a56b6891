"""The foot of an invoice: credits applied, tax, what the account has with us, and what is due."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from fractions import Fraction

import msgspec

from drawdown.billing.balances import MoneyBalance
from drawdown.billing.invoice import DRAFT_STATES, Invoice
from drawdown.billing.invoice_credit import InvoiceCredit, apply_credits, with_applied, without_applied
from drawdown.billing.page_sums import CreditApplication
from drawdown.billing.totals import totals_of
from drawdown.model.money import Money, zero
from drawdown.runtime.control.credit_notes import taken_back_of
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.identifiers import invoice_id


def credits_of(step: Step, account: str) -> list[InvoiceCredit]:
    """Invoice credits of the account; those of another never pay for it."""
    return step.work.invoice_credits.find(account=account, order="row")


def balance_of(step: Step, account: str, currency: str) -> Money:
    """What the account has with us from credit notes."""
    found = step.work.money_balances.get(account=account, currency=currency)
    return zero(currency) if found is None else found.balance


def foot(step: Step, invoice: Invoice) -> Invoice:
    """The invoice with credits, taxes and sums as they would be now; nothing is used up yet.

    A credit is judged at the last instant of the period that ends where the invoice is made; where none
    ends, at its issue. One that was made while the invoice waited for late usage was not there yet.
    """
    customer = step.customer_of(invoice.account)
    applications = _applications(step, invoice)
    totals = totals_of(
        invoice.lines,
        applications,
        currency=invoice.currency,
        rule=step.plane.tax_rule,
        country=customer.country,
        tax_id=customer.tax_id,
        balance=balance_of(step, invoice.account, invoice.currency),
    )
    due = totals.due if totals.due.minor > 0 else zero(invoice.currency)
    return msgspec.structs.replace(invoice, applications=tuple(applications), totals=totals, due=due)


def _applications(step: Step, invoice: Invoice) -> list[CreditApplication]:
    judged_at = invoice.created_at
    if _closes_a_period(step, invoice):
        judged_at -= timedelta(microseconds=1)
    credits = credits_of(step, invoice.account)
    if invoice.waits_for_usage or invoice.advance is not None:
        credits = [each for each in credits if each.created_at <= judged_at]
    return apply_credits(invoice.lines, credits, judged_at)


def sold_share(step: Step, invoice: Invoice | None, line_ids: Collection[str]) -> Fraction:
    """The share of these lines that the customer pays for and promotional money does not; of none, all.

    Of a draft as it would be now: its credits are granted before it is final.
    """
    lines = [] if invoice is None else [each for each in invoice.lines if each.line_id in line_ids]
    gross = sum(each.amount.minor for each in lines)
    if invoice is None or gross <= 0:
        return Fraction(1)
    is_draft = invoice.state in DRAFT_STATES
    applied = _applications(step, invoice) if is_draft else invoice.applications
    return 1 - Fraction(sum(each.amount.minor for each in applied if each.line_id in line_ids), gross)


def _closes_a_period(step: Step, invoice: Invoice) -> bool:
    if invoice.arrears or invoice.advance is not None:
        return True
    if any(not line.in_advance for line in invoice.lines):
        return True
    regular = invoice_id(invoice.account, invoice.created_at, invoice.currency)
    if not invoice.invoice_id.startswith(regular):
        return False
    subscriptions = {line.subscription_id for line in invoice.lines if line.subscription_id}
    return any(step.work.subscription(each).billing.start < invoice.created_at for each in subscriptions)


def use_up(step: Step, invoice: Invoice) -> None:
    """The credits and the balance that a final invoice takes; what it owes the customer is kept for them."""
    for credit in credits_of(step, invoice.account):
        used = with_applied(credit, invoice.applications)
        if used.applied != credit.applied and any(
            each.credit_id == credit.credit_id for each in invoice.applications
        ):
            step.work.invoice_credits.put(used)
    assert invoice.totals is not None
    owed_to_customer = -invoice.totals.due if invoice.totals.due.minor < 0 else zero(invoice.currency)
    add_to_balance(step, invoice.account, owed_to_customer - invoice.totals.balance_used)


def give_back(step: Step, invoice: Invoice) -> None:
    """A final invoice that becomes void used nothing up: credits and balance are as without it and its
    notes."""
    if invoice.totals is None or invoice.state not in ("finalized", "uncollectible"):
        return
    for credit in credits_of(step, invoice.account):
        unused = without_applied(credit, invoice.applications)
        if unused != credit:
            step.work.invoice_credits.put(unused)
    waiting = invoice.notes_waiting or zero(invoice.currency)
    kept_of_notes = taken_back_of(step, invoice) - waiting
    add_to_balance(step, invoice.account, invoice.totals.balance_used - kept_of_notes)


def keep_noted(step: Step, invoice: Invoice) -> Invoice:
    """What notes took back is the account's as far as the customer had paid it; the rest waits for that.

    So nothing can be spent of an invoice that becomes void, or whose payment fails. Nothing is put.
    """
    if invoice.notes_waiting is None or invoice.totals is None:
        return invoice
    nothing, waiting = zero(invoice.currency), invoice.notes_waiting
    unpaid = invoice.totals.total - invoice.paid_so_far
    kept = min(max(waiting - unpaid, nothing), waiting)
    add_to_balance(step, invoice.account, kept)
    return msgspec.structs.replace(invoice, notes_waiting=(waiting - kept) or None)


def keep_note(step: Step, invoice: Invoice, note: Invoice) -> None:
    """What a new note took back of the invoice is the account's as far as that was paid; the rest waits."""
    assert note.totals is not None
    waiting = (invoice.notes_waiting or zero(invoice.currency)) - note.totals.total
    noted = keep_noted(step, msgspec.structs.replace(invoice, notes_waiting=waiting))
    if noted.notes_waiting != invoice.notes_waiting:
        step.work.invoices.put(noted)


def add_to_balance(step: Step, account: str, amount: Money) -> None:
    """More, or less, of what the account has with us."""
    if amount:
        balance = balance_of(step, account, amount.currency) + amount
        step.work.money_balances.put(MoneyBalance(account=account, balance=balance))
