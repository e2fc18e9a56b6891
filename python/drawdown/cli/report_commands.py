"""``drawdown report``: sums over purchases and grants, as table, CSV or JSON."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from drawdown.cli.options import (
    ApiKeyOption,
    DataOption,
    JsonOption,
    TargetOption,
    instant_from,
    open_database,
)
from drawdown.cli.output import print_json, print_table

reports = typer.Typer(help="What was sold, and what became of credits.", no_args_is_help=True)

CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


@reports.command("packs")
def packs(
    since: Annotated[str, typer.Option(help="From this instant on.")] = "",
    until: Annotated[str, typer.Option(help="Before this instant.")] = "",
    account: Annotated[str, typer.Option(help="Only of this account.")] = "",
    as_csv: CsvOption = False,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Packs sold by type and their revenue; recharges, their money and failures."""
    with open_database(data, target, api_key, create=False) as database:
        found = database.report_sales(
            since=instant_from(since or None, "since"),
            until=instant_from(until or None, "until"),
            account=account,
        )
    if json:
        print_json(found)
        return
    _show("Packs", found.packs, as_csv)
    if not as_csv:
        _show("Recharges", found.recharges, as_csv)


@reports.command("credits")
def credits(
    prefix: Annotated[str, typer.Option(help="Only accounts that begin so.")] = "",
    as_csv: CsvOption = False,
    data: DataOption = None,
    target: TargetOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Credits granted, burned, expired, voided and outstanding; revenue recognised and deferred."""
    with open_database(data, target, api_key, create=False) as database:
        found = database.report_credits(account_prefix=prefix)
    if json:
        print_json(found)
        return
    _show("Credits", found.rows, as_csv)


def _show(title: str, rows: Sequence[msgspec.Struct], as_csv: bool) -> None:
    names = [field.name for field in msgspec.structs.fields(rows[0])] if rows else []
    cells: list[list[Any]] = [[getattr(row, name) for name in names] for row in rows]
    if not as_csv:
        print_table(title, names, cells)
        return
    writer = csv.writer(sys.stdout)
    writer.writerow(names)
    writer.writerows([["" if cell is None else str(cell) for cell in row] for row in cells])


def register(app: typer.Typer) -> None:
    """Add ``report``."""
    app.add_typer(reports, name="report")
