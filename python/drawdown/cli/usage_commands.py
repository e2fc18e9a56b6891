"""``drawdown record`` and ``check``: one use, and whether one would be allowed."""

from __future__ import annotations

from typing import Annotated

import typer

from drawdown.cli import exit_codes
from drawdown.cli.options import (
    ApiKeyOption,
    DataOption,
    JsonOption,
    TargetOption,
    instant_from,
    open_database,
    pairs_from,
)
from drawdown.cli.output import console, print_json, text_of

AccountArgument = Annotated[str, typer.Argument(help="Account id.")]
MeterArgument = Annotated[str, typer.Argument(help="Meter.")]
DimensionOption = Annotated[list[str] | None, typer.Option(help="KEY=VALUE; repeatable.")]


def record(
    account: AccountArgument,
    meter: MeterArgument,
    quantity: Annotated[int, typer.Argument(help="In 10^-quantity_scale of the meter's unit.")] = 1,
    event_id: Annotated[
        str | None, typer.Option("--id", help="Your id of the event; the same again changes nothing.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="When it happened; default now.")] = None,
    dimension: DimensionOption = None,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Debit one use. Exits with 1 when a rule refuses it."""
    with open_database(data, target, api_key, create=False) as database:
        result = database.record(
            account,
            meter,
            quantity=quantity,
            event_id=event_id,
            time=instant_from(time, "time"),
            dimensions=pairs_from(dimension, "dimension"),
        )
    if json:
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
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """May the account use this now? Exits with 0 if so, with 1 if not."""
    with open_database(data, target, api_key, create=False) as database:
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


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (record, check):
        app.command()(command)
