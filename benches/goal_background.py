"""What snapshots and the expiry sweep take from ingest, and what a snapshot pass costs by itself."""

from __future__ import annotations

import statistics
import time

from drawdown import embedded
from drawdown.cli.bench_preparation import METER, QUANTITY, account_id, prepare
from drawdown.config import ProcessConfig, load
from drawdown.engine import Engine
from drawdown.model import now_us
from drawdown.runtime.snapshotter import Snapshotter
from drawdown.runtime.sweeper import Sweeper
from drawdown.storage import open_snapshot_store

from benches.figures import Figure, Goal, figure_of, require
from benches.folders import Folders, run_bench
from benches.form import Form
from benches.in_process import LAYER, batches_of, ingest, percentile
from tests.storage.valkey import ValkeyProcess

GRANTS = 3
OVER_GRPC = "client process over gRPC to disk and back"
BATCH = 1000
DUE_BATCHES = 20
GROUP = 2_000
HOUR_US = 3_600_000_000


def snapshot_while_ingesting(form: Form, folders: Folders) -> list[Figure]:
    """Pairs of runs, without and with a snapshot pass every second."""
    rates: list[float] = []
    pauses: list[float] = []
    plain_pauses: list[float] = []
    folder = folders.prepared(form.accounts, GRANTS, **form.engine)
    valkey = ValkeyProcess(folders.new("valkey")).start()
    # Pairs: a third of an ingest figure's time each is enough for passes to come round many times.
    seconds = max(0.4, form.seconds / 3)
    try:
        for _ in range(form.rounds):
            found = []
            for more in ({}, {"redis": valkey.url, "snapshot_interval_s": 1}):
                found.append(
                    run_bench(
                        folder,
                        accounts=form.accounts,
                        grants=GRANTS,
                        seconds=seconds,
                        warmup=form.warmup,
                        inflight=form.inflight,
                        batch=BATCH,
                        settings={**form.engine, **more},
                    )
                )
            rates.append(found[1]["events_per_s"] / found[0]["events_per_s"])
            plain_pauses.append(found[0]["ack_ms"]["max"])
            pauses.append(found[1]["ack_ms"]["max"])
        stored = valkey.client().dbsize()
        require(stored > 0, "no snapshot reached Redis: the pairs do not differ")
    finally:
        valkey.kill()
    return [
        figure_of(
            "throughput with snapshots ÷ without", OVER_GRPC, rates, "×", Goal(0.8), "a pass every 1 s"
        ),
        figure_of(
            "longest ack with snapshots",
            OVER_GRPC,
            pauses,
            "ms",
            Goal(5, at_least=False),
            f"an upper bound of the pause; without snapshots {statistics.median(plain_pauses):g} ms",
        ),
    ]


def snapshot_cost(form: Form, folders: Folders) -> list[Figure]:
    """Time of an incremental pass at two numbers of dirty accounts: the cost follows the dirty ones."""
    valkey = ValkeyProcess(folders.new("valkey")).start()
    require(max(form.dirty) <= form.accounts, f"there are only {form.accounts:,} accounts to make dirty")
    samples: dict[int, list[float]] = {dirty: [] for dirty in form.dirty}
    try:
        with embedded.open(folders.prepared(form.accounts, GRANTS)) as database:
            process = load(environment={}, flags={"redis": valkey.url, "redis_timeout_ms": 10_000}).process
            snapshotter = Snapshotter(
                database.engine, open_snapshot_store(process), process, early_margin_s=300
            )
            full = snapshotter.take_now(True)
            require(full.accounts_written == form.accounts, "the full pass missed accounts")
            for _ in range(max(3, form.rounds)):
                for dirty in form.dirty:
                    _touch(database.engine, dirty)
                    report = snapshotter.take_now(False)
                    require(
                        report.accounts_written == dirty,
                        f"{dirty:,} accounts were touched, {report.accounts_written:,} written",
                    )
                    samples[dirty].append(report.seconds)
            snapshotter.close()
    finally:
        valkey.kill()
    few, many = form.dirty
    layer = "snapshot pass, engine to Redis, at full speed"
    growth = [(more / many) / (less / few) for less, more in zip(samples[few], samples[many], strict=True)]
    return [
        figure_of(f"full pass, {form.accounts:,} accounts", layer, [full.seconds], "s"),
        *(
            figure_of(f"pass of {dirty:,} dirty accounts", layer, [s * 1000 for s in samples[dirty]], "ms")
            for dirty in form.dirty
        ),
        figure_of(
            f"cost per dirty account, {many:,} dirty ÷ {few:,} dirty",
            layer,
            growth,
            "×",
            Goal(1.2, at_least=False),
            f"1: proportional to the dirty ones; {form.accounts:,} accounts in all",
        ),
    ]


def _touch(engine: Engine, accounts: int) -> None:
    """One event for each of the first ``accounts`` accounts."""
    stamp = time.time_ns()
    seq = 0
    for number in range(accounts):
        recorded = engine.record_units(account_id(number), METER, QUANTITY, f"touch-{stamp}-{number}")
        require(recorded.status == "OK", f"{account_id(number)}: {recorded.status}")
        seq = max(seq, recorded.seq)
    engine.wait_durable(seq)


def _grant_due(engine: Engine, grants: int) -> None:
    """Accounts with one grant each, all of them past their end and their grace already."""
    now = now_us()
    began, ended = now - 2 * HOUR_US, now - HOUR_US
    for start in range(0, grants, GROUP):
        group: list[str] = []
        for number in range(start, min(start + GROUP, grants)):
            account = f"due-{number:08d}"
            group.append(f'{{"type":"create_account","account":"{account}"}}')
            group.append(
                f'{{"type":"create_grant","account":"{account}","grant":{{"grant_id":"due",'
                f'"credit_type":"credits","amount":"1","effective_at":{began},"expires_at":{ended}}}}}'
            )
        _, outcomes = engine.execute_json(f"[{','.join(group)}]".encode())
        require(b"NOT_APPLIED" not in outcomes, f"grants refused: {outcomes[:200]!r}")


def expiry_sweep(form: Form, folders: Folders) -> list[Figure]:
    """Due grants booked by the sweeper with its default budget while ingest goes on, and by itself."""
    defaults = ProcessConfig()
    with embedded.open(folders.new("sweep"), late_grace_s=0) as database:
        engine = database.engine
        prepare(database, accounts=form.cost_accounts, grants=GRANTS)
        alone_s = _sweep_alone(engine, form.due_grants)
    with embedded.open(folders.new("sweep"), late_grace_s=0) as database:
        engine = database.engine
        prepare(database, accounts=form.cost_accounts, grants=GRANTS)
        _grant_due(engine, form.due_grants)
        before = _latencies(engine, form)
        sweeper = Sweeper(
            engine,
            interval_s=0.001,
            grants=defaults.sweep_grants,
            share_percent=defaults.sweep_share_percent,
        )
        began = time.perf_counter()
        sweeper.background.start()
        during: list[int] = []
        while sweeper.booked < form.due_grants and time.perf_counter() - began < 120:
            made = batches_of(accounts=form.cost_accounts, batch=BATCH, count=DUE_BATCHES)
            during += ingest(engine, made, BATCH, window=2).latencies_ns
        swept_s = time.perf_counter() - began
        sweeper.background.stop()
        require(sweeper.booked == form.due_grants, f"{sweeper.booked:,} grants booked")
        conservation = database.verify()
        require(conservation.holds, "credits are not accounted for")
        expired = conservation.totals["credits"]["expired"]
        require(expired == form.due_grants, f"{expired} credits expired of {form.due_grants:,}")
    budget = f"{defaults.sweep_grants} grants a step, {defaults.sweep_share_percent} % of the time"
    p99 = percentile(during, 99) / percentile(before, 99)
    name = f"expiry sweep of {form.due_grants:,} due grants"
    two_seconds = Goal(2, at_least=False)
    return [
        figure_of(f"{name}, nothing else going on", LAYER, [alone_s], "s", two_seconds, "without its budget"),
        figure_of(f"{name} while ingesting", LAYER, [swept_s], "s", two_seconds, budget),
        figure_of(
            "ingest p99 during the sweep ÷ before",
            LAYER,
            [p99],
            "×",
            Goal(2, at_least=False),
            f"p99 {percentile(before, 99):.2f} ms before, {percentile(during, 99):.2f} ms during",
        ),
    ]


def _sweep_alone(engine: Engine, grants: int) -> float:
    _grant_due(engine, grants)
    began = time.perf_counter()
    booked, more = 0, True
    seq = 0
    while more:
        seq, count, more = engine.expire_due(ProcessConfig().sweep_grants)
        booked += count
    engine.wait_durable(seq)
    seconds = time.perf_counter() - began
    require(booked == grants, f"{booked:,} grants booked of {grants:,}")
    return seconds


def _latencies(engine: Engine, form: Form) -> list[int]:
    found: list[int] = []
    for _ in range(max(3, form.batches // DUE_BATCHES)):
        made = batches_of(accounts=form.cost_accounts, batch=BATCH, count=DUE_BATCHES)
        found += ingest(engine, made, BATCH, window=2).latencies_ns
    return found
