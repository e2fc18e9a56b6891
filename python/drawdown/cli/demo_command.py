"""``drawdown demo``: the whole story in under a minute, on a server of its own, with checks at the end."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from drawdown.cli import exit_codes
from drawdown.cli.demo_checks import (
    AckLedger,
    Check,
    check_books,
    check_nothing_lost_after_kill,
    leaves_the_state,
)
from drawdown.cli.demo_plan import PlanStory
from drawdown.cli.demo_workload import CUSTOMERS, prepare, requests
from drawdown.cli.options import JsonOption
from drawdown.cli.output import console, print_json, table
from drawdown.cli.server_process import ServerProcess, free_port
from drawdown.client.interface import Database
from drawdown.client.recorder import Recorder, RecorderOptions
from drawdown.client.sync import connect
from drawdown.errors import DrawdownError, InvalidRequestError
from drawdown.storage.backup import require_empty

REDRAW_S = 0.5
# Fewer leave every account with credits, and there is no cut-off to check.
EVENTS_MIN = 24_000
PACE_S = 0.02


class Workload:
    """A thread that streams requests at a steady pace until told to stop, but not before it sent ``planned``.

    A slow machine takes longer for the same story.
    """

    def __init__(
        self, recorder: Recorder, ledger: AckLedger, *, events_per_s: int, planned: int, seed: int
    ) -> None:
        self._recorder = recorder
        self._ledger = ledger
        self._requests = requests(seed)
        self._per_step = max(2, round(events_per_s * PACE_S))
        self._left = planned
        self._ended = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="demo-workload", daemon=True)

    def start(self) -> None:
        """Begin to stream."""
        self._thread.start()

    def stop(self) -> None:
        """End the stream and wait until everything is acknowledged. Raises what ended it early."""
        self._ended.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while self._left > 0 or not self._ended.is_set():
                self._left -= self._per_step
                for _ in range(self._per_step):
                    request = next(self._requests)
                    event = request.event
                    self._ledger.sent(request)
                    self._recorder.record(
                        event.account,
                        event.meter,
                        quantity=event.quantity,
                        event_id=event.event_id,
                        time=event.time,
                        dimensions=event.dimensions,
                    )
                due += PACE_S
                time.sleep(max(0.0, due - time.monotonic()))
            self._recorder.flush(timeout_s=60)
        except BaseException as error:
            self.error = error


class Screen:
    """Balances on a terminal as they fall; a line per step where there is no terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self.started = time.monotonic()

    def say(self, text: str) -> None:
        """One sentence of the story."""
        if not self._quiet:
            console.print(f"[dim]{time.monotonic() - self.started:5.1f} s[/dim]  {escape(text)}")

    def watch(self, database: Database, recorder: Recorder, seconds: float) -> None:
        """Show the balances for a while."""
        ends = time.monotonic() + seconds
        with self._live() as live:
            while (left := ends - time.monotonic()) > 0:
                if live is not None:
                    # Between kill and recovery there is nothing to show; the next redraw shows it again.
                    with contextlib.suppress(DrawdownError):
                        live.update(_balances(database, recorder))
                time.sleep(min(REDRAW_S, left))
        if not self._quiet:
            console.print(_balances(database, recorder))

    @contextlib.contextmanager
    def _live(self) -> Iterator[Live | None]:
        if self._quiet or not console.is_terminal:
            yield None
        else:
            with Live(console=console, transient=True) as live:
                yield live


def _balances(database: Database, recorder: Recorder) -> Table:
    rows: list[tuple[str, str, Decimal, str]] = []
    for customer in CUSTOMERS:
        balance = database.balance(customer.account, "credits")
        may = database.check(customer.account, "input_tokens", quantity=1000, dimensions={"model": "small"})
        rows.append((customer.account, customer.remark, balance.available, "yes" if may else may.reason))
    totals = recorder.totals
    return table(
        f"{totals.applied:,} events applied, {totals.refused:,} refused, {totals.duplicates:,} seen before",
        ["account", "has", "available", "1,000 tokens more?"],
        rows,
    )


def demo(
    seconds: Annotated[float, typer.Option(min=3, help="How long the workload runs, in all.")] = 24,
    events_per_s: Annotated[int, typer.Option(min=100, help="Pace of the workload.")] = 4000,
    seed: Annotated[int, typer.Option(help="Of the workload.")] = 1,
    keep: Annotated[
        Path | None, typer.Option(help="A new folder for the data, which is kept; default: a temporary one.")
    ] = None,
    invoice_to: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Where the invoice is written, as demo-invoice.html and .pdf."),
    ] = Path(),
    json: JsonOption = False,
) -> None:
    """Live through plan, usage, recharge, kill -9, renewal, upgrade and invoice; then check the books.

    A realistic LLM workload streams all the while. Exits with 1 when any check fails.
    """
    if seconds * events_per_s < EVENTS_MIN:
        raise InvalidRequestError(
            f"seconds: {seconds:g} s of {events_per_s:,} events would empty no account; the cut-off needs "
            f"{EVENTS_MIN:,} events: --seconds × --events-per-s",
            field="seconds",
        )
    if keep is not None:
        require_empty(keep, "keep")
    screen = Screen(quiet=json)
    with tempfile.TemporaryDirectory(prefix="drawdown-demo-") as temporary:
        checks = _story(keep or Path(temporary) / "data", screen, seconds, events_per_s, seed, invoice_to)
    if json:
        print_json({"holds": all(check.holds for check in checks), "checks": [c._asdict() for c in checks]})
    else:
        for check in checks:
            mark = "[green]holds[/green]" if check.holds else "[red]FAILS[/red]"
            console.print(f"  {mark}  {escape(check.question)} [dim]({escape(check.found)})[/dim]")
    if not all(check.holds for check in checks):
        raise typer.Exit(exit_codes.REFUSED)


def _story(
    folder: Path, screen: Screen, seconds: float, events_per_s: int, seed: int, invoice_to: Path
) -> list[Check]:
    """Everything that happens, in order; answers the checks."""
    checks: list[Check] = []
    ledger = AckLedger()
    server = ServerProcess(
        folder, listen=f"127.0.0.1:{free_port()}", settings={"payments": "test", "seller_name": "Demo Ltd"}
    )
    server.start()
    try:
        with connect(server.target) as database:
            prepare(database, datetime.now(UTC))
            screen.say(
                f"a server on {server.target}; {len(CUSTOMERS)} customers with a plan and a welcome grant"
            )
            plan = PlanStory(database, screen.say)
            options = RecorderOptions(detail="all", on_exception=ledger.acknowledged, backoff_s_max=0.5)
            with database.recorder(batch=200, linger_ms=5, options=options) as recorder:
                workload = Workload(
                    recorder,
                    ledger,
                    events_per_s=events_per_s,
                    planned=round(events_per_s * seconds),
                    seed=seed,
                )
                workload.start()
                screen.say(f"LLM usage streams in, {events_per_s:,} events a second")
                plan.sign_up()
                screen.watch(database, recorder, seconds / 4)
                plan.run_low()
                screen.watch(database, recorder, seconds / 4)
                before = plan.books()
                checks.append(_kill_and_recover(server, database, ledger, screen))
                plan.check_unchanged(before)
                plan.renew()
                screen.watch(database, recorder, seconds / 4)
                plan.upgrade()
                screen.watch(database, recorder, seconds / 4)
                plan.invoice(invoice_to)
                workload.stop()
                checks += plan.checks
            screen.say("the workload ends; holding the acks against the books")
            checks += check_books(database, ledger)
            checks.append(_restart_cleanly(server, database, screen))
    finally:
        server.stop()
    checks.append(_verify(folder, screen))
    return checks


def _kill_and_recover(server: ServerProcess, database: Database, ledger: AckLedger, screen: Screen) -> Check:
    """kill -9 under load, start again on the same folder, and see that nothing acknowledged is gone."""
    server.kill()
    acknowledged = ledger.applied_units()
    screen.say("[bold]kill -9[/bold] in the middle of the stream; the client keeps what has no ack")
    started = time.monotonic()
    server.start()
    screen.say(f"recovered from the journal and serving again after {time.monotonic() - started:.2f} s")
    return check_nothing_lost_after_kill(database, acknowledged)


def _restart_cleanly(server: ServerProcess, database: Database, screen: Screen) -> Check:
    """SIGTERM, start again: the same state to the last bit."""
    codes: list[int] = []

    def restart() -> None:
        codes.append(server.stop())
        server.start()

    unchanged, digests = leaves_the_state(database, restart)
    screen.say("stopped with SIGTERM and started again")
    return Check(
        "a clean restart leaves the state as it was",
        unchanged and set(codes) == {0},
        f"exit code {codes[-1]}, {digests}",
    )


def _verify(folder: Path, screen: Screen) -> Check:
    """Read every byte of the folder once more."""
    from drawdown.engine import verify_folder

    report = verify_folder(str(folder))
    screen.say("verified the folder on disk")
    return Check(
        "the folder on disk verifies",
        bool(report["conservation"]["holds"]),
        f"{report['frames']:,} frames, {report['journal_bytes']:,} bytes, "
        f"{report['checkpoints']} checkpoints, {report['digests_compared']} digests compared",
    )


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(demo)
