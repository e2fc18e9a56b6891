"""Customers and invoices, as methods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from drawdown.billing import requests
from drawdown.billing.invoice import Invoice
from drawdown.client.control.content import struct_of
from drawdown.client.control.door import ControlDoor
from drawdown.subscriptions.customer import Customer


class BillingMethods(ControlDoor):
    """Who buys, and what is owed."""

    def put_customer(self, customer_id: str, **facts: Any) -> Customer:
        """Create the customer or replace what is known about it. ``facts`` are the fields of ``Customer``."""
        customer = struct_of(Customer, {"customer_id": customer_id, **facts})
        answer: Customer = self.control(requests.PutCustomer(customer=customer))
        return answer

    def customer(self, customer_id: str) -> Customer:
        """One customer. Raises ``NotFoundError``."""
        answer: Customer = self.control(requests.GetCustomer(customer_id=customer_id))
        return answer

    def customers(self, prefix: str = "", *, after: str = "", limit: int = 100) -> Sequence[Customer]:
        """A page of customers by id whose id begins with ``prefix``, behind the customer ``after``."""
        answer: requests.Customers = self.control(
            requests.ListCustomers(prefix=prefix, after=after, limit=limit)
        )
        return answer.customers

    def invoices(
        self, account: str = "", *, after: str = "", limit: int = 100, state: str = ""
    ) -> Sequence[Invoice]:
        """A page of invoices, of one account or of all, oldest first, behind the invoice ``after``.

        ``state="finalized"``: those that are still to be paid.
        """
        answer: requests.Invoices = self.control(
            requests.ListInvoices(account=account, after=after, limit=limit, state=state)
        )
        return answer.invoices

    def invoice(self, invoice_id: str) -> Invoice:
        """One invoice. Raises ``NotFoundError``."""
        answer: Invoice = self.control(requests.GetInvoice(invoice_id=invoice_id))
        return answer

    def approve_invoice(self, invoice_id: str) -> Invoice:
        """A draft becomes final, and what waits for approval is released."""
        answer: Invoice = self.control(requests.ApproveInvoice(invoice_id=invoice_id))
        return answer

    def retry_payment(self, invoice_id: str, *, retry_id: str, payment_method: str = "") -> Invoice:
        """Ask for a final invoice's money now, once per ``retry_id``; ``payment_method`` is from now on that
        of the subscriptions on it."""
        answer: Invoice = self.control(
            requests.RetryPayment(invoice_id=invoice_id, retry_id=retry_id, payment_method=payment_method)
        )
        return answer

    def mark_invoice_paid(self, invoice_id: str, *, paid_at: datetime | None = None) -> Invoice:
        """Paid outside the provider; what waits for payment is released."""
        answer: Invoice = self.control(requests.MarkInvoicePaid(invoice_id=invoice_id, paid_at=paid_at))
        return answer
