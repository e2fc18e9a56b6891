"""The words of the page: all of them, for HTML and PDF alike. A translation is another ``PageWords``.

Not here is what others write: descriptions of lines, names of credits and taxes, notes.
"""

from __future__ import annotations

from typing import Final

import msgspec


class PageWords(msgspec.Struct, frozen=True, kw_only=True):
    """What is printed beside figures, names and dates."""

    invoice: str = "Invoice"
    draft_invoice: str = "Draft invoice"
    void_invoice: str = "Void invoice"
    credit_note: str = "Credit note"
    number: str = "Number"
    date: str = "Date"
    account: str = "Account"
    corrects: str = "Corrects invoice"
    period: str = "Period"
    closes_at: str = "Usage joins until"
    seller: str = "From"
    buyer: str = "To"
    tax_id: str = "Tax id"
    description: str = "Description"
    quantity: str = "Quantity"
    amount: str = "Amount"
    no_lines: str = "Nothing to pay for in this period."
    gross: str = "Gross"
    credits_applied: str = "Credits applied"
    subtotal: str = "Subtotal"
    total: str = "Total"
    balance_used: str = "From your balance"
    paid_in_advance: str = "Paid in advance"
    due: str = "Due"
    paid: str = "Paid"

    def title(self, kind: str) -> str:
        """Of an invoice in this state, or of a ``credit_note``."""
        titles = {
            "draft": self.draft_invoice,
            "approved": self.draft_invoice,
            "void": self.void_invoice,
            "credit_note": self.credit_note,
        }
        return titles.get(kind, self.invoice)


ENGLISH: Final = PageWords()
