"""Credit notes as they stand in the books: numbered in a series of their own, and never changed."""

from __future__ import annotations

from collections.abc import Sequence

from drawdown.billing.invoice import Invoice, InvoiceLine
from drawdown.billing.page_sums import TaxLine
from drawdown.billing.totals import TaxesKnown, totals_of
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
