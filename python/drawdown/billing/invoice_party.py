"""Seller or buyer of an invoice, as they stood when it got its number: what is issued never changes."""

from drawdown.model.request import Value


class InvoiceParty(Value, frozen=True):
    """As printed."""

    name: str = ""
    address: tuple[str, ...] = ()
    email: str = ""
    tax_id: str = ""
    note: str = ""
    """Of the seller: bank account, register, whatever belongs at the foot."""
