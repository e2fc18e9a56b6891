"""drawdown over gRPC beside Redis and PostgreSQL, in one run on loopback: rounds in turn, then ratios.

``python -m benches.compare [--accounts N] [--rounds N] [--seconds S] [--json FILE]``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from benches.figures import (
    RESULTS,
    Figure,
    Goal,
    absent,
    figure_of,
    line,
    machine_facts,
    require_release,
    write_report,
)
from benches.folders import Folders, run_bench
from benches.postgres_baseline import PostgresBaseline, binaries
from benches.redis_baseline import RedisBaseline

OVER_GRPC = "client process over gRPC to disk and back"
BESIDE = "the same run, loopback"
ROWS_8000 = "drawdown, rows, 8,000 per message"
SHAPES: dict[str, dict[str, Any]] = {
    ROWS_8000: {"batch": 8000, "encoding": "rows"},
    "drawdown, rows, 1,000 per message": {"batch": 1000, "encoding": "rows"},
    "drawdown, columns, 8,000 per message, zipf": {"batch": 8000, "encoding": "columns", "skew": "zipf"},
}
TIMES_REDIS = Goal(15)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared."""

    accounts: int
    grants: int = 3
    rounds: int
    seconds: int
    warmup: float
    inflight: int
    streams: int
    redis_events: int


Round = Callable[[], float]


def compare(comparison: Comparison, say: Callable[[str], None] = lambda text: None) -> list[Figure]:
    """Rates of all systems, and the ratios of each round. Every answer is checked; rounds interleave."""
    with ExitStack() as stack:
        folders = stack.enter_context(Folders())
        systems: dict[str, Round] = {}
        say(f"preparing {comparison.accounts:,} accounts in each system")
        for name, shape in SHAPES.items():
            systems[name] = _drawdown(comparison, folders, shape)
        baselines: list[RedisBaseline | PostgresBaseline] = []
        for fsync_always in (False, True):
            redis = stack.enter_context(
                RedisBaseline(folders.new("redis"), comparison.accounts, fsync_always=fsync_always)
            )
            baselines.append(redis)
            systems[redis.name] = lambda redis=redis: redis.round(comparison.redis_events)  # type: ignore[misc]
        binary = binaries()
        if binary is not None:
            postgres = stack.enter_context(
                PostgresBaseline(binary, folders.new("postgres"), comparison.accounts)
            )
            baselines.append(postgres)
            systems[postgres.name] = lambda: postgres.round(comparison.seconds)
        rates = _in_turn(systems, comparison.rounds, say)
        for baseline in baselines:
            baseline.check()
    figures = _figures(rates)
    if binary is None:
        figures.append(absent(PostgresBaseline.name, BESIDE, "events/s", "no PostgreSQL on this machine"))
    return figures


def _drawdown(comparison: Comparison, folders: Folders, shape: dict[str, Any]) -> Round:
    def one_round() -> float:
        folder = folders.prepared(comparison.accounts, comparison.grants)
        report = run_bench(
            folder,
            accounts=comparison.accounts,
            grants=comparison.grants,
            seconds=comparison.seconds,
            warmup=comparison.warmup,
            inflight=comparison.inflight,
            streams=comparison.streams,
            **shape,
        )
        return float(report["events_per_s"])

    folders.prepared(comparison.accounts, comparison.grants)
    return one_round


def _in_turn(systems: dict[str, Round], rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(1, rounds + 1):
        for name, one_round in systems.items():
            rate = one_round()
            rates[name].append(rate)
            say(f"round {number}/{rounds}: {name}: {rate:,.0f} events/s")
    return rates


def _figures(rates: dict[str, list[float]]) -> list[Figure]:
    figures = [
        figure_of(name, OVER_GRPC if name in SHAPES else BESIDE, rate, "events/s")
        for name, rate in rates.items()
    ]
    for baseline in rates:
        if baseline in SHAPES:
            continue
        for name in SHAPES:
            ratios = [ours / theirs for ours, theirs in zip(rates[name], rates[baseline], strict=True)]
            has_goal = name == ROWS_8000 and baseline == "redis Lua, not durable"
            figures.append(
                figure_of(f"{name} ÷ {baseline}", BESIDE, ratios, "×", TIMES_REDIS if has_goal else None)
            )
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; exit code 0 also where a goal is missed: it is a figure, not a test."""
    parser = argparse.ArgumentParser(prog="python -m benches.compare", description=__doc__)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each round of drawdown and PostgreSQL")
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--inflight", type=int, default=4)
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--redis-events", type=int, default=300_000, help="events of each round of Redis")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and machine as JSON")
    parser.add_argument(
        "--results", type=Path, nargs="?", const=RESULTS, metavar="DIR", help="write a report"
    )
    given = parser.parse_args(arguments)
    require_release()
    facts = machine_facts()
    comparison = Comparison(
        accounts=given.accounts,
        rounds=given.rounds,
        seconds=given.seconds,
        warmup=given.warmup,
        inflight=given.inflight,
        streams=given.streams,
        redis_events=given.redis_events,
    )
    figures = compare(comparison, lambda text: print(text, file=sys.stderr, flush=True))
    for figure in figures:
        print(line(figure))
    if given.json is not None:
        report = {"machine": facts, "comparison": comparison, "figures": figures}
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    if given.results is not None:
        print(write_report("comparison", comparison, facts, figures, given.results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
