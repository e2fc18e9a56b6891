"""Cost per event as curves: accounts, grants per account, events per message, streams.

``python -m benches.curves [--only CURVE …] [--accounts-max N] [--json FILE] [--results DIR]``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
from drawdown import embedded

from benches.figures import (
    RESULTS,
    Figure,
    figure_of,
    line,
    machine_facts,
    require,
    require_release,
    shown,
    write_report,
)
from benches.folders import Folders, run_bench
from benches.in_process import LAYER, batches_of, ingest

OVER_GRPC = "client process over gRPC to disk and back"
BATCH = 1000
ACCOUNTS = (10_000, 100_000, 1_000_000, 10_000_000)
GRANTS = (1, 3, 10, 30, 100)
MESSAGES = (1, 10, 100, 1_000, 8_000)
STREAMS = (1, 4, 16, 64, 256)
# Runs follow each other within the default guaranteed window of 30 s, and all their ids count.
ENGINE = {
    "dedupe_budget_bytes": 2 << 30,
    "guaranteed_window_s": 5,
    "dedupe_bucket_s": 1,
    "dedupe_window_s": 43_200,
}


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much of each curve is measured."""

    accounts_max: int
    accounts: int
    """Of the curves that are not about accounts."""
    rounds: int
    batches: int
    """Of 1,000 events per round, in process."""
    seconds: float
    warmup: float


def _in_process(points: dict[str, tuple[int, int]], sizes: Sizes, folders: Folders) -> list[Figure]:
    """ns per event at each point (accounts, grants): all engines are open, and rounds go in turn."""
    costs: dict[str, list[float]] = {point: [] for point in points}
    with ExitStack() as stack:
        opened = {
            point: stack.enter_context(embedded.open(folders.prepared(accounts, grants)))
            for point, (accounts, grants) in points.items()
        }
        for number in range(sizes.rounds + 1):
            for point, database in opened.items():
                made = batches_of(accounts=points[point][0], batch=BATCH, count=sizes.batches)
                cost = ingest(database.engine, made, BATCH).ns_per_event
                # The first round warms caches and the key table.
                if number:
                    costs[point].append(cost)
        for point, database in opened.items():
            require(database.verify().holds, f"{point}: credits are not accounted for")
    return [figure_of(point, LAYER, samples, "ns") for point, samples in costs.items()]


def by_accounts(sizes: Sizes, folders: Folders) -> list[Figure]:
    """Accounts, uniform, three grants each."""
    counts = [count for count in ACCOUNTS if count <= sizes.accounts_max] or [sizes.accounts_max]
    return _in_process({f"{count:,} accounts": (count, 3) for count in counts}, sizes, folders)


def by_grants(sizes: Sizes, folders: Folders) -> list[Figure]:
    """Grants on each account."""
    # Many grants on many accounts measure memory instead: a tenth of the accounts.
    accounts = max(10, sizes.accounts // 10)
    return _in_process({f"{count} grants": (accounts, count) for count in GRANTS}, sizes, folders)


def _over_grpc(points: dict[str, dict[str, Any]], sizes: Sizes, folders: Folders) -> list[Figure]:
    """ns per event at each point, rounds in turn; a server of its own each time."""
    costs: dict[str, list[float]] = {point: [] for point in points}
    notes: dict[str, str] = {}
    folder = folders.prepared(sizes.accounts, 3, **ENGINE)
    for _ in range(sizes.rounds):
        for point, options in points.items():
            report = run_bench(
                folder,
                accounts=sizes.accounts,
                grants=3,
                seconds=sizes.seconds,
                warmup=sizes.warmup,
                settings=ENGINE,
                **options,
            )
            require(report["events_per_s"] > 0, f"{point}: no ack within {sizes.seconds:g} s")
            costs[point].append(1e9 / report["events_per_s"])
            acks = report["ack_ms"]
            rate = shown(report["events_per_s"])
            notes[point] = f"{rate} events/s, ack p50 {acks['p50']:g} ms, p99 {acks['p99']:g} ms"
    return [figure_of(point, OVER_GRPC, samples, "ns", note=notes[point]) for point, samples in costs.items()]


def by_message(sizes: Sizes, folders: Folders) -> list[Figure]:
    """Events per message, one stream, 32 in flight for small ones and 4 for large ones."""
    points = {
        f"{batch:,} per message": {"batch": batch, "streams": 1, "inflight": 32 if batch < 1_000 else 4}
        for batch in MESSAGES
    }
    return _over_grpc(points, sizes, folders)


def by_streams(sizes: Sizes, folders: Folders) -> list[Figure]:
    """Concurrent streams of 1,000 per message, two in flight on each."""
    points = {f"{count} streams": {"batch": BATCH, "streams": count, "inflight": 2} for count in STREAMS}
    return _over_grpc(points, sizes, folders)


CURVES: dict[str, Callable[[Sizes, Folders], list[Figure]]] = {
    "accounts": by_accounts,
    "grants": by_grants,
    "message": by_message,
    "streams": by_streams,
}


def curves(
    names: list[str], sizes: Sizes, say: Callable[[str], None] = lambda text: None
) -> dict[str, list[Figure]]:
    """The points of these curves; each point's answer is checked."""
    found: dict[str, list[Figure]] = {}
    for name in names:
        # A directory per curve: the largest folders do not lie beside each other.
        with Folders() as folders:
            found[name] = CURVES[name](sizes, folders)
        say(f"cost per event by {name}: {(CURVES[name].__doc__ or '').strip()}")
        for figure in found[name]:
            say(f"  {line(figure)}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measure the curves and print them."""
    parser = argparse.ArgumentParser(prog="python -m benches.curves", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(CURVES), metavar="CURVE")
    parser.add_argument("--accounts-max", type=int, default=100_000, help="end of the curve, up to 10 M")
    parser.add_argument("--accounts", type=int, default=100_000, help="of the other curves")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=500, help="of 1,000 events per round, in process")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each point over gRPC")
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write points and machine as JSON")
    parser.add_argument(
        "--results", type=Path, nargs="?", const=RESULTS, metavar="DIR", help="write a report"
    )
    given = parser.parse_args(arguments)
    require_release()
    facts = machine_facts()
    sizes = Sizes(
        accounts_max=given.accounts_max,
        accounts=given.accounts,
        rounds=given.rounds,
        batches=given.batches,
        seconds=given.seconds,
        warmup=given.warmup,
    )
    found = curves(given.only or list(CURVES), sizes, lambda text: print(text, flush=True))
    if given.json is not None:
        report = {"machine": facts, "sizes": sizes, "curves": found}
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    if given.results is not None:
        points = [
            msgspec.structs.replace(figure, name=f"{name}: {figure.name}")
            for name, figures in found.items()
            for figure in figures
        ]
        print(write_report("curves", sizes, facts, points, given.results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
