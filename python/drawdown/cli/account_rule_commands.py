"""More of ``drawdown account``: its prices, its thresholds, its features and its own clock."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from drawdown.cli import exit_codes
from drawdown.cli.options import AccountArgument, DatabaseOptions, JsonOption, instant_from
from drawdown.cli.output import print_json, print_result, print_table, text_of
from drawdown.errors import InvalidRequestError

SHOWN_MAX = 20


def _instant(text: str, field: str) -> datetime:
    instant = instant_from(text, field)
    assert instant is not None
    return instant


def advance(
    account: AccountArgument,
    to: Annotated[str, typer.Argument(help="Instant; not earlier than the account's clock.")],
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Move the clock of a test-clock account: renewals, expiries and invoices come as in real time."""
    instant = _instant(to, "to")
    with options.open() as database:
        result = database.advance_clock(account, instant)
        print_result(result, f"account {account} is at {text_of(instant)}", json)


def rate_table(
    account: AccountArgument,
    table: Annotated[str, typer.Argument(help="Rate table; see drawdown rate list.")],
    valid_from: Annotated[
        str | None, typer.Option(help="For events dated from this instant on; default now.")
    ] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Give an account the prices of another rate table. Plans do this automatically."""
    with options.open() as database:
        known = [each.name for each in database.catalog().rate_tables]
        if table not in known:
            # The engine would take it, as its rates may come later; whoever types has mistyped.
            there = ", ".join(known[:SHOWN_MAX]) or "none yet"
            raise InvalidRequestError(
                f"table: {table!r} is not a rate table; there are {there}", field="table"
            )
        result = database.assign_rate_table(account, table, valid_from=instant_from(valid_from, "valid_from"))
        print_result(result, f"account {account} is priced by {table}", json)


def thresholds(
    account: AccountArgument,
    threshold: Annotated[
        list[str] | None,
        typer.Argument(help="Credits, or a share like 20% of what was granted; none: no notices."),
    ] = None,
    credit_type: Annotated[str, typer.Option(help="Of which balance.")] = "credits",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Set the balances at which the notice balance.low is sent; replaces earlier ones."""
    given = threshold or []
    with options.open() as database:
        result = database.set_thresholds(account, credit_type, given)
        print_result(result, f"balance.low of {account} at {', '.join(given) or 'nothing'}", json)


def period_edge(
    account: AccountArgument,
    at: Annotated[str, typer.Argument(help="Instant in the future.")],
    *,
    withdrawn: Annotated[bool, typer.Option(help="It is not to end then after all.")] = False,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """End the account's usage period at an instant. Subscriptions do this automatically."""
    instant = _instant(at, "at")
    with options.open() as database:
        result = database.set_period_edge(account, instant, withdrawn=withdrawn)
        begins = "no usage period" if withdrawn else "a usage period"
        print_result(result, f"{begins} of {account} begins at {text_of(instant)}", json)


def features(
    account: AccountArgument,
    feature: Annotated[str, typer.Argument(help="One of them: exits with 1 where it is not allowed.")] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """What the account's plans have beside meters, and its values."""
    with options.open() as database:
        found = [database.feature(account, feature)] if feature else list(database.features(account))
    if json:
        print_json(found[0] if feature else found)
    else:
        print_table(
            f"Features of {account}",
            ["feature", "allowed", "value", "reason", "by subscription"],
            [(e.feature, e.allowed, e.value, e.reason, e.subscription_id or None) for e in found],
        )
    if feature and not found[0].allowed:
        raise typer.Exit(exit_codes.REFUSED)


def add_to(accounts: typer.Typer) -> None:
    """Add the commands to the group ``account``."""
    for name, command in (
        ("advance", advance),
        ("rate-table", rate_table),
        ("thresholds", thresholds),
        ("period-edge", period_edge),
        ("features", features),
    ):
        accounts.command(name)(command)
