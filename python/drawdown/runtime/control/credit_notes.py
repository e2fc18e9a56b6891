"""Credit notes as they stand in the books: numbered in a series of their own, and never changed."""

from __future__ import annotations

from collections.abc import Sequence

from drawdown.billing.invoice import Invoice, InvoiceLine
from drawdown.billing.page_sums import TaxLine
from drawdown.billing.totals import TaxesKnown, taken_back, totals_of
from drawdown.model.money import Money, total, zero
from drawdown.runtime.control.invoice_parties import with_parties
from drawdown.runtime.control.step import Step


def notes_of(step: Step, invoice: Invoice) -> list[Invoice]:
    """Credit notes of the invoice, oldest first."""
    found = step.work.invoices.find(account=invoice.account, order="row")
    return [each for each in found if each.corrects == invoice.invoice_id]


def taken_back_of(step: Step, invoice: Invoice) -> Money:
    """What all notes of the invoice took back, tax included."""
    totals = [note.totals.total for note in notes_of(step, invoice) if note.totals is not None]
    return -total(totals, invoice.currency)


def left_of(invoice: Invoice, line: InvoiceLine, notes: Sequence[Invoice]) -> Money:
    """What a line came to, less invoice credits and what notes of the invoice took back of it."""
    credited = [-each.amount for each in invoice.applications if each.line_id == line.line_id]
    taken = [each.amount for note in notes for each in note.lines if each.reference == line.line_id]
    return total([line.amount, *credited, *taken], invoice.currency)


def line_taken_back(line: InvoiceLine, note_id: str, amount: Money) -> InvoiceLine:
    """The line of a note that takes ``amount`` of an invoice's line back."""
    return InvoiceLine(
        line_id=f"{note_id}:{line.line_id}",
        kind="adjustment",
        description=line.description,
        amount=-amount,
        period=line.period,
        subscription_id=line.subscription_id,
        plan_key=line.plan_key,
        reference=line.line_id,
    )


def take_back_all(step: Step, invoice: Invoice, note_id: str, reason: str) -> Invoice:
    """A note over whatever notes have left of a final invoice. Where its money goes is the caller's."""
    assert invoice.totals is not None
    notes = notes_of(step, invoice)
    left = [(line, left_of(invoice, line, notes)) for line in invoice.lines]
    lines = tuple(line_taken_back(line, note_id, amount) for line, amount in left if amount)
    before = -total([each.amount for note in notes for each in note.lines], invoice.currency)
    amount = total([each for _, each in left], invoice.currency)
    earlier = [tax for note in notes if note.totals for tax in note.totals.taxes]
    return put_note(
        step, invoice, note_id, lines, taken_back(invoice.totals.taxes, before, amount, earlier), reason
    )


def put_note(
    step: Step,
    invoice: Invoice,
    note_id: str,
    lines: tuple[InvoiceLine, ...],
    taxes: Sequence[TaxLine],
    reason: str,
) -> Invoice:
    """The note is there with its number. Where its money goes is the caller's."""
    series = "TC" if invoice.test_clock else "C"
    now = step.now_of(invoice.account)
    note = Invoice(
        invoice_id=note_id,
        account=invoice.account,
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        state="paid",
        created_at=now,
        period=invoice.period,
        lines=lines,
        number=f"{series}-{step.work.series.following(f'invoice:{series}'):08d}",
        test_clock=invoice.test_clock,
        due=zero(invoice.currency),
        finalized_at=now,
        paid_at=now,
        totals=totals_of(lines, [], currency=invoice.currency, rule=TaxesKnown(taxes)),
        corrects=invoice.invoice_id,
        note=reason,
    )
    step.decision.notice(
        "invoice.created",
        invoice.account,
        key=f"invoice.created:{note.invoice_id}",
        invoice_id=note.invoice_id,
        corrects=invoice.invoice_id,
    )
    return step.work.invoices.put(with_parties(step, note))
