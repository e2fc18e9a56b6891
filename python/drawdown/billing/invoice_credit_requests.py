"""Calls on invoice credits, previews, pages and credit notes."""

from drawdown.billing.invoice import Invoice
from drawdown.billing.invoice_credit import InvoiceCredit
from drawdown.model.money import Money
from drawdown.model.request import Request, Value


class InvoiceCredits(Value, frozen=True):
    """Credits of an account, in the order in which they apply."""

    credits: tuple[InvoiceCredit, ...] = ()


class RenderedInvoice(Value, frozen=True):
    """A page of an invoice; PDF as base64."""

    content_type: str
    content: str


class CreateInvoiceCredit(Request, frozen=True):
    """Money off coming invoices; immutable. Same id and content: the original."""

    rpc = "BillingService/CreateInvoiceCredit"
    right = "manage"
    answer = InvoiceCredit
    credit: InvoiceCredit


class ListInvoiceCredits(Request, frozen=True):
    rpc = "BillingService/ListInvoiceCredits"
    right = "read"
    answer = InvoiceCredits
    account: str


class VoidInvoiceCredit(Request, frozen=True):
    """Forfeits what is left, for ever; what was applied stays. Needs ``confirm``."""

    rpc = "BillingService/VoidInvoiceCredit"
    right = "manage"
    answer = InvoiceCredit
    credit_id: str
    confirm: bool = False


class PreviewInvoice(Request, frozen=True):
    """The open period as its invoice would be now; nothing is stored."""

    rpc = "BillingService/PreviewInvoice"
    right = "read"
    answer = Invoice
    account: str


class RenderInvoice(Request, frozen=True):
    """The page of an invoice: html or pdf."""

    rpc = "BillingService/RenderInvoice"
    right = "read"
    answer = RenderedInvoice
    invoice_id: str
    format: str = "html"
    locale: str = "en"


class CreateCreditNote(Request, frozen=True):
    """Takes back from a final invoice: money to the account's balance, and of a purchase's or delivery's
    grant what is unspent."""

    rpc = "BillingService/CreateCreditNote"
    right = "manage"
    answer = Invoice
    note_id: str
    invoice_id: str
    line_id: str
    amount: Money
    grant_id: str = ""
    """A grant of too many credits: its unspent rest is withdrawn."""
    reason: str = ""


class CloseInvoice(Request, frozen=True):
    """Nobody will pay it: a final one is ``uncollectible``, or ``void`` where it was wrong or is a draft."""

    rpc = "BillingService/CloseInvoice"
    right = "manage"
    answer = Invoice
    invoice_id: str
    state: str
