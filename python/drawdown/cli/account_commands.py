"""``drawdown account``: the holders of balances."""

from __future__ import annotations

from typing import Annotated

import typer

from drawdown.cli import account_rule_commands
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.options import AccountArgument, DatabaseOptions, JsonOption, instant_from
from drawdown.cli.output import print_json, print_result, print_table
from drawdown.model import Account
from drawdown.subscriptions.closing import AccountClosing

accounts = CommandGroup(help="Holders of balances.")


@accounts.command("create")
def create(
    account: AccountArgument,
    customer: Annotated[str | None, typer.Option(help="The customer who buys.")] = None,
    rate_table: Annotated[str | None, typer.Option(help="Its prices; default: the table default.")] = None,
    test_clock: Annotated[
        str | None, typer.Option(help="Give it a clock of its own that starts at this instant.")
    ] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Create an account. Usage never creates one."""
    with options.open(create=True) as database:
        result = database.create_account(
            account,
            customer_id=customer,
            rate_table=rate_table,
            test_clock=instant_from(test_clock, "test_clock"),
        )
        print_result(result, f"account {account}", json)


@accounts.command("list")
def list_accounts(
    prefix: Annotated[str, typer.Option(help="Only ids that start with this.")] = "",
    after: Annotated[str, typer.Option(help="Only ids after this one, for the next page.")] = "",
    limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=10_000)] = 100,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List accounts by id."""
    with options.open() as database:
        found = database.accounts(prefix, after=after, limit=limit)
    if json:
        print_json(found)
    else:
        _print_accounts(found)


@accounts.command("show")
def show(
    account: AccountArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show one account."""
    with options.open() as database:
        found = database.account(account)
    if json:
        print_json(found)
    else:
        _print_accounts([found])


@accounts.command("suspend")
def suspend(
    account: AccountArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Refuse the account's usage until it is resumed."""
    with options.open() as database:
        print_result(database.suspend_account(account), f"account {account} is suspended", json)


@accounts.command("resume")
def resume(
    account: AccountArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Accept the account's usage again."""
    with options.open() as database:
        print_result(database.resume_account(account), f"account {account} is active", json)


@accounts.command("policy")
def policy(
    account: AccountArgument,
    kind: Annotated[str, typer.Argument(help="hard, partial, overdraft or overage.")],
    credit_type: Annotated[str, typer.Option(help="Of which balance.")] = "credits",
    limit: Annotated[str | None, typer.Option(help="overdraft: how far below zero.")] = None,
    price: Annotated[str | None, typer.Option(help="overage: money per credit.")] = None,
    cap: Annotated[str | None, typer.Option(help="overage: credits per billing period.")] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Say what happens when the balance is at zero."""
    with options.open() as database:
        result = database.set_policy(account, credit_type, kind, limit=limit, price=price, cap=cap)
        print_result(result, f"at zero {credit_type} of {account}: {kind}", json)


@accounts.command("close")
def close(
    account: AccountArgument,
    remainder: Annotated[str, typer.Option(help="What is left: forfeit or pay_out.")] = "forfeit",
    reason: Annotated[str, typer.Option(help="For the record.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Confirm: it cannot be undone.")] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """End an account: no further usage, what is left is forfeited or owed to the customer."""
    with options.open() as database:
        _show_closing(database.close_account(account, remainder=remainder, reason=reason, confirm=yes), json)


@accounts.command("closing")
def closing(
    account: AccountArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show how an account was closed and what is owed."""
    with options.open() as database:
        _show_closing(database.account_closing(account), json)


def _show_closing(found: AccountClosing, json: bool) -> None:
    if json:
        print_json(found)
        return
    owed = ", ".join(map(str, found.payouts)) or "nothing"
    print_table(
        f"Account {found.account} is {found.state}; owed to {found.customer_id}: {owed}",
        ["grant", "credit type", "credits", "category", "payout"],
        [
            (each.grant_id, each.credit_type, each.credits, each.category, each.payout and str(each.payout))
            for each in found.lines
        ],
    )


def _print_accounts(found: list[Account]) -> None:
    print_table(
        "Accounts",
        ["account", "customer", "rate table", "suspended", "test clock", "balances in"],
        [
            (
                each.account,
                each.customer or None,
                each.rate_table,
                each.suspended,
                each.test_clock,
                each.credit_types,
            )
            for each in found
        ],
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this file, and those on the account's rules."""
    account_rule_commands.add_to(accounts)
    app.add_typer(accounts, name="account")
