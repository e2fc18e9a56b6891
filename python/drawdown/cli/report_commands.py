"""``drawdown report``: what was sold and used, what became of credits, how long they last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer

from drawdown.billing.report import CreditReport, CreditSums, PackSales, RechargeSales, SalesReport
from drawdown.billing.usage_report import Runway, RunwayReport, TopAccount, TopAccounts, UsageSums
from drawdown.cli.chart import Bar, Panel
from drawdown.cli.command_group import CommandGroup
from drawdown.cli.options import DatabaseOptions, JsonOption, instant_from
from drawdown.cli.report_output import CsvOption, FileOption, Part, ReportText, check_file, show
from drawdown.client.interface import Database

reports = CommandGroup(help="What was sold and used, what became of credits, how long they last.")

SinceOption = Annotated[str, typer.Option(help="From this instant on.")]
UntilOption = Annotated[str, typer.Option(help="Before this instant.")]
PrefixOption = Annotated[str, typer.Option(help="Only accounts whose id starts with this.")]
BARS_MAX = 60


@reports.command("packs")
def packs(
    since: SinceOption = "",
    until: UntilOption = "",
    account: Annotated[str, typer.Option(help="Only of this account.")] = "",
    file: FileOption = None,
    as_csv: CsvOption = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Packs sold by type and their revenue; recharges, their money and failures."""
    check_file(file)
    with options.open() as database:
        found = database.report_sales(
            since=instant_from(since or None, "since"),
            until=instant_from(until or None, "until"),
            account=account,
        )
    parts = (Part("Packs", PackSales, found.packs), Part("Recharges", RechargeSales, found.recharges))
    report = ReportText("Packs and recharges", found, parts, lambda: _sales_panels(found))
    show(report, file=file, as_csv=as_csv, as_json=json)


def _sales_panels(found: SalesReport) -> list[Panel]:
    revenue: defaultdict[str, list[Bar]] = defaultdict(list)
    for pack in found.packs:
        figure = f"{pack.revenue} · {pack.packs} sold"
        revenue[f"Revenue of packs, {pack.revenue.currency}"].append(
            Bar(pack.pack_id, (("", pack.revenue.decimal()),), figure)
        )
    for each in found.recharges:
        figure = f"{each.money} · {each.recharges} paid, {each.failures} failed"
        revenue[f"Automatic recharges, {each.money.currency}"].append(
            Bar(each.credit_type, (("", each.money.decimal()),), figure)
        )
    return [Panel(title, tuple(bars)) for title, bars in revenue.items()]


@reports.command("credits")
def credits(
    since: SinceOption = "",
    until: UntilOption = "",
    prefix: PrefixOption = "",
    file: FileOption = None,
    as_csv: CsvOption = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Credits granted, burned, expired and voided, and outstanding at the end; revenue likewise."""
    check_file(file)
    with options.open() as database:
        found = database.report_credits(
            since=instant_from(since or None, "since"),
            until=instant_from(until or None, "until"),
            account_prefix=prefix,
        )
    report = ReportText("Credits", found, _credit_parts(found), lambda: _credit_panels(found))
    show(report, file=file, as_csv=as_csv, as_json=json)


def _credit_parts(found: CreditReport) -> tuple[Part, ...]:
    """Credits and their money apart: seventeen columns are for files."""
    ends = ("expired", "voided", "moved")
    money_ends = ("breakage", "forfeited", "carried")
    of = ("credit_type", "source")
    credits = (*of, "grants", "opening", "granted", "burned", *ends, "outstanding")
    money = (*of, "opening_deferred", "cost", "recognised", *money_ends, "deferred")
    paid = [row for row in found.rows if row.cost is not None]
    return (
        Part("Credits", CreditSums, found.rows, credits, ("opening", *ends)),
        *((Part("Their money", CreditSums, paid, money, ("opening_deferred", *money_ends)),) if paid else ()),
    )


def _credit_panels(found: CreditReport) -> list[Panel]:
    """What was granted, cut into what became of it; the money that was paid for it likewise."""
    credits: defaultdict[str, list[Bar]] = defaultdict(list)
    money: defaultdict[str, list[Bar]] = defaultdict(list)
    for row in found.rows:
        # A correction can make a period's sum negative; a bar cannot be.
        parts = tuple(
            (name, max(getattr(row, name), Decimal(0)))
            for name in ("burned", "expired", "voided", "moved", "outstanding")
        )
        currency = "" if row.cost is None else f", paid in {row.cost.currency}"
        credits[f"Credits: {row.credit_type}"].append(Bar(row.source + currency, parts))
        if row.cost is not None:
            shares = tuple(
                (name, Decimal(0) if share is None else max(share.decimal(), Decimal(0)))
                for name in ("recognised", "breakage", "forfeited", "carried", "deferred")
                for share in (getattr(row, name),)
            )
            money[f"Money: {row.cost.currency}"].append(
                Bar(f"{row.source}, {row.credit_type}", shares, str(row.cost))
            )
    return [Panel(title, tuple(bars)) for title, bars in (*credits.items(), *money.items())]


@reports.command("usage")
def usage(
    since: SinceOption = "",
    until: UntilOption = "",
    prefix: PrefixOption = "",
    file: FileOption = None,
    as_csv: CsvOption = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Events, quantity and credits charged, by account, meter and day (UTC); 30 days unless told."""
    check_file(file)
    with options.open() as database:
        rows = _usage_rows(database, instant_from(since or None, "since"), until, prefix)
    report = ReportText(
        "Usage by day", {"rows": rows}, (Part("Usage", UsageSums, rows),), lambda: _usage_panels(rows)
    )
    show(report, file=file, as_csv=as_csv, as_json=json)


def _usage_rows(database: Database, since: datetime | None, until: str, prefix: str) -> list[UsageSums]:
    # Every page up to the same instant, so that they fit together.
    last = instant_from(until or None, "until") or datetime.now(UTC)
    rows: list[UsageSums] = []
    after = 0
    while True:
        page = database.report_usage(since=since, until=last, account_prefix=prefix, after=after)
        rows += page.rows
        after = page.next
        if not after:
            return rows


def _usage_panels(rows: Sequence[UsageSums]) -> list[Panel]:
    """Credits charged per day, of each credit type, cut by meter."""
    by_type: defaultdict[str, defaultdict[str, defaultdict[str, Decimal]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(Decimal))
    )
    for row in rows:
        by_type[row.credit_type][row.day][row.meter or "direct"] += row.charged
    panels = []
    for credit_type, days in sorted(by_type.items()):
        meters = sorted({meter for day in days.values() for meter in day})
        # A correction can make a day's sum negative; a bar cannot be.
        bars = [
            Bar(
                day,
                tuple((meter, max(sums[meter], Decimal(0))) for meter in meters),
                f"{sum(sums.values()):,f}",
            )
            for day, sums in sorted(days.items())
        ]
        panels.append(Panel(f"Charged per day: {credit_type}", tuple(bars[-BARS_MAX:])))
    return panels


@reports.command("top")
def top(
    since: SinceOption = "",
    until: UntilOption = "",
    prefix: PrefixOption = "",
    limit: Annotated[int, typer.Option(min=1, help="At most this many accounts of each credit type.")] = 20,
    file: FileOption = None,
    as_csv: CsvOption = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List the accounts charged most; by default of the last 30 days."""
    check_file(file)
    with options.open() as database:
        found = database.report_top_accounts(
            since=instant_from(since or None, "since"),
            until=instant_from(until or None, "until"),
            account_prefix=prefix,
            limit=limit,
        )
    report = ReportText(
        "Accounts charged most",
        found,
        (Part("Accounts", TopAccount, found.rows),),
        lambda: _top_panels(found),
    )
    show(report, file=file, as_csv=as_csv, as_json=json)


def _top_panels(found: TopAccounts) -> list[Panel]:
    return _panels_by_type(
        "Charged", ((r.credit_type, Bar(r.account, (("", r.charged),))) for r in found.rows)
    )


@reports.command("runway")
def runway(
    days: Annotated[int, typer.Option(min=1, max=366, help="Days to look back on.")] = 7,
    prefix: PrefixOption = "",
    limit: Annotated[int, typer.Option(min=1, help="At most this many balances.")] = 100,
    file: FileOption = None,
    as_csv: CsvOption = False,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """List how many days balances last at the present rate, the shortest first."""
    check_file(file)
    with options.open() as database:
        found = database.report_runway(days=days, account_prefix=prefix, limit=limit)
    report = ReportText("Runway", found, (Part("Runway", Runway, found.rows),), lambda: _runway_panels(found))
    show(report, file=file, as_csv=as_csv, as_json=json)


def _runway_panels(found: RunwayReport) -> list[Panel]:
    bars = ((r.credit_type, Bar(r.account, (("", r.days),), f"{r.days:,f} days")) for r in found.rows)
    return _panels_by_type("Days left", bars)


def _panels_by_type(what: str, bars: Iterable[tuple[str, Bar]]) -> list[Panel]:
    by_type: dict[str, list[Any]] = {}
    for credit_type, bar in bars:
        by_type.setdefault(credit_type, []).append(bar)
    return [Panel(f"{what}: {name}", tuple(some[:BARS_MAX])) for name, some in by_type.items()]


def register(app: typer.Typer) -> None:
    """Add ``report``."""
    app.add_typer(reports, name="report")
