"""Subscriptions renewed and invoiced: how fast, where the time goes, and what ingest feels of it."""

from __future__ import annotations

import cProfile
import pstats
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from drawdown import embedded
from drawdown.cli.bench_load import LoadFigures, LoadShape, run_load
from drawdown.cli.bench_preparation import prepare
from drawdown.cli.server_process import ServerProcess
from drawdown.engine import Engine
from drawdown.payments import ScriptedProvider
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.storage.sql import open_sql

from benches.figures import Figure, Goal, figure_of, require
from benches.folders import Folders
from benches.form import Form
from benches.in_process import percentile

IN_PROCESS = "jobs of the control plane in process, SQLite and journal on disk"
OVER_GRPC = "client process over gRPC to disk and back"
DAYS_AHEAD = 32
GRANTS = 3
BATCH = 1_000
JOBS_PER_RENEWAL = 5
ENGINE = {"segment_bytes": 1 << 24, "reserve_bytes": 0}
OVERAGE = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "0.01"}]}
# Where time is looked for, the first that fits: a part of a file's path and what it stands for.
PLACES = (
    ("method 'commit'", "commits"),
    ("sqlite3", "SQLite"),
    ("drawdown._engine", "engine"),
    ("sqlalchemy", "SQLAlchemy"),
    ("python/drawdown/storage/", "repositories"),
    ("python/drawdown/runtime/", "handlers and jobs"),
    ("python/drawdown/", "rules and values"),
)


def subscribed(folders: Folders, form: Form, *, past: bool = False) -> Path:
    """A folder with the bench's accounts, and ``subscriptions`` paid monthly ones whose period has begun.

    Where they are ``past`` their credits, the plan prices that and each has used ten more than it has.
    """
    folder = folders.path / f"subscribed-{form.subscriptions}{'-past' if past else ''}"
    if folder.exists():
        return folder
    with embedded.open(folder, payments="test", **ENGINE) as database:
        prepare(database, accounts=form.cost_accounts, grants=GRANTS)
        database.create_meter("calls")
        database.create_product("ai", "AI")
        database.create_plan(
            "pro",
            product="ai",
            name="Pro",
            base_fee=[{"currency": "USD", "amount": "20"}],
            credits={"credit_type": "credits", "amount": "1000", "cadence": "monthly"},
            rates=[{"meter": "calls", "credits": "2"}],
            overage=OVERAGE if past else None,
        )
        database.publish_plan("pro")
        for number in range(form.subscriptions):
            account = f"customer-{number:08d}"
            database.put_customer(account, payment_method="test_ok")
            database.create_account(account, customer_id=account)
            database.subscribe(account, "pro", subscription_id=account)
            if past:
                database.record(account, credit_type="credits", credits="1010", event_id=account)
    return folder


@contextmanager
def plane_ahead(folder: Path) -> Iterator[ControlPlane]:
    """The folder's control plane where every subscription's next period has begun; nothing runs by itself.

    Its provider answers at once and from memory: what a real one takes is not ours.
    """
    ahead_us = timedelta(days=DAYS_AHEAD) // timedelta(microseconds=1)
    with Engine.open(str(folder), ENGINE) as engine:
        plane = ControlPlane(
            engine,
            open_sql("", str(folder)),
            provider=ScriptedProvider(),
        )
        plane.now_us = lambda: engine.now_us() + ahead_us
        try:
            yield plane
        finally:
            plane.close()


def renew_all(plane: ControlPlane) -> None:
    """Every job that is due, at full speed."""
    while plane.jobs.run_due(10_000):
        pass


def check_renewed(plane: ControlPlane, subscriptions: int, lines: int = 2) -> None:
    """Each subscription has two invoices with so many ``lines``, both paid, numbered without a gap, and the
    credits of both."""
    require(plane.jobs.failures == 0, f"{plane.jobs.failures} jobs failed")
    require(plane.delivery.refused == 0, f"{plane.delivery.refused} commands were refused")
    with plane.sql.transaction() as work:
        invoices = list(work.invoices.each())
    states = Counter(each.state for each in invoices)
    require(states == Counter(paid=2 * subscriptions), f"invoices: {dict(states)}")
    found = sum(len(each.lines) for each in invoices)
    require(found == lines * subscriptions, f"{found} lines on {len(invoices)} invoices")
    numbers = sorted(each.number for each in invoices)
    wanted = [f"I-{number:08d}" for number in range(1, 2 * subscriptions + 1)]
    require(numbers == wanted, "the numbers of invoices have a gap")
    for number in {0, subscriptions // 2, subscriptions - 1}:
        grants = plane.engine.grants(f"customer-{number:08d}")
        require(len(grants) == 2, f"subscription {number} has {len(grants)} grants")
    require(plane.engine.conservation(None).holds, "credits are not accounted for")


def control_plane(form: Form, folders: Folders) -> list[Figure]:
    """Subscriptions renewed and invoiced by themselves, and beside ingest."""
    folder = subscribed(folders, form)
    wall, processor = [], []
    for _ in range(form.rounds):
        with plane_ahead(folders.copy(folder)) as plane:
            began, began_cpu = time.perf_counter(), time.process_time()
            renew_all(plane)
            wall.append(form.subscriptions / (time.perf_counter() - began))
            processor.append(form.subscriptions / (time.process_time() - began_cpu))
            check_renewed(plane, form.subscriptions)
    name = f"{form.subscriptions:,} subscriptions renewed and invoiced"
    note = f"{JOBS_PER_RENEWAL} jobs each: period, grant, invoice final, collected, paid"
    return [
        figure_of(name, IN_PROCESS, wall, "/s", Goal(1000), note),
        figure_of(
            f"{name}, per second of processor", IN_PROCESS, processor, "/s", None, _profile(folders, folder)
        ),
        figure_of(
            f"{name}, each with overage",
            IN_PROCESS,
            _with_overage(form, folders),
            "/s",
            None,
            "usage is closed after its grace; all due at once, as after a downtime",
        ),
        *_beside_ingest(form, folders, folder),
    ]


def _with_overage(form: Form, folders: Folders) -> list[float]:
    """Renewals a second where each invoice also has usage past zero."""
    folder, rates = subscribed(folders, form, past=True), []
    for _ in range(form.rounds):
        with plane_ahead(folders.copy(folder)) as plane:
            began = time.perf_counter()
            renew_all(plane)
            rates.append(form.subscriptions / (time.perf_counter() - began))
            check_renewed(plane, form.subscriptions, lines=3)
    return rates


def _profile(folders: Folders, folder: Path) -> str:
    """Where the time of renewals goes, in shares of it."""
    profile = cProfile.Profile()
    with plane_ahead(folders.copy(folder)) as plane:
        profile.runcall(renew_all, plane)
    spent: Counter[str] = Counter()
    for (file, _, function), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        where = f"{file} {function}"
        spent[next((name for part, name in PLACES if part in where), "Python besides")] += own
    whole = sum(spent.values())
    return ", ".join(f"{name} {100 * own / whole:.0f} %" for name, own in spent.most_common())


def _beside_ingest(form: Form, folders: Folders, folder: Path) -> list[Figure]:
    """Pairs of runs: nothing due, and everything due with the scheduler's own budget."""
    ratios, renewed, plain = [], [], []
    for _ in range(form.rounds):
        quiet, _ = _ingest(form, folders.copy(folder), days=0)
        busy, done = _ingest(form, folders.copy(folder), days=DAYS_AHEAD)
        plain.append(percentile(quiet.latencies_ns, 99))
        ratios.append(percentile(busy.latencies_ns, 99) / plain[-1])
        renewed.append(done / busy.measured_s)
    return [
        figure_of(
            "ingest p99 while subscriptions renew ÷ without",
            OVER_GRPC,
            ratios,
            "×",
            Goal(2, at_least=False),
            f"p99 {max(plain):.2f} ms without; batches of {BATCH:,}, two in flight",
        ),
        figure_of(
            "subscriptions renewed meanwhile",
            OVER_GRPC,
            renewed,
            "/s",
            None,
            "the scheduler's default budget; the test provider flushes its book after each charge",
        ),
    ]


def _ingest(form: Form, folder: Path, *, days: int) -> tuple[LoadFigures, float]:
    """Load on a server whose control plane is so many days ahead; how many renewals it did meanwhile."""
    shape = LoadShape(
        streams=1,
        batch=BATCH,
        inflight=2,
        accounts=form.cost_accounts,
        skew="uniform",
        encoding="rows",
        duration_s=max(0.4, min(10.0, form.seconds / 3)),
        warmup_s=form.warmup / 3,
        pregenerate=0,
        seed=time.time_ns(),
    )
    program = [sys.executable, "-m", "benches.ahead_server", str(days)]
    settings = {"payments": "test"}
    with ServerProcess(folder, settings=settings, program=program) as server:
        figures = run_load(server.target, None, shape, server.cpu_s)
    require(figures.refused == 0 and figures.applied == figures.sent_events, "events were refused")
    with Engine.open(str(folder), ENGINE) as engine:
        plane = ControlPlane(engine, open_sql("", str(folder)))
        with plane.sql.transaction() as work:
            paid = sum(1 for each in work.invoices.each() if each.state == "paid")
        plane.close()
    renewed = paid - form.subscriptions
    require((renewed > 0) == (days > 0), f"{renewed} renewals in a server {days} days ahead")
    return figures, renewed
