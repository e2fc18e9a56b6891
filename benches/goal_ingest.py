"""Durable events per second over gRPC, under all conditions that a figure of ingest has.

Semantics in force, ``--fsync always``, three grants of which one is scoped, 36-byte event ids, times sent,
local checkpoints and Redis snapshots running; the large form with 1 M accounts and a full key table.
"""

from __future__ import annotations

from typing import Any

from drawdown import embedded

from benches.figures import Figure, Goal, figure_of
from benches.folders import Folders, run_bench
from benches.form import Form
from benches.redis_baseline import RedisBaseline
from tests.storage.valkey import ValkeyProcess

LAYER = "client process over gRPC to disk and back, Redis snapshots on"
GRANTS = 3
ROWS_8000: dict[str, Any] = {"batch": 8000, "encoding": "rows"}
ROWS_1000: dict[str, Any] = {"batch": 1000, "encoding": "rows"}
COLUMNS_ZIPF: dict[str, Any] = {"batch": 8000, "encoding": "columns", "skew": "zipf"}
ONE_HOT_ACCOUNT: dict[str, Any] = {"batch": 8000, "encoding": "rows", "skew": "hot"}


def _reports(form: Form, folders: Folders, shape: dict[str, Any], streams: int) -> list[dict[str, Any]]:
    """One report per round, each by a server of its own beside a Valkey that takes its snapshots."""
    reports = []
    for _ in range(form.rounds):
        valkey = ValkeyProcess(folders.new("valkey")).start()
        try:
            reports.append(
                run_bench(
                    folders.prepared(form.accounts, GRANTS, **form.engine),
                    accounts=form.accounts,
                    grants=GRANTS,
                    seconds=form.seconds,
                    warmup=form.warmup,
                    streams=streams,
                    inflight=form.inflight,
                    settings={"redis": valkey.url, **form.engine},
                    **shape,
                )
            )
        finally:
            valkey.kill()
    return reports


def _key_table(form: Form, folders: Folders) -> str:
    """What the key table holds after the last round: whether it was full is not a matter of belief."""
    with embedded.open(folders.prepared(form.accounts, GRANTS, **form.engine), **form.engine) as database:
        stats = database.stats()
    window_s = stats["dedupe_window_us"] / 1_000_000
    return (
        f"key table afterwards: {stats['dedupe_keys']:,} ids in {stats['dedupe_key_bytes'] >> 20:,} MiB, "
        f"window {window_s:,.0f} s"
    )


def _note(form: Form, streams: int, reports: list[dict[str, Any]], key_table: str) -> str:
    last = reports[-1]
    seconds = last["seconds"]
    keys = ", ".join(f"{name} {value}" for name, value in form.engine.items()) or "default key table"
    return (
        f"{streams} stream(s), {form.inflight} in flight, {form.accounts:,} accounts, {seconds:g} s, {keys}; "
        f"{last['bytes_per_event']:g} B/event sent; processors: server {last['server_cpu_s'] / seconds:.2f}, "
        f"client {last['client_cpu_s'] / seconds:.2f}; server memory "
        f"{last['server_resident_bytes'] >> 20:,} MiB; {key_table}"
    )


def _rate(
    name: str, form: Form, folders: Folders, shape: dict[str, Any], streams: int, goal: Goal
) -> tuple[Figure, list[dict[str, Any]]]:
    reports = _reports(form, folders, shape, streams)
    rates = [float(report["events_per_s"]) for report in reports]
    note = _note(form, streams, reports, _key_table(form, folders))
    return figure_of(name, LAYER, rates, "events/s", goal, note), reports


def rows_8000(form: Form, folders: Folders) -> list[Figure]:
    """Rows, 8,000 per message, and the Redis Lua script in the same run."""
    rate, reports = _rate(
        "ingest, rows, 8,000 per message", form, folders, ROWS_8000, form.streams, Goal(6_000_000)
    )
    with RedisBaseline(folders.new("redis"), form.accounts, fsync_always=False) as redis:
        baseline = [redis.round(form.redis_events) for _ in reports]
        redis.check()
    ratios = [report["events_per_s"] / theirs for report, theirs in zip(reports, baseline, strict=True)]
    beside = figure_of(
        "the same ÷ Redis Lua script",
        LAYER,
        ratios,
        "×",
        Goal(15),
        f"Redis {sorted(baseline)[len(baseline) // 2]:,.0f} events/s, not durable; interleaved: compare.py",
    )
    return [rate, beside]


def rows_1000(form: Form, folders: Folders) -> list[Figure]:
    """Rows, 1,000 per message, one stream, with the times of its acks."""
    rate, reports = _rate(
        "ingest, rows, 1,000 per message, one stream", form, folders, ROWS_1000, 1, Goal(3_500_000)
    )
    acks = [
        figure_of(
            f"the same, ack {name}",
            LAYER,
            [report["ack_ms"][name] for report in reports],
            "ms",
            Goal(most, at_least=False),
        )
        for name, most in (("p50", 1.5), ("p99", 5.0))
    ]
    return [rate, *acks]


def columns_zipf(form: Form, folders: Folders) -> list[Figure]:
    """Columns, 8,000 per message, zipf 0.99 accounts."""
    return [
        _rate(
            "ingest, columns, 8,000 per message, zipf 0.99",
            form,
            folders,
            COLUMNS_ZIPF,
            form.streams,
            Goal(10_000_000),
        )[0]
    ]


def one_hot_account(form: Form, folders: Folders) -> list[Figure]:
    """All traffic to one account."""
    return [
        _rate("ingest, one hot account", form, folders, ONE_HOT_ACCOUNT, form.streams, Goal(6_000_000))[0]
    ]
