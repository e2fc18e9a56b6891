"""``drawdown record``, ``debit``, ``check``, ``correct`` and ``event``: one use, before and after it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drawdown.cli import exit_codes
from drawdown.cli.options import AccountArgument, DatabaseOptions, JsonOption, instant_from, pairs_from
from drawdown.cli.output import console, print_json, print_table, text_of
from drawdown.model import UsageResult

MeterArgument = Annotated[str, typer.Argument(help="Meter.")]
EventArgument = Annotated[str, typer.Argument(help="Id of an applied event.")]
DimensionOption = Annotated[list[str] | None, typer.Option(help="KEY=VALUE; repeatable.")]
IdOption = Annotated[
    str | None, typer.Option("--id", help="Your id of the event; the same again changes nothing.")
]
TimeOption = Annotated[str | None, typer.Option(help="When it happened; default now.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="The use has happened: charge all of it, into debt if need be.")
]


def record(
    account: AccountArgument,
    meter: MeterArgument,
    quantity: Annotated[int, typer.Argument(help="In 10^-quantity_scale of the meter's unit.")] = 1,
    event_id: IdOption = None,
    time: TimeOption = None,
    dimension: DimensionOption = None,
    force: ForceOption = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Debit one use. Exits with 1 when a rule refuses it."""
    with options.open() as database:
        result = database.record(
            account,
            meter,
            quantity=quantity,
            event_id=event_id,
            time=instant_from(time, "time"),
            dimensions=pairs_from(dimension, "dimension"),
            force=force,
        )
    _show(result, json)


def debit(
    account: AccountArgument,
    credits: Annotated[str, typer.Argument(help="Credits, a decimal.")],
    credit_type: Annotated[str, typer.Option(help="Of which balance.")] = "credits",
    event_id: IdOption = None,
    time: TimeOption = None,
    force: ForceOption = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Debit credits without a meter: grants of a scope do not pay. Exits with 1 when a rule refuses it."""
    with options.open() as database:
        result = database.record(
            account,
            credit_type=credit_type,
            credits=credits,
            event_id=event_id,
            time=instant_from(time, "time"),
            force=force,
        )
    _show(result, json)


def _show(result: UsageResult, as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        console.print(
            f"{result.status}: charged {text_of(result.charged)}, available {text_of(result.available)}",
            markup=False,
        )
    if not result.applied:
        raise typer.Exit(exit_codes.REFUSED)


def check(
    account: AccountArgument,
    meter: MeterArgument,
    quantity: Annotated[int, typer.Option(help="In 10^-quantity_scale of the meter's unit.")] = 1,
    dimension: DimensionOption = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Say whether the account may use this now. Exits with 0 if so, with 1 if not."""
    with options.open() as database:
        answer = database.check(
            account, meter, quantity=quantity, dimensions=pairs_from(dimension, "dimension")
        )
    if json:
        print_json(answer)
    else:
        verdict = "allowed" if answer.allowed else f"not allowed ({answer.reason})"
        console.print(
            f"{verdict}: available {text_of(answer.available)}, enough for {text_of(answer.units)} units",
            markup=False,
        )
    if not answer.allowed:
        raise typer.Exit(exit_codes.REFUSED)


def correct(
    account: AccountArgument,
    event_id: EventArgument,
    quantity: Annotated[int | None, typer.Option(help="The right quantity.")] = None,
    credits: Annotated[str | None, typer.Option(help="Of a direct debit: the right amount.")] = None,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Cancel the event, for good: it never happened.")
    ] = False,
    correction_id: Annotated[
        str | None, typer.Option("--id", help="Your id of the correction; the same again changes nothing.")
    ] = None,
    regrant: Annotated[
        bool,
        typer.Option("--regrant", help="Credits that would return to an ended grant become a new grant."),
    ] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Correct a past event: only the difference moves. Give one of --quantity, --credits and --cancel."""
    with options.open() as database:
        done = database.correct(
            account,
            event_id,
            quantity=quantity,
            credits=credits,
            cancel=cancel,
            correction_id=correction_id,
            regrant=regrant,
        )
    if json:
        print_json(done)
    elif done.applied:
        console.print(
            f"{done.status}: charged {text_of(done.charged)} in all, difference {text_of(done.difference)}, "
            f"available {text_of(done.available)}",
            markup=False,
        )
    else:
        typer.echo(f"refused: {done.status}{f': {done.reason}' if done.reason else ''}", err=True)
    if not done.applied:
        raise typer.Exit(exit_codes.REFUSED)


def event(
    account: AccountArgument,
    event_id: EventArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show an event as it was recorded, and its corrections; ``explain`` says why it cost that."""
    with options.open() as database:
        found = database.usage_event(account, event_id)
    if json:
        print_json(found)
        return
    rows: list[tuple[Any, ...]] = [
        (each.kind, each.received_at, each.time, each.meter, each.quantity, each.charged, each.draws)
        for each in (found.event, *found.corrections)
    ]
    print_table(
        f"Event {event_id} of {account}",
        ["what", "received", "time", "meter", "quantity", "charged", "paid by"],
        rows,
    )


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (record, debit, check, correct, event):
        app.command()(command)
