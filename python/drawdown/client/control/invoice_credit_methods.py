"""Invoice credits, previews, pages and credit notes, as methods."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from drawdown.billing import invoice_credit_requests as crediting
from drawdown.billing.invoice import Invoice
from drawdown.billing.invoice_credit import InvoiceCredit
from drawdown.client.control.content import UNSTAMPED, struct_of
from drawdown.client.control.door import ControlDoor
from drawdown.model.credits import AmountLike
from drawdown.model.money import Money, money_from


class InvoiceCreditMethods(ControlDoor):
    """Money off invoices, and invoices to look at."""

    def create_invoice_credit(
        self, account: str, credit_id: str, *, amount: AmountLike, currency: str, name: str, **settings: Any
    ) -> InvoiceCredit:
        """Money off the account's coming invoices. ``settings`` are the fields of ``InvoiceCredit``:
        ``priority``, ``expires_at``, ``scope={"classes": […], "lines": […]}``, ``reason``, ``paid``.
        """
        content = {
            "credit_id": credit_id,
            "account": account,
            "name": name,
            "amount": money_from(amount, currency),
            "created_at": UNSTAMPED,
            **settings,
        }
        answer: InvoiceCredit = self.control(
            crediting.CreateInvoiceCredit(credit=struct_of(InvoiceCredit, content))
        )
        return answer

    def invoice_credits(self, account: str) -> Sequence[InvoiceCredit]:
        """The account's invoice credits, in the order in which they apply."""
        answer: crediting.InvoiceCredits = self.control(crediting.ListInvoiceCredits(account=account))
        return answer.credits

    def void_invoice_credit(self, credit_id: str, *, confirm: bool = False) -> InvoiceCredit:
        """Forfeit what is left of a credit, for ever; needs ``confirm=True``."""
        answer: InvoiceCredit = self.control(
            crediting.VoidInvoiceCredit(credit_id=credit_id, confirm=confirm)
        )
        return answer

    def preview_invoice(self, account: str) -> Invoice:
        """The open period as its invoice would be now; nothing is stored.

        Of one currency, as invoices are: the customer's, or where that owes nothing the first that does.
        """
        answer: Invoice = self.control(crediting.PreviewInvoice(account=account))
        return answer

    def render_invoice(self, invoice_id: str, format: str = "html", *, locale: str = "en") -> bytes:
        """The page of an invoice as ``html`` (UTF-8) or ``pdf``."""
        answer: crediting.RenderedInvoice = self.control(
            crediting.RenderInvoice(invoice_id=invoice_id, format=format, locale=locale)
        )
        return base64.b64decode(answer.content) if format == "pdf" else answer.content.encode()

    def create_credit_note(
        self,
        note_id: str,
        invoice_id: str,
        line_id: str,
        *,
        amount: Money,
        grant_id: str = "",
        reason: str = "",
    ) -> Invoice:
        """Take back from a line of a final invoice; with ``grant_id`` its unspent credits too."""
        answer: Invoice = self.control(
            crediting.CreateCreditNote(
                note_id=note_id,
                invoice_id=invoice_id,
                line_id=line_id,
                amount=amount,
                grant_id=grant_id,
                reason=reason,
            )
        )
        return answer

    def close_invoice(self, invoice_id: str, state: str) -> Invoice:
        """Give an unpaid invoice up: ``uncollectible``, or ``void`` where it was wrong.

        A draft is made void, and the usage that it waits for is on no later invoice. Raises
        ``PreconditionError`` for one that is paid, in part or in whole, or whose usage comes behind
        another's.
        """
        answer: Invoice = self.control(crediting.CloseInvoice(invoice_id=invoice_id, state=state))
        return answer
