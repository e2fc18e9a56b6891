"""``drawdown invoice``: what is owed, on paper and on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from drawdown.cli import invoice_credit_commands
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.invoice_table import InvoiceArgument, show_invoice, what_for
from drawdown.cli.options import AccountArgument, DatabaseOptions, JsonOption, instant_from
from drawdown.cli.output import console, print_json, print_table
from drawdown.cli.written_output import writing
from drawdown.errors import InvalidRequestError

invoices = CommandGroup(help="What is owed: lines, totals, pages.")

FORMATS: Final = {".html": "html", ".htm": "html", ".pdf": "pdf"}


@invoices.command("list")
def list_invoices(
    account: Annotated[str, typer.Argument(help="Account id; none: of all accounts.")] = "",
    state: Annotated[
        str, typer.Option(help="Only draft, approved, finalized (open), paid, uncollectible or void.")
    ] = "",
    after: Annotated[str, typer.Option(help="Only those after this invoice.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most this many.")] = 100,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List the invoices of one account or of all, oldest first."""
    with options.open() as database:
        found = database.invoices(account, after=after, limit=limit, state=state)
    if json:
        print_json(found)
        return
    rows = [
        (
            each.invoice_id,
            None if account else each.account,
            each.number or None,
            what_for(each),
            each.gross,
            each.due,
            f"{each.state}, held" if each.held else each.state,
        )
        for each in found
    ]
    print_table(
        f"Invoices of {account}" if account else "Invoices",
        ["invoice", "account", "number", "for", "gross", "due", "state"],
        rows,
        if_any=("account",),
    )


@invoices.command("show")
def show(
    invoice_id: InvoiceArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show an invoice, line by line."""
    with options.open() as database:
        found = database.invoice(invoice_id)
    show_invoice(found, json)


@invoices.command("preview")
def preview(
    account: AccountArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show what the invoice of the open period would be now."""
    with options.open() as database:
        found = database.preview_invoice(account)
    show_invoice(found, json)


@invoices.command("approve")
def approve(
    invoice_id: InvoiceArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Make a draft final and release what waits for approval."""
    with options.open() as database:
        found = database.approve_invoice(invoice_id)
    show_invoice(found, json)


@invoices.command("mark-paid")
def mark_paid(
    invoice_id: InvoiceArgument,
    at: Annotated[str, typer.Option(help="When it was paid; default: now.")] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Record that an invoice was paid outside the provider."""
    with options.open() as database:
        found = database.mark_invoice_paid(invoice_id, paid_at=instant_from(at or None, "at"))
    show_invoice(found, json)


@invoices.command("retry")
def retry(
    invoice_id: InvoiceArgument,
    retry_id: Annotated[
        str, typer.Option("--id", help="Your id of this attempt; the same again is the same attempt.")
    ],
    payment_method: Annotated[
        str,
        typer.Option(
            help="Payment method for this and later payments of its subscriptions; default: the present one."
        ),
    ] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Try to collect an invoice's payment now."""
    with options.open() as database:
        found = database.retry_payment(invoice_id, retry_id=retry_id, payment_method=payment_method)
    show_invoice(found, json)


@invoices.command("close")
def close(
    invoice_id: InvoiceArgument,
    state: Annotated[str, typer.Argument(help="void or uncollectible.")],
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """End an invoice that will not be paid."""
    with options.open() as database:
        found = database.close_invoice(invoice_id, state)
    show_invoice(found, json)


@invoices.command("render")
def render(
    invoice_id: InvoiceArgument,
    file: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="FILE.html or FILE.pdf.")],
    locale: Annotated[
        str, typer.Option(help="Language and country, like en or de_CH; words in en, de, fr and es.")
    ] = "en",
    *,
    options: DatabaseOptions,
) -> None:
    """Write an invoice as the page that the customer gets."""
    form = FORMATS.get(file.suffix.lower())
    if form is None:
        raise InvalidRequestError(f"output: {file.name!r} is neither FILE.html nor FILE.pdf", field="output")
    with options.open() as database:
        page = database.render_invoice(invoice_id, form, locale=locale)
    with writing(file):
        file.write_bytes(page)
    console.print(f"written to {file}", markup=False)


def register(app: typer.Typer) -> None:
    """Add ``invoice``."""
    invoices.command("credit-note")(invoice_credit_commands.credit_note)
    app.add_typer(invoices, name="invoice")
