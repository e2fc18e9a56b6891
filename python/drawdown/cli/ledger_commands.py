"""``drawdown ledger`` and ``explain``: what happened to an account, and why an event cost what it did."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from drawdown.cli.ledger_export import export
from drawdown.cli.options import AccountArgument, DatabaseOptions, JsonOption
from drawdown.cli.output import console, print_json, print_table, text_of
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError
from drawdown.model import AppliedRate, Explanation, LedgerEntry

ACCOUNTS_PER_PAGE = 1_000


def ledger(
    account: Annotated[str | None, typer.Argument(help="Account id.")] = None,
    credit_type: Annotated[str | None, typer.Option(help="Only entries that change this pool.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only this kind (usage, granted, expired, …); repeatable.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many entries; default 50, to a file all.")
    ] = None,
    oldest_first: Annotated[
        bool, typer.Option("--oldest-first", help="In the order it happened; default newest first.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to FILE.csv, .jsonl or .parquet."),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(help="With --output: every account whose id starts with this, instead of one; '': all."),
    ] = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Show what happened to an account, or write it to a file."""
    if (account is None) == (prefix is None) or (prefix is not None and output is None):
        raise InvalidRequestError(
            "account: name one account, or --prefix together with --output", field="account"
        )
    with options.open() as database:
        _show_indexing(database, json)
        accounts = _accounts(database, prefix) if account is None else iter([account])
        in_order = oldest_first or output is not None
        entries = (
            entry
            for each in accounts
            for entry in database.ledger(
                each,
                credit_type=credit_type,
                kinds=kind or None,
                oldest_first=in_order,
            )
        )
        if output is not None:
            written = _exported(itertools.islice(entries, limit), output, quiet=json)
            if json:
                print_json({"file": str(output), "entries": written})
            else:
                console.print(f"{written:,} entries in {output}", markup=False)
            return
        shown = list(itertools.islice(entries, limit or 50))
    if json:
        print_json(shown)
    else:
        _print_entries(f"Ledger of {account}", shown)


def _accounts(database: Database, prefix: str | None) -> Iterator[str]:
    after = ""
    while True:
        page = database.accounts(prefix or "", after=after, limit=ACCOUNTS_PER_PAGE)
        yield from (each.account for each in page)
        if len(page) < ACCOUNTS_PER_PAGE:
            return
        after = page[-1].account


def _exported(entries: Iterator[LedgerEntry], output: Path, *, quiet: bool) -> int:
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} entries"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("export", total=None)
        return export(entries, output, lambda: progress.advance(task))


def _show_indexing(database: Database, quiet: bool) -> None:
    """Make the journal's missing indexes here, where it can be seen; a server makes its own."""
    from drawdown.embedded import EmbeddedDatabase

    if not isinstance(database, EmbeddedDatabase):
        return
    columns = (TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("indexing the journal", total=1)
        began = time.monotonic()
        for number, step in enumerate(database.engine.index_journal(), start=1):
            rate = number / max(time.monotonic() - began, 1e-3)
            text = f"indexing the journal: {step.indexed_segments} of {step.closed_segments} segments"
            progress.update(
                task,
                description=f"{text}, {rate:.1f}/s",
                total=step.closed_segments,
                completed=step.indexed_segments,
            )


def _facts(entry: LedgerEntry) -> str:
    """The entry's own facts on one line."""
    facts = {name: value for name, value in entry.facts.items() if value not in (None, False, [], {})}
    return ", ".join(f"{name} {text_of(value)}" for name, value in facts.items())


def _about(entry: LedgerEntry) -> str:
    """Everything of an entry that has no column."""
    event = f"event {entry.event_id}" if entry.event_id else ""
    used = "" if entry.meter is None else f"{text_of(entry.quantity)} {entry.meter}"
    drawn = ", ".join(f"{grant_id} {text_of(amount)}" for grant_id, amount in entry.draws)
    parts = (event, used, f"from {drawn}" if drawn else "", _facts(entry))
    return "; ".join(part for part in parts if part)


def _print_entries(title: str, entries: list[LedgerEntry]) -> None:
    shown = Table(title=escape(title), title_justify="left", header_style="bold")
    for name in ("seq", "received (UTC)", "kind", "charged"):
        shown.add_column(name, justify="right" if name in ("seq", "charged") else "left", no_wrap=True)
    shown.add_column("about", overflow="fold")
    for each in entries:
        received = each.received_at.strftime("%Y-%m-%d %H:%M:%S")
        charged = "" if each.charged is None else text_of(each.charged)
        shown.add_row(str(each.seq), received, each.kind, charged, escape(_about(each)))
    console.print(shown)


def explain(
    account: AccountArgument,
    event_id: Annotated[str, typer.Argument(help="Id of an applied event.")],
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Say why an event cost what it did: rate, grants drawn, balance before and after, what followed."""
    with options.open() as database:
        _show_indexing(database, json)
        told = database.explain(account, event_id)
    if json:
        print_json(told)
    else:
        _print_explanation(told)


def _print_explanation(told: Explanation) -> None:
    event = told.event
    facts = [
        ("received", event.received_at),
        ("time", event.time),
        ("meter", event.meter or "none: a direct debit"),
        ("quantity", event.quantity),
        ("rate", _rate(told.rate)),
        ("units of the period before it", told.units_before),
        ("charged", event.charged),
        ("facts", _facts(event)),
        (f"available {event.credit_type} before", told.balance_before.available),
        ("available after", told.balance_after.available),
        ("journal position", event.seq),
    ]
    shown = [(name, value) for name, value in facts if value not in (None, "")]
    print_table(f"Event {event.event_id} of {event.account}", ["what", "is"], shown)
    if told.draws:
        print_table(
            "Paid by",
            ["grant", "name", "paid", "remaining before", "remaining after"],
            [(d.grant_id, d.name, d.amount, d.remaining_before, d.remaining_after) for d in told.draws],
        )
    if told.settlements:
        _print_entries("Its debt was paid by", list(told.settlements))
    if told.corrections:
        _print_entries("Corrected by", list(told.corrections))


def _rate(rate: AppliedRate | None) -> str | None:
    if rate is None:
        return None
    price = rate.sent.get("credits") or "tiers " + ", ".join(
        f"to {tier.get('up_to') or '∞'}: {tier.get('credits')}" for tier in rate.sent.get("tiers") or ()
    )
    match = "".join(f" {key}={value}" for key, value in rate.match.items())
    since = "" if rate.valid_from is None else f" since {text_of(rate.valid_from)}"
    per = rate.sent.get("per") or "1"
    return f"{price} per {per}, table {rate.table}{match}, version {rate.version}{since}"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (ledger, explain):
        app.command()(command)
