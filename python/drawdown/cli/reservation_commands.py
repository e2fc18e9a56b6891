"""``drawdown reservation``: credits set aside for work in progress."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drawdown.cli import exit_codes
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.options import AccountArgument, DatabaseOptions, JsonOption, pairs_from
from drawdown.cli.output import console, print_json, print_table, text_of
from drawdown.model import ReleaseResult, ReservationResult, SettleResult

reservations = CommandGroup(help="Credits set aside for work in progress.")

ReservationArgument = Annotated[str, typer.Argument(help="Reservation id.")]
CreditsOption = Annotated[str | None, typer.Option(help="Credits, a decimal.")]
QuantityOption = Annotated[
    int | None, typer.Option(help="Quantity of the meter, in 10^-quantity_scale of its unit.")
]


@reservations.command("create")
def create(
    account: AccountArgument,
    reservation_id: Annotated[
        str, typer.Option("--id", help="Your id of it; the same again changes nothing.")
    ],
    meter: Annotated[str | None, typer.Option(help="What is going to be used.")] = None,
    quantity: QuantityOption = None,
    credit_type: Annotated[str | None, typer.Option(help="Of this balance, without a meter.")] = None,
    credits: CreditsOption = None,
    ttl: Annotated[int, typer.Option(min=1, max=86_400, help="Seconds until it lapses by itself.")] = 60,
    dimension: Annotated[list[str] | None, typer.Option(help="KEY=VALUE; repeatable.")] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Set credits aside. Exits with 1 when a rule refuses it."""
    with options.open() as database:
        result = database.reserve(
            account,
            meter,
            quantity=quantity,
            credit_type=credit_type,
            credits=credits,
            reservation_id=reservation_id,
            dimensions=pairs_from(dimension, "dimension"),
            ttl=ttl,
        ).result
    until = "" if result.expires_at is None else f", until {text_of(result.expires_at)}"
    _show(result, f"held {text_of(result.held + result.headroom)}{until}", json)


@reservations.command("settle")
def settle(
    account: AccountArgument,
    reservation_id: ReservationArgument,
    quantity: QuantityOption = None,
    credits: CreditsOption = None,
    refuse_extra: Annotated[
        bool, typer.Option("--refuse-extra", help="Refuse more than was held; it stays open then.")
    ] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """End a reservation with what was used."""
    with options.open() as database:
        result = database.settle(
            account, reservation_id, quantity=quantity, credits=credits, refuse_extra=refuse_extra
        )
    _show(result, f"charged {text_of(result.charged)}, returned {text_of(result.returned)}", json)


@reservations.command("release")
def release(
    account: AccountArgument,
    reservation_id: ReservationArgument,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """End a reservation with nothing used."""
    with options.open() as database:
        result = database.release(account, reservation_id)
    _show(result, f"returned {text_of(result.returned)}", json)


@reservations.command("list")
def list_reservations(
    account: Annotated[str | None, typer.Argument(help="Account id; none: of all accounts.")] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List reservations that are neither settled, released nor lapsed."""
    with options.open() as database:
        found = database.reservations(account)
    if json:
        print_json(found)
        return
    rows: list[tuple[Any, ...]] = [
        (
            each.account,
            each.reservation_id,
            each.meter or each.credit_type,
            each.quantity,
            each.held,
            each.headroom,
            each.expires_at,
        )
        for each in found
    ]
    print_table(
        "Open reservations",
        ["account", "reservation", "of", "quantity", "held", "headroom", "lapses"],
        rows,
        if_any=("headroom",),
    )


def _show(result: ReservationResult | SettleResult | ReleaseResult, done: str, as_json: bool) -> None:
    if as_json:
        print_json(result)
    elif result.applied:
        console.print(f"{result.status}: {done}, available {text_of(result.available)}", markup=False)
    else:
        typer.echo(f"refused: {result.status}{f': {result.reason}' if result.reason else ''}", err=True)
    if not result.applied:
        raise typer.Exit(exit_codes.REFUSED)


def register(app: typer.Typer) -> None:
    """Add ``reservation``."""
    app.add_typer(reservations, name="reservation")
