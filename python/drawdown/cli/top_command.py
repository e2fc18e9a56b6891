"""``drawdown top``: what a running server does, refreshed until interrupted."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.live import Live

from drawdown.cli.options import ApiKeyOption, JsonOption, connect_target
from drawdown.cli.output import console, print_json, table
from drawdown.client.sync import Connection
from drawdown.model import credits_from_units


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one look, rates since the look before."""

    events_per_s: float | None = None
    refused_per_s: float | None = None
    groups_per_s: float | None = None
    """Commit groups: how often the disk is flushed."""
    flush_ms: float | None = None
    """Mean of the flushes since the look before; the least that an ack takes."""
    round_trip_ms: float
    """Of this look itself."""
    accounts: int
    events_applied: int
    streams_open: int
    watches_open: int
    reservations_open: int
    reservation_oldest_s: float
    snapshot_age_s: float | None = None
    """Of the last complete pass to Redis; absent where none is set up."""
    checkpoint_age_s: float | None = None
    durable_seq: int
    server_cpu_percent: float | None = None
    read_only: str | None = None
    lowest: tuple[tuple[str, str, Decimal], ...] = ()
    """Account, credit type and available of the balances nearest to zero, lowest first."""


# These only grow while a server runs.
COUNTED = ("applied", "refused", "groups", "flush_us", "cpu_s")


class Counts(msgspec.Struct, frozen=True):
    """What rates are made of."""

    at: float
    applied: int
    refused: int
    groups: int
    flush_us: int
    cpu_s: float


def counts_of(engine: dict[str, Any], server: dict[str, Any], at: float) -> Counts:
    """The counters of one look."""
    by_status = engine.get("events_by_status", {})
    settled = by_status.get("OK", 0) + by_status.get("DUPLICATE", 0)
    return Counts(
        at,
        int(engine["events_applied"]),
        sum(by_status.values()) - settled,
        int(engine.get("groups", 0)),
        int(engine.get("fsync_total_us", 0)),
        float(server.get("cpu_s", 0)),
    )


class Looker:
    """Looks at one server again and again."""

    def __init__(self, connection: Connection, lowest: int) -> None:
        self._connection = connection
        self._lowest = lowest
        self._before: Counts | None = None

    def look(self) -> Reading:
        """Ask the server. Raises what the calls raise."""
        began = time.perf_counter()
        engine, server = self._connection.server_stats()
        took_ms = (time.perf_counter() - began) * 1000
        now = counts_of(engine, server, began)
        before, self._before = self._before, now
        snapshot = server.get("snapshot") or {}
        return Reading(
            **_rates(before, now),
            round_trip_ms=round(took_ms, 2),
            accounts=engine["accounts"],
            events_applied=engine["events_applied"],
            streams_open=server.get("streams_open", 0),
            watches_open=server.get("watches_open", 0),
            reservations_open=engine.get("reservations_open", 0),
            reservation_oldest_s=engine.get("reservation_oldest_age_us", 0) / 1e6,
            snapshot_age_s=snapshot["lag_s"] if snapshot.get("lag_s", -1) >= 0 else None,
            checkpoint_age_s=engine.get("checkpoint_age_s"),
            durable_seq=engine.get("durable_seq", 0),
            read_only=engine.get("read_only"),
            lowest=self._lowest_balances(),
        )

    def _lowest_balances(self) -> tuple[tuple[str, str, Decimal], ...]:
        if not self._lowest:
            return ()
        _, answer = self._connection.query({"type": "lowest_balances", "limit": self._lowest})
        return tuple(
            (each["account"], each["credit_type"], credits_from_units(each["available"], each["scale"]))
            for each in answer["balances"]
        )


def _rates(before: Counts | None, now: Counts) -> dict[str, float]:
    if before is None or now.at <= before.at:
        return {}
    if any(getattr(now, each) < getattr(before, each) for each in COUNTED):
        # Another process: its counters began at zero between the two looks.
        return {}
    seconds = now.at - before.at
    groups = now.groups - before.groups
    found = {
        "events_per_s": round((now.applied - before.applied) / seconds, 1),
        "refused_per_s": round((now.refused - before.refused) / seconds, 1),
        "groups_per_s": round(groups / seconds, 1),
        "server_cpu_percent": round((now.cpu_s - before.cpu_s) / seconds * 100, 1),
    }
    if groups > 0:
        found["flush_ms"] = round((now.flush_us - before.flush_us) / groups / 1000, 3)
    return found


def view(reading: Reading, target: str) -> RenderableType:
    """A reading for people."""
    figures = [
        ("events/s applied", _shown(reading.events_per_s)),
        ("events/s refused", _shown(reading.refused_per_s)),
        ("flush, mean", _shown(reading.flush_ms, " ms")),
        ("commit groups/s", _shown(reading.groups_per_s)),
        ("round trip of a call", f"{reading.round_trip_ms:.1f} ms"),
        ("server CPU", _shown(reading.server_cpu_percent, " %")),
        ("accounts", f"{reading.accounts:,}"),
        ("events since start", f"{reading.events_applied:,}"),
        ("open usage streams", f"{reading.streams_open:,}"),
        ("open watches", f"{reading.watches_open:,}"),
        ("open reservations", f"{reading.reservations_open:,}"),
        ("oldest reservation", f"{reading.reservation_oldest_s:.1f} s"),
        ("snapshot age", _shown(reading.snapshot_age_s, " s")),
        ("checkpoint age", _shown(reading.checkpoint_age_s, " s")),
    ]
    if reading.read_only:
        figures.append(("READ ONLY", reading.read_only))
    parts: list[RenderableType] = [table(f"drawdown at {target}", ["what", "now"], figures)]
    if reading.lowest:
        parts.append(table("Nearest to zero", ["account", "credit type", "available"], reading.lowest))
    return Group(*parts)


def _shown(figure: float | None, unit: str = "") -> str:
    return "–" if figure is None else f"{figure:,.1f}{unit}"


def top(
    target: Annotated[
        str, typer.Option("--target", metavar="HOST:PORT", help="The running server.")
    ] = "localhost:7070",
    interval: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds between readings.")] = 1.0,
    lowest: Annotated[int, typer.Option(min=0, max=1000, help="Balances nearest to zero to show.")] = 10,
    once: Annotated[
        bool, typer.Option("--once", help="Take two readings one interval apart, then end.")
    ] = False,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a server does now: rates, latency, holds, snapshot age, balances near zero.

    With --json one line per look. Ends with 130 when interrupted, with 69 when the server is gone.
    """
    with connect_target(target, api_key) as connection:
        looker = Looker(connection, lowest)
        looker.look()
        time.sleep(interval)
        if once or json:
            while True:
                reading = looker.look()
                if json:
                    print_json(reading)
                else:
                    console.print(view(reading, target))
                if once:
                    return
                time.sleep(interval)
        with Live(view(looker.look(), target), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(interval)
                live.update(view(looker.look(), target), refresh=True)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(top)
