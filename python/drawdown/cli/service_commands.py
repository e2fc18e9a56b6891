"""More of ``drawdown subscription``: packs delivered with it on a schedule."""

from __future__ import annotations

from typing import Annotated

import typer

from drawdown.cli.options import DatabaseOptions, JsonOption, instant_from
from drawdown.cli.subscription_table import IdArgument, show_subscription


def add_service(
    subscription_id: IdArgument,
    pack: Annotated[str, typer.Argument(help="Pack id.")],
    service_id: Annotated[str, typer.Option("--id", help="Your id of the service.")],
    schedule: Annotated[str, typer.Option(help="one_off, weekly or monthly.")] = "one_off",
    starts: Annotated[str | None, typer.Option("--from", help="First delivery; default now.")] = None,
    ends: Annotated[str | None, typer.Option("--to", help="No delivery at or after it.")] = None,
    quantity: Annotated[int, typer.Option(help="Packs per delivery.")] = 1,
    bill_later: Annotated[
        bool, typer.Option("--bill-later", help="Charge on the invoice after the delivery.")
    ] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Deliver a pack on a schedule."""
    with options.open() as database:
        found = database.add_service(
            subscription_id,
            pack,
            service_id=service_id,
            schedule=schedule,
            starts_at=instant_from(starts, "from"),
            ends_at=instant_from(ends, "to"),
            quantity=quantity,
            bill_later=bill_later,
        )
        show_subscription(found, json)


def terminate_service(
    subscription_id: IdArgument,
    service_id: Annotated[str, typer.Argument(help="Service id.")],
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Stop a service's deliveries, even if the subscription renews."""
    with options.open() as database:
        show_subscription(database.terminate_service(subscription_id, service_id), json)


def adjust_delivery(
    subscription_id: IdArgument,
    service_id: Annotated[str, typer.Argument(help="Service id.")],
    number: Annotated[int, typer.Argument(min=0, help="Number of the delivery; the first is 0.")],
    credits: Annotated[str, typer.Argument(help="Credits instead of the pack's, a decimal; 0: none.")],
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Set the credits of one delivery by hand, made already or still to come."""
    with options.open() as database:
        show_subscription(database.adjust_delivery(subscription_id, service_id, number, credits), json)


def add_to(subscriptions: typer.Typer) -> None:
    """Add the commands to the group ``subscription``."""
    for name, command in (
        ("add-service", add_service),
        ("terminate-service", terminate_service),
        ("adjust-delivery", adjust_delivery),
    ):
        subscriptions.command(name)(command)
