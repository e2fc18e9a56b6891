"""One invoice as a table, for every command that answers one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drawdown.billing.invoice import Invoice
from drawdown.cli.output import print_json, print_table

InvoiceArgument = Annotated[str, typer.Argument(help="Invoice id.")]


def _period_of(invoice: Invoice) -> str | None:
    """First instant and end, as dates; ``None`` for an invoice of its own."""
    if invoice.period is None:
        return None
    return f"{invoice.period.start:%Y-%m-%d} – {invoice.period.end:%Y-%m-%d}"


def what_for(invoice: Invoice) -> str | None:
    """A period, a purchase, or the invoice that a credit note corrects."""
    if invoice.corrects:
        return f"corrects {invoice.corrects}"
    return f"purchase {invoice.purchase_id}" if invoice.purchase_id else _period_of(invoice)


def show_invoice(found: Invoice, as_json: bool) -> None:
    """Print it, line by line."""
    if as_json:
        print_json(found)
        return
    title = f"Invoice {found.number or found.invoice_id} of {found.account}, {found.state}"
    rows: list[tuple[Any, ...]] = [
        (line.kind, line.description, line.quantity, line.amount) for line in found.lines
    ]
    print_table(title, ["kind", "what", "quantity", "amount"], rows)
    sums: list[tuple[str, Any]] = [("period", _period_of(found)), ("purchase", found.purchase_id or None)]
    sums += [("corrects", found.corrects or None), ("gross", found.gross)]
    if found.totals is not None:
        sums += [("credits applied", found.totals.credited if found.totals.credited else None)]
        sums += [("tax", found.totals.tax if found.totals.taxes else None)]
        sums += [("from the balance", found.totals.balance_used if found.totals.balance_used else None)]
    sums += [("usage joins until", found.closes_at), ("held", found.held or None)]
    if found.advance is not None:
        sums += [("in advance", f"{found.advance}, {found.advance_state}")]
    sums += [("due", found.due), ("paid", found.paid), ("payment failed", found.payment_failure or None)]
    sums += [("attempts", found.attempts or None), ("tried again at", found.retry_at)]
    print_table("", ["what", "value"], [row for row in sums if row[1] is not None])
