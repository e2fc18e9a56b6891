"""``drawdown grant``, ``grants``, ``void`` and ``balance``: credits in, and how many are left."""

from __future__ import annotations

from typing import Annotated

import typer

from drawdown.cli.options import AccountArgument, DatabaseOptions, JsonOption, instant_from
from drawdown.cli.output import print_json, print_result, print_table, text_of
from drawdown.errors import InvalidRequestError


def grant(
    account: AccountArgument,
    amount: Annotated[str, typer.Argument(help="Credits, a decimal.")],
    grant_id: Annotated[
        str, typer.Option("--id", help="Your id of the grant; the same again changes nothing.")
    ],
    credit_type: Annotated[str, typer.Option(help="What is granted.")] = "credits",
    name: Annotated[str | None, typer.Option(help="For display; default: the id.")] = None,
    category: Annotated[str, typer.Option(help="paid or promotional.")] = "paid",
    priority: Annotated[int, typer.Option(help="1 burns first, 100 last.")] = 50,
    effective: Annotated[str | None, typer.Option(help="Valid from; default now.")] = None,
    expires: Annotated[str | None, typer.Option(help="Valid until; default: without end.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="A meter it pays for; repeatable; default all.")
    ] = None,
    pending: Annotated[bool, typer.Option(help="Not spendable until released.")] = False,
    source: Annotated[str, typer.Option(help="Where it comes from.")] = "adjustment",
    reason: Annotated[str, typer.Option(help="For display.")] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Give credits to an account. A grant is never changed afterwards, only voided."""
    with options.open(create=True) as database:
        result = database.create_grant(
            account,
            credit_type,
            amount=amount,
            grant_id=grant_id,
            name=name,
            category=category,
            priority=priority,
            effective_at=instant_from(effective, "effective"),
            expires_at=instant_from(expires, "expires"),
            scope=scope or None,
            pending=pending,
            source=source,
            reason=reason,
        )
        print_result(result, f"{amount} {credit_type} to {account} as grant {grant_id}", json)


def void(
    account: AccountArgument,
    grant_id: Annotated[str, typer.Argument(help="The grant to void.")],
    yes: Annotated[bool, typer.Option("--yes", help="Confirm: a void cannot be undone.")] = False,
    reason: Annotated[str, typer.Option(help="For the ledger.")] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Forfeit what is left of a grant, for good."""
    if not yes:
        raise InvalidRequestError(
            "yes: a void cannot be undone and forfeits what is left; confirm with --yes", field="yes"
        )
    with options.open() as database:
        result = database.void_grant(account, grant_id, confirm=True, reason=reason)
        forfeited = result.facts.get("forfeited")
        amount = f", forfeiting {text_of(forfeited)}" if forfeited is not None else ""
        print_result(result, f"grant {grant_id} of {account} is void{amount}", json)


def release(
    account: AccountArgument,
    grant_id: Annotated[str, typer.Argument(help="A pending grant.")],
    effective: Annotated[str | None, typer.Option(help="Valid from; default as created.")] = None,
    expires: Annotated[str | None, typer.Option(help="Valid until; default as created.")] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Make a pending grant spendable."""
    with options.open() as database:
        result = database.release_grant(
            account,
            grant_id,
            effective_at=instant_from(effective, "effective"),
            expires_at=instant_from(expires, "expires"),
        )
        print_result(result, f"grant {grant_id} of {account} is released", json)


def grants(
    account: AccountArgument,
    credit_type: Annotated[str | None, typer.Option(help="Only of this type.")] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List the grants of an account in the order in which they burn; a scope only where one has any."""
    with options.open() as database:
        found = database.grants(account, credit_type)
    if json:
        print_json(found)
        return
    types = {each.credit_type for each in found}
    one_type = f" in {next(iter(types))}" if len(types) == 1 else ""
    print_table(
        f"Grants of {account}{one_type}, first to burn on top",
        [
            "grant",
            "type",
            "state",
            "priority",
            "expires",
            "scope",
            "amount",
            "remaining",
            "held",
            "burned",
            "expired",
            "voided",
            "moved",
        ],
        [
            (
                each.grant_id,
                "" if one_type else each.credit_type,
                each.state,
                each.priority,
                each.expires_at,
                each.scope,
                each.amount,
                each.remaining,
                each.held,
                each.burned,
                each.expired,
                each.voided,
                each.moved,
            )
            for each in found
        ],
        # A table of what never happened leaves no room for what did.
        if_any=("type", "scope", "held", "expired", "voided", "moved"),
    )


def transfer(
    credits: Annotated[str, typer.Argument(help="Credits, a decimal.")],
    from_account: Annotated[str, typer.Option("--from", help="The account that gives.")],
    to_account: Annotated[str, typer.Option("--to", help="Another account of the same customer.")],
    transfer_id: Annotated[str, typer.Option("--id", help="Your id of it; the same again changes nothing.")],
    credit_type: Annotated[str, typer.Option(help="Of which balance.")] = "credits",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Move credits between accounts of one customer, with their validity and what was paid for them."""
    with options.open() as database:
        done = database.transfer(
            transfer_id,
            from_account=from_account,
            to_account=to_account,
            credit_type=credit_type,
            credits=credits,
        )
    if json:
        print_json(done)
        return
    print_table(
        f"Transfer {done.transfer_id} of {done.credits:f} {done.credit_type} is {done.state}",
        ["out of", "into", "credits", "cost", "expires"],
        [
            (
                each.from_grant_id,
                each.to_grant_id,
                each.credits,
                each.cost and str(each.cost),
                each.expires_at,
            )
            for each in done.parts
        ],
    )


def balance(
    account: AccountArgument,
    credit_type: Annotated[str | None, typer.Argument(help="Default: every type the account has.")] = None,
    at: Annotated[str | None, typer.Option(help="As of this instant, from the journal; default now.")] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show what an account can spend now, or could spend at an instant."""
    instant = instant_from(at, "at")
    with options.open() as database:
        if credit_type is None and instant is None:
            found = database.balances(account)
        else:
            types = [credit_type] if credit_type is not None else database.account(account).credit_types
            found = [database.balance(account, each, instant) for each in types]
    if json:
        print_json(found)
        return
    print_table(
        f"Balance of {account}",
        ["type", "available", "remaining", "held", "overdraft", "overage", "at zero"],
        [
            (
                each.credit_type,
                each.available,
                each.remaining,
                each.held,
                each.overdraft,
                each.overage,
                each.policy,
            )
            for each in found
        ],
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (grant, grants, release, void, transfer, balance):
        app.command()(command)
