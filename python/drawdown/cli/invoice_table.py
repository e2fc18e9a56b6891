"""One invoice as a table, for every command that answers one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drawdown.billing.invoice import Invoice
from drawdown.cli.output import print_json, print_table

InvoiceArgument = Annotated[str, typer.Argument(help="Invoice id.")]


def period_of(invoice: Invoice) -> str | None:
    """First instant and end, as dates; ``None`` for an invoice of its own."""
    if invoice.period is None:
        return None
    return f"{invoice.period.start:%Y-%m-%d} – {invoice.period.end:%Y-%m-%d}"


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
    sums: list[tuple[str, Any]] = [("period", period_of(found)), ("gross", found.gross)]
    sums += [("usage joins until", found.closes_at)]
    if found.advance is not None:
        sums += [("in advance", f"{found.advance}, {found.advance_state}")]
    sums += [("due", found.due), ("paid", found.paid), ("payment failed", found.payment_failure or None)]
    print_table("", ["what", "value"], [row for row in sums if row[1] is not None])
