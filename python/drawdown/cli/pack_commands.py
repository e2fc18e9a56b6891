"""``drawdown pack``: fixed numbers of credits at fixed prices."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drawdown.catalog.pricing import Price
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.options import DatabaseOptions, JsonOption, pairs_from
from drawdown.cli.output import print_json, print_table, print_value
from drawdown.errors import InvalidRequestError

packs = CommandGroup(help="Packs of credits.")


@packs.command("create")
def create_pack(
    pack_id: Annotated[str, typer.Argument(help="Pack id.")],
    amount: Annotated[str, typer.Argument(help="Credits in it.")],
    name: Annotated[str, typer.Option(help="Name; default: the id.")] = "",
    credit_type: Annotated[str, typer.Option(help="Credit type.")] = "credits",
    price: Annotated[
        list[str] | None,
        typer.Option(help="CURRENCY=AMOUNT or CURRENCY/COUNTRY=AMOUNT; repeatable."),
    ] = None,
    lifetime: Annotated[
        str, typer.Option(help="How long its credits last, like '12 month'; default: without end.")
    ] = "",
    priority: Annotated[int, typer.Option(min=1, max=100, help="1 burns first, 100 last.")] = 50,
    category: Annotated[str, typer.Option(help="paid or promotional.")] = "paid",
    description: Annotated[str, typer.Option(help="For display.")] = "",
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Put a pack up for sale."""
    settings: dict[str, Any] = {"priority": priority, "category": category, "description": description}
    settings["prices"] = [_price(where, figure) for where, figure in pairs_from(price, "price").items()]
    if lifetime:
        settings["lifetime"] = _lifetime(lifetime)
    with options.open() as database:
        made = database.create_pack(
            pack_id, name=name or pack_id, credit_type=credit_type, amount=amount, **settings
        )
    print_value(made, f"pack {made.pack_id}: {made.amount:,f} {made.credit_type}", json)


@packs.command("list")
def list_packs(
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List the packs."""
    with options.open() as database:
        found = database.packs()
    if json:
        print_json(found)
        return
    rows = [
        (
            each.pack_id,
            each.name,
            each.amount,
            each.credit_type,
            None if each.lifetime is None else f"{each.lifetime.count} {each.lifetime.unit}",
            ", ".join(_price_shown(price) for price in each.prices),
            each.state,
        )
        for each in found
    ]
    print_table("Packs", ["pack", "name", "credits", "type", "lasts", "prices", "state"], rows)


def _price(where: str, figure: str) -> dict[str, str]:
    currency, _, country = where.partition("/")
    return {"currency": currency, "country": country, "amount": figure}


def _price_shown(price: Price) -> str:
    country = f" in {price.country}" if price.country else ""
    return f"{price.amount:f} {price.currency}{country}"


def _lifetime(text: str) -> dict[str, Any]:
    count, _, unit = text.strip().partition(" ")
    if not count.isascii() or not count.isdigit() or not unit:
        raise InvalidRequestError(f"lifetime: {text!r} is not like '12 month'", field="lifetime")
    return {"count": int(count), "unit": unit.strip().removesuffix("s")}


def register(app: typer.Typer) -> None:
    """Add ``pack``."""
    app.add_typer(packs, name="pack")
