"""``drawdown rate import``: a price list becomes dimension-matched rates, in one atomic step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from drawdown.catalog.plan import MeterRate
from drawdown.cli.options import DatabaseOptions, JsonOption, instant_from, pairs_from
from drawdown.cli.output import console, print_json
from drawdown.cli.price_list import PriceList, read_price_list, shortest
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError, PreconditionError
from drawdown.model import Catalog, CommandResult, InstantLike, commands, decimal_text

DEFAULT_COLUMNS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "input_cached": "cached_input_tokens",
}
SCALE = 9
UNIT = "token"


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, or with ``dry_run`` would do."""

    table: str
    """Empty: they went into a rate card."""
    card: str = ""
    credit_type: str
    values: int
    """Entries of the file, repeated ones once."""
    rates: int
    new_rates: int
    """Set by this run; the others held already."""
    meters_created: tuple[str, ...]
    repeated: tuple[str, ...]
    """Ids that stood more than once with the same prices."""
    warnings: tuple[str, ...]
    dry_run: bool


def import_prices(
    database: Database,
    prices: PriceList,
    *,
    table: str,
    credit_type: str,
    dimension: str,
    per: str,
    valid_from: InstantLike | None,
    dry_run: bool,
) -> ImportReport:
    """Set every price as a rate of ``table``; credit type and meters are made where they are missing.

    All in one atomic group. The same again changes nothing. Raises ``InvalidRequestError`` for a
    meter that exists without the dimension, ``PreconditionError`` where a rule refuses a command.
    """
    lacking = _lacking(database.catalog(), prices, credit_type, dimension)
    group: list[commands.Command] = [
        commands.CreateCreditType(name=name, scale=SCALE) for name in lacking.credit_types
    ]
    group += [commands.CreateMeter(key=meter, unit=UNIT, dimensions=[dimension]) for meter in lacking.meters]
    first_rate = len(group)
    group += [
        commands.set_rate(
            table=table,
            meter=price.meter,
            credit_type=credit_type,
            credits=price.credits,
            per=per,
            match={dimension: price.value},
            valid_from=valid_from,
        )
        for price in prices.prices
    ]
    if dry_run:
        # The engine judges the group, and takes none of it: a grant without an id is refused always.
        _require_taken(group, database.execute([*group, commands.release_grant("", "")]))
        new_rates, warnings = 0, tuple[str, ...]()
    else:
        new_rates, warnings = _set(database, group, first_rate)
    return ImportReport(
        table=table,
        credit_type=credit_type,
        values=len(prices.values),
        rates=len(prices.prices),
        new_rates=new_rates,
        meters_created=lacking.meters,
        repeated=tuple(prices.repeated),
        warnings=tuple(warnings),
        dry_run=dry_run,
    )


class _Lacking(NamedTuple):
    """What prices need and the catalog has not."""

    credit_types: tuple[str, ...]
    meters: tuple[str, ...]


def _lacking(catalog: Catalog, prices: PriceList, credit_type: str, dimension: str) -> _Lacking:
    known = {each.key: each for each in catalog.meters}
    meters = []
    for meter in dict.fromkeys(price.meter for price in prices.prices):
        if meter not in known:
            meters.append(meter)
        elif dimension not in known[meter].dimensions:
            raise InvalidRequestError(
                f"dimension: meter {meter} does not declare {dimension!r}, so it can have no price by it",
                field="dimension",
            )
    is_known = credit_type in {each.name for each in catalog.credit_types}
    return _Lacking(() if is_known else (credit_type,), tuple(meters))


def import_into_card(
    database: Database,
    prices: PriceList,
    *,
    card: str,
    credit_type: str,
    dimension: str,
    per: str,
    dry_run: bool,
) -> ImportReport:
    """The card's newest version has these prices and no others; plans published from now on can name it.

    All in one transaction; the same again changes nothing. Raises as ``import_prices``.
    """
    lacking = _lacking(database.catalog(), prices, credit_type, dimension)
    rates = [
        {"meter": each.meter, "credits": each.credits, "per": per, "match": {dimension: each.value}}
        for each in prices.prices
    ]
    versions = [each for each in database.rate_cards() if each.card_id == card]
    held = set() if not versions else {_facts(rate) for rate in versions[-1].rates}
    wanted = {_facts(rate) for rate in msgspec.convert(rates, list[MeterRate], strict=False)}
    content = {
        "credit_types": [{"name": name, "scale": SCALE} for name in lacking.credit_types],
        "meters": [{"key": key, "unit": UNIT, "dimensions": [dimension]} for key in lacking.meters],
        "rate_cards": [{"card_id": card, "credit_type": credit_type, "rates": rates}],
    }
    database.load_catalog(content, dry_run=dry_run)
    return ImportReport(
        table="",
        card=card,
        credit_type=credit_type,
        values=len(prices.values),
        rates=len(rates),
        new_rates=len(wanted - held),
        meters_created=lacking.meters,
        repeated=tuple(prices.repeated),
        warnings=(),
        dry_run=dry_run,
    )


def _facts(rate: MeterRate) -> tuple[Any, ...]:
    return rate.meter, rate.credits, rate.per, tuple(sorted(rate.match.items()))


def _set(database: Database, group: list[commands.Command], first_rate: int) -> tuple[int, tuple[str, ...]]:
    results = database.execute(group)
    _require_taken(group, results)
    rates = results[first_rate:]
    texts = [each.facts.get("warning") for each in rates]
    return sum(each.status == "OK" for each in rates), tuple(str(text) for text in texts if text)


def _require_taken(group: Sequence[commands.Command], results: Sequence[CommandResult]) -> None:
    for command, result in zip(group, results, strict=False):
        if not result.applied and result.status != "NOT_APPLIED":
            raise PreconditionError(
                f"nothing was imported: {command} was refused: {result.status} {result.reason}".strip(),
                reason=result.status,
            )


def columns_from(texts: list[str] | None) -> Mapping[str, str]:
    """``COLUMN=METER`` as typed, the columns of LLM price lists where none is given."""
    return pairs_from(texts, "column") or DEFAULT_COLUMNS


def import_command(
    file: Annotated[Path, typer.Argument(help='JSON: {"prices": [{"id": …, "input": …, "output": …}]}.')],
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=METER",
            help="A price column and its meter; repeatable. Default: input, output and input_cached tokens.",
        ),
    ] = None,
    key: Annotated[str, typer.Option(help="Column of the dimension's value.")] = "id",
    dimension: Annotated[str, typer.Option(help="Dimension that the prices are matched by.")] = "model",
    per: Annotated[str, typer.Option(help="Units that each price is for.")] = "1000000",
    credit_type: Annotated[
        str, typer.Option(help="What is paid with, one credit per unit of money.")
    ] = "usd",
    table: Annotated[str, typer.Option(help="Rate table.")] = "default",
    card: Annotated[
        str, typer.Option(help="Instead of a rate table: a rate card, which plans can name.")
    ] = "",
    valid_from: Annotated[str | None, typer.Option(help="From this instant of event time on.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report, change nothing.")] = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Import a price list: per model a rate for each metered column, all in one step.

    An id that occurs twice with the same prices is reported and used once; with different prices
    nothing is imported. The same file again changes nothing.
    """
    prices = read_price_list(file, columns_from(column), key)
    if card and (valid_from is not None or table != "default"):
        raise InvalidRequestError(
            "card: has versions, which plans pin, instead of --valid-from and --table", field="card"
        )
    with options.open_to(dry_run=dry_run) as database:
        shared: dict[str, Any] = {
            "credit_type": credit_type,
            "dimension": dimension,
            "per": shortest(decimal_text(per, "per")),
            "dry_run": dry_run,
        }
        if card:
            report = import_into_card(database, prices, card=card, **shared)
        else:
            instant = instant_from(valid_from, "valid_from")
            report = import_prices(database, prices, table=table, valid_from=instant, **shared)
    if json:
        print_json(report)
        return
    done = "would set" if dry_run else f"{report.new_rates} new among"
    where = f"rate card {card}" if card else f"rate table {table}"
    console.print(f"{done} {report.rates} rates of {report.values} models in {where}", markup=False)
    for each in report.repeated:
        console.print(f"{each} occurs twice with the same prices: used once", markup=False)
    for each in report.warnings:
        console.print(f"warning: {each}", markup=False)


def register(rates: typer.Typer) -> None:
    """Add the command to the group ``rate``."""
    rates.command("import")(import_command)
