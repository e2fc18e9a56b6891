"""``drawdown invoice-credit``: money off coming invoices; ``invoice credit-note``: back from past ones."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drawdown.billing.invoice_credit import InvoiceCredit
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.invoice_table import InvoiceArgument, show_invoice
from drawdown.cli.options import AccountArgument, DatabaseOptions, JsonOption, instant_from, money_from_text
from drawdown.cli.output import print_json, print_table

invoice_credits = CommandGroup(help="Money off coming invoices.")

COLUMNS = ("credit", "name", "amount", "applied", "forfeited", "priority", "for", "expires", "reason")


@invoice_credits.command("create")
def create(
    account: AccountArgument,
    amount: Annotated[str, typer.Argument(help="Money like '50 USD'.")],
    credit_id: Annotated[str, typer.Option("--id", help="Your id of it; the same again changes nothing.")],
    name: Annotated[str, typer.Option(help="As printed on the invoice.")],
    priority: Annotated[int, typer.Option(min=1, max=100, help="1 is applied first.")] = 50,
    expires: Annotated[str | None, typer.Option(help="Not applied from then on; default never.")] = None,
    line_class: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="Of lines it pays for: fixed_fees, licences, usage_meters or add_ons; repeatable.",
        ),
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(help="Plan or pack whose lines, or credit type whose overage it pays for; repeatable."),
    ] = None,
    paid: Annotated[str, typer.Option(help="What the customer paid for it, where it was sold.")] = "",
    reason: Annotated[str, typer.Option(help="Shown to the customer.")] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Take money off the account's coming invoices. Without --class and --line: off the whole invoice."""
    money = money_from_text(amount, "amount")
    settings: dict[str, Any] = {"priority": priority, "reason": reason}
    if expires is not None:
        settings["expires_at"] = instant_from(expires, "expires")
    if line_class or line:
        settings["scope"] = {"classes": line_class or [], "lines": line or []}
    if paid:
        settings["paid"] = money_from_text(paid, "paid")
    with options.open() as database:
        made = database.create_invoice_credit(
            account, credit_id, amount=money.decimal(), currency=money.currency, name=name, **settings
        )
    _show(f"Invoice credit of {account}", made, json)


@invoice_credits.command("list")
def list_invoice_credits(
    account: AccountArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """An account's invoice credits, in the order in which they are applied."""
    with options.open() as database:
        found = database.invoice_credits(account)
    if json:
        print_json(found)
    else:
        print_table(
            f"Invoice credits of {account}", COLUMNS, map(_row, found), if_any=("forfeited", "reason")
        )


@invoice_credits.command("void")
def void(
    credit_id: Annotated[str, typer.Argument(help="Invoice credit id.")],
    yes: Annotated[bool, typer.Option("--yes", help="Confirm: it cannot be undone.")] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Forfeit what is left of an invoice credit, for good; what was applied stays."""
    with options.open() as database:
        found = database.void_invoice_credit(credit_id, confirm=yes)
    _show(f"Invoice credit {credit_id} is void", found, json)


def credit_note(
    invoice_id: InvoiceArgument,
    line_id: Annotated[str, typer.Argument(help="Of the line; see drawdown invoice show --json.")],
    amount: Annotated[str, typer.Argument(help="Money like '12.50 USD'.")],
    note_id: Annotated[
        str, typer.Option("--id", help="Your id of the note; the same again changes nothing.")
    ],
    grant_id: Annotated[
        str, typer.Option("--grant", help="A grant of too many credits: what is unspent of it is withdrawn.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Printed on the note.")] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Take back from a line of a final invoice; the money goes to the account's balance."""
    with options.open() as database:
        note = database.create_credit_note(
            note_id,
            invoice_id,
            line_id,
            amount=money_from_text(amount, "amount"),
            grant_id=grant_id,
            reason=reason,
        )
    show_invoice(note, json)


def _show(title: str, found: InvoiceCredit, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_table(title, COLUMNS, [_row(found)], if_any=("applied", "forfeited", "expires", "reason"))


def _row(each: InvoiceCredit) -> tuple[Any, ...]:
    pays_for = (*each.scope.classes, *each.scope.lines)
    return (
        each.credit_id,
        each.name,
        each.amount,
        each.applied,
        each.forfeited,
        each.priority,
        pays_for or "the whole invoice",
        each.expires_at,
        each.reason or None,
    )


def register(app: typer.Typer) -> None:
    """Add ``invoice-credit``."""
    app.add_typer(invoice_credits, name="invoice-credit")
