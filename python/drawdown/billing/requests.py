"""Calls on customers and invoices."""

from datetime import datetime

from drawdown.billing.invoice import Invoice
from drawdown.model.request import Request, Value
from drawdown.subscriptions.customer import Customer


class Invoices(Value, frozen=True):
    """A page of invoices, oldest first."""

    invoices: tuple[Invoice, ...] = ()


class PutCustomer(Request, frozen=True):
    """Create the customer or replace what is known about it."""

    rpc = "AccountService/PutCustomer"
    right = "manage"
    answer = Customer
    customer: Customer


class GetCustomer(Request, frozen=True):
    rpc = "AccountService/GetCustomer"
    right = "read"
    answer = Customer
    customer_id: str


class Customers(Value, frozen=True):
    """A page of customers by id."""

    customers: tuple[Customer, ...] = ()


class ListCustomers(Request, frozen=True):
    """Customers by id."""

    rpc = "AccountService/ListCustomers"
    right = "read"
    answer = Customers
    prefix: str = ""
    """Only ids that start with this; empty: all."""
    after: str = ""
    limit: int = 100


class ListInvoices(Request, frozen=True):
    """List the invoices of one account or of all, oldest first."""

    rpc = "BillingService/ListInvoices"
    right = "read"
    answer = Invoices
    account: str = ""
    """Empty: of all, which a credential bound to accounts may not ask."""
    after: str = ""
    limit: int = 100
    state: str = ""
    """Only in this state; empty: in any."""


class GetInvoice(Request, frozen=True):
    rpc = "BillingService/GetInvoice"
    right = "read"
    answer = Invoice
    invoice_id: str


class ApproveInvoice(Request, frozen=True):
    """The operator agrees; what waits for approval is released."""

    rpc = "BillingService/ApproveInvoice"
    right = "manage"
    answer = Invoice
    invoice_id: str


class RetryPayment(Request, frozen=True):
    """Ask for an invoice's money now; exactly once per ``retry_id``."""

    rpc = "BillingService/RetryPayment"
    right = "manage"
    answer = Invoice
    invoice_id: str
    retry_id: str
    payment_method: str = ""
    """From now on of the subscriptions on it; empty: theirs as it is."""


class MarkInvoicePaid(Request, frozen=True):
    """Paid outside the provider; what waits for payment is released."""

    rpc = "BillingService/MarkInvoicePaid"
    right = "manage"
    answer = Invoice
    invoice_id: str
    paid_at: datetime | None = None
    """Not later than the account's present; absent: now."""
