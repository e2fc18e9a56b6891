"""``drawdown replay``: a real usage file in, totals out; the same file again changes nothing.

Event ids are made of the file's hash, row and meter, and the offset that maps an old trace into the
acceptance window is kept and reused: so every repeat sends the same events.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress

from drawdown.cli.options import DatabaseOptions, JsonOption, pairs_from
from drawdown.cli.output import print_json, print_table
from drawdown.cli.replay_catalog import (
    CREDIT_SCALE,
    CREDIT_TYPE,
    GRANT_LEAD_US,
    prepare_accounts,
    prepare_meters,
    rates_from,
)
from drawdown.cli.replay_offsets import ReplayOffsets, offset_for
from drawdown.cli.trace_file import TraceFile, TraceRow
from drawdown.client.interface import Database
from drawdown.client.usage_event import UsageEvent, encode_event, seal
from drawdown.engine import BatchEncoder
from drawdown.errors import InvalidRequestError
from drawdown.model import UsageResult, now_us, units_from_credits, us_from_instant

EVENTS_PER_BATCH = 2000
# What was looked at is dropped in steps of this.
SURVEY_BYTES = 1 << 20
# Kept well within the signed 64-bit range at scale 9.
DEFAULT_GRANT = "1000000"


class ReplayTotals(msgspec.Struct, kw_only=True):
    """What a replay did."""

    rows: int = 0
    events: int = 0
    applied: int = 0
    duplicates: int = 0
    refused: int = 0
    refusals: dict[str, int] = {}
    """Refused events by status."""
    quantity: dict[str, int] = {}
    """Applied by this run, by meter."""
    credits_burned: Decimal = Decimal(0)
    accounts: int = 0
    accounts_created: int = 0
    offset_s: Decimal = Decimal(0)
    """Added to every time of the file."""
    seconds: Decimal = Decimal(0)
    uncovered: Decimal = Decimal(0)

    def count(self, event: UsageEvent, result: UsageResult) -> None:
        """Add one outcome."""
        self.events += 1
        if result.status == "OK":
            self.applied += 1
            meter = event.meter or ""
            self.quantity[meter] = self.quantity.get(meter, 0) + event.quantity
            self.credits_burned += result.charged
            self.uncovered += result.uncovered
        elif result.status == "DUPLICATE":
            self.duplicates += 1
        else:
            self.refused += 1
            self.refusals[result.status] = self.refusals.get(result.status, 0) + 1


class Replay:
    """One trace, its meters, and how its rows become events."""

    def __init__(
        self,
        trace: TraceFile,
        meters: list[str],
        accounts: int | None,
        dimensions: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._trace = trace
        self.meters = meters
        self._accounts = accounts
        self._dimensions = dict(dimensions or {})
        self.content_hash = trace.content_hash()
        self.rows = 0
        self.first_us = 0
        self.last_us = 0
        self.account_ids: list[str] = []

    def survey(self) -> None:
        """Read the whole file once: its extent, its accounts, and that every row makes events.

        Raises ``InvalidRequestError`` naming the row.
        """
        seen: dict[str, None] = {}
        times: list[int] = []
        encoder = BatchEncoder()
        for row in self._trace.rows():
            self._check(encoder, row)
            times.append(row.time_us)
            if row.account is not None:
                seen.setdefault(row.account)
        if not times:
            raise InvalidRequestError(f"file: {self._trace.path} has no rows", field="file")
        self.rows, self.first_us, self.last_us = len(times), min(times), max(times)
        # Where the oldest row will stand; a file of many centuries does not fit before today.
        us_from_instant(self.first_us + offset_for(self.first_us, self.last_us, now_us()) - GRANT_LEAD_US)
        self.account_ids = (
            list(seen) if self._accounts is None else [self._account(n) for n in range(self._accounts)]
        )

    def _check(self, encoder: BatchEncoder, row: TraceRow) -> None:
        """By the rules that whoever takes the events goes by: account, event id, dimensions."""
        try:
            for event in self._events_of(row, 0):
                encode_event(encoder, seal(event, lambda _: CREDIT_SCALE))
        except InvalidRequestError as raised:
            raise InvalidRequestError(
                f"{self._trace.path}, row {row.number}: {raised.message}", field=raised.field
            ) from raised
        if encoder.size_bytes() > SURVEY_BYTES:
            encoder.take(0)

    def _account(self, number: int) -> str:
        width = max(4, len(str(self._accounts)))
        return f"trace-{number + 1:0{width}d}"

    def _account_of(self, row: TraceRow) -> str:
        if row.account is not None:
            return row.account
        return self._account((row.number - 1) % (self._accounts or 1))

    def events(self, offset_us: int) -> Iterator[UsageEvent]:
        """Every row's events, the same on every run."""
        for row in self._trace.rows():
            yield from self._events_of(row, offset_us)

    def _events_of(self, row: TraceRow, offset_us: int) -> Iterator[UsageEvent]:
        account = self._account_of(row)
        dimensions = self._dimensions_of(row)
        # The same row under other dimensions is another use.
        told_apart = f":{_short_hash(dimensions)}" if dimensions else ""
        for meter, quantity in zip(self.meters, row.quantities, strict=True):
            yield UsageEvent(
                account=account,
                meter=meter,
                quantity=quantity,
                event_id=f"{self.content_hash}:{row.number}:{meter}{told_apart}",
                time=row.time_us + offset_us,
                dimensions=dimensions or None,
            )

    def _dimensions_of(self, row: TraceRow) -> dict[str, str]:
        """Of the row's own columns, and of the values that rows take in turn."""
        found = dict(row.dimensions)
        for key, values in self._dimensions.items():
            found[key] = values[(row.number - 1) % len(values)]
        return found


def _short_hash(dimensions: Mapping[str, str]) -> str:
    text = "\n".join(f"{key}={value}" for key, value in sorted(dimensions.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


TimeOption = Annotated[str, typer.Option("--time", metavar="COL", help="Column of the event's time.")]
MeterOption = Annotated[
    list[str], typer.Option("--meter", metavar="COL=METER", help="A column and its meter; repeatable.")
]
AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="COL", help="Column of the account's id.")
]
AccountsOption = Annotated[
    int | None,
    typer.Option("--accounts", min=1, max=10_000_000, help="Spread the rows over this many accounts."),
]
RateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rate", metavar="METER=CREDITS/PER", help="A price; repeatable. LLM tokens have default prices."
    ),
]
DimensionOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE[,VALUE…]",
        help="A dimension of every event; with several values rows take them in turn. Repeatable.",
    ),
]
DimensionColumnOption = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=COL", help="A dimension whose value stands in a column. Repeatable."),
]
SpeedOption = Annotated[
    float | None,
    typer.Option(min=0.001, help="Multiple of real time; default: as fast as possible."),
]
OffsetsOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder in which time offsets are kept; default: the data folder, with --target the current one."
    ),
]


def replay(
    file: Annotated[Path, typer.Argument(help="CSV, JSON lines or Parquet.")],
    time_column: TimeOption,
    meter: MeterOption,
    account: AccountOption = None,
    accounts: AccountsOption = None,
    rate: RateOption = None,
    dimension: DimensionOption = None,
    dimension_column: DimensionColumnOption = None,
    credit_type: Annotated[
        str, typer.Option(help="Credit type of the grants to new accounts, and of prices made here.")
    ] = CREDIT_TYPE,
    grant: Annotated[str, typer.Option(help="Credits granted to each new account.")] = DEFAULT_GRANT,
    speed: SpeedOption = None,
    offsets: OffsetsOption = None,
    *,
    options: DatabaseOptions,
    json: JsonOption = False,
) -> None:
    """Stream a usage file into the engine, each row's columns as events of their meters.

    Credit type, meters, prices and accounts are made where they are missing. A second run of the
    same file applies nothing: its events have the same ids and times.
    """
    if (account is None) == (accounts is None):
        raise InvalidRequestError("accounts: give exactly one of --account and --accounts", field="accounts")
    columns = pairs_from(meter, "meter")
    trace = TraceFile(
        file,
        time_column=time_column,
        account_column=account,
        quantity_columns=list(columns),
        dimension_columns=pairs_from(dimension_column, "dimension_column"),
    )
    plan = Replay(trace, plan_meters(columns), accounts, values_in_turn(dimension))
    plan.survey()
    amount = Decimal(units_from_credits(grant, 9, "grant")).scaleb(-9)
    rates = rates_from(pairs_from(rate, "rate"))
    with options.open(create=True) as database:
        kept = ReplayOffsets(offsets or (options.folder if options.target is None else Path()))
        offset_us = kept.read(plan.content_hash)
        if offset_us is None:
            offset_us = offset_for(plan.first_us, plan.last_us, now_us())
        prepare_meters(database, plan.meters, rates, credit_type)
        totals = ReplayTotals(rows=plan.rows, accounts=len(plan.account_ids))
        totals.offset_s = Decimal(offset_us).scaleb(-6)
        totals.accounts_created = prepare_accounts(
            database, plan.account_ids, amount, plan.first_us + offset_us, credit_type
        )
        # Not before: a replay that was refused is dated anew, whenever it is tried again.
        kept.write(plan.content_hash, offset_us)
        started = time.monotonic()
        stream(database, plan, offset_us, totals, speed, quiet=json)
        totals.seconds = Decimal(f"{time.monotonic() - started:.3f}")
    show(totals, json)


def values_in_turn(texts: list[str] | None) -> dict[str, list[str]]:
    """``KEY=VALUE[,VALUE…]`` as typed. Raises ``InvalidRequestError`` for an empty value."""
    found = {key: value.split(",") for key, value in pairs_from(texts, "dimension").items()}
    for key, values in found.items():
        if not all(values):
            raise InvalidRequestError(f"dimension: {key} has an empty value", field="dimension")
    return found


def plan_meters(columns: dict[str, str]) -> list[str]:
    """The meters of the columns, each once; raises when two columns feed one meter."""
    meters = list(columns.values())
    if len(set(meters)) != len(meters):
        raise InvalidRequestError("meter: two columns feed one meter; give each its own", field="meter")
    return meters


def stream(
    database: Database,
    plan: Replay,
    offset_us: int,
    totals: ReplayTotals,
    speed: float | None,
    *,
    quiet: bool,
) -> None:
    """Send every event and count the outcomes; at ``speed`` times real time, or as fast as it goes."""
    started = time.monotonic()
    with Progress(transient=True, disable=quiet) as progress:
        task = progress.add_task("replaying", total=plan.rows * len(plan.meters))
        batch: list[UsageEvent] = []
        for event in plan.events(offset_us):
            assert isinstance(event.time, int)
            if speed is not None:
                due = started + (event.time - offset_us - plan.first_us) / 1e6 / speed
                if batch and due > time.monotonic():
                    _send(database, batch, totals)
                    progress.update(task, completed=totals.events)
                    batch = []
                time.sleep(max(0.0, due - time.monotonic()))
            batch.append(event)
            if len(batch) >= EVENTS_PER_BATCH:
                _send(database, batch, totals)
                progress.update(task, completed=totals.events)
                batch = []
        _send(database, batch, totals)


def _send(database: Database, batch: list[UsageEvent], totals: ReplayTotals) -> None:
    for event, result in zip(batch, database.record_batch(batch), strict=True):
        totals.count(event, result)


def show(totals: ReplayTotals, as_json: bool) -> None:
    """Print what the replay did."""
    if as_json:
        print_json(totals)
        return
    rows: list[tuple[str, Any]] = [
        ("rows read", totals.rows),
        ("events applied", totals.applied),
        ("duplicates", totals.duplicates),
        ("refused", totals.refused),
        *((f"refused, {status}", count) for status, count in sorted(totals.refusals.items())),
        *((f"quantity of {meter}", quantity) for meter, quantity in sorted(totals.quantity.items())),
        ("credits burned", totals.credits_burned),
        ("accounts", totals.accounts),
        ("accounts created", totals.accounts_created),
        ("seconds", totals.seconds),
    ]
    print_table("Replayed", ["what", "count"], rows)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(replay)
