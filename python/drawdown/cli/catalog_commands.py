"""``drawdown credit-type``, ``meter`` and ``rate``: what is counted and what it costs."""

from __future__ import annotations

from typing import Annotated

import typer

from drawdown.cli import rate_import_command
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.options import DatabaseOptions, JsonOption, instant_from, pairs_from
from drawdown.cli.output import print_json, print_result, print_table

credit_types = CommandGroup(help="Units of value.")
meters = CommandGroup(help="What is counted.")
rates = CommandGroup(help="What a meter costs.")


@credit_types.command("create")
def create_credit_type(
    name: Annotated[str, typer.Argument(help="For example credits, usd, gpu_minutes.")],
    scale: Annotated[int, typer.Option(help="Decimals of its amounts, 0-12; cannot be changed later.")] = 9,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Declare a unit of value."""
    with options.open(create=True) as database:
        print_result(
            database.create_credit_type(name, scale=scale), f"credit type {name} with {scale} decimals", json
        )


@credit_types.command("list")
def list_credit_types(
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List the units of value."""
    with options.open() as database:
        found = database.catalog().credit_types
    if json:
        print_json(found)
    else:
        print_table("Credit types", ["name", "scale"], [(each.name, each.scale) for each in found])


@meters.command("create")
def create_meter(
    key: Annotated[str, typer.Argument(help="For example input_tokens.")],
    unit: Annotated[str, typer.Option(help="For display, for example tokens.")] = "",
    quantity_scale: Annotated[int, typer.Option(help="Quantities are in 10^-scale of the unit, 0-12.")] = 0,
    aggregation: Annotated[str, typer.Option(help="sum, count, max, last or unique.")] = "sum",
    dimension: Annotated[
        list[str] | None, typer.Option(help="A dimension that may matter for the price; repeatable.")
    ] = None,
    unique_of: Annotated[str | None, typer.Option(help="For unique: the dimension that is counted.")] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Declare what is counted."""
    with options.open(create=True) as database:
        result = database.create_meter(
            key,
            unit=unit,
            quantity_scale=quantity_scale,
            aggregation=aggregation,
            dimensions=dimension or [],
            unique_of=unique_of,
        )
        print_result(result, f"meter {key}", json)


@meters.command("list")
def list_meters(
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List what is counted."""
    with options.open() as database:
        found = database.catalog().meters
    if json:
        print_json(found)
        return
    print_table(
        "Meters",
        ["key", "unit", "quantity scale", "aggregation", "dimensions"],
        [(each.key, each.unit, each.quantity_scale, each.aggregation, each.dimensions) for each in found],
    )


@rates.command("set")
def set_rate(
    meter: Annotated[str, typer.Argument(help="The meter that is priced.")],
    credits: Annotated[str, typer.Argument(help="Credits per --per units, a decimal.")],
    per: Annotated[str, typer.Option(help="Units that the price is for.")] = "1",
    credit_type: Annotated[str, typer.Option(help="What it is paid with.")] = "credits",
    table: Annotated[str, typer.Option(help="Rate table.")] = "default",
    match: Annotated[
        list[str] | None, typer.Option(help="DIMENSION=VALUE that this price is for; repeatable.")
    ] = None,
    package: Annotated[bool, typer.Option(help="Charge every started --per units.")] = False,
    valid_from: Annotated[str | None, typer.Option(help="From this instant of event time on.")] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Price a meter."""
    with options.open(create=True) as database:
        result = database.set_rate(
            meter=meter,
            credits=credits,
            per=per,
            credit_type=credit_type,
            table=table,
            match=pairs_from(match, "match"),
            package=package,
            valid_from=instant_from(valid_from, "valid_from"),
        )
        print_result(result, f"{meter} costs {credits} {credit_type} per {per} in rate table {table}", json)


@rates.command("list")
def list_rates(
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List the rate tables."""
    with options.open() as database:
        tables = database.catalog().rate_tables
    if json:
        print_json(tables)
        return
    rows = [
        (
            each.name,
            rate.meter,
            ", ".join(f"{key}={value}" for key, value in sorted(rate.match.items())) or "any",
            rate.credits if rate.credits is not None else f"{len(rate.tiers)} tiers",
            rate.per,
            rate.credit_type,
            rate.valid_from,
        )
        for each in tables
        for rate in each.rates
    ]
    print_table("Rates", ["table", "meter", "match", "credits", "per", "credit type", "valid from"], rows)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(credit_types, name="credit-type")
    app.add_typer(meters, name="meter")
    rate_import_command.register(rates)
    app.add_typer(rates, name="rate")
