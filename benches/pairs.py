"""Two builds beside each other: ``drawdown bench`` of each in turn, pair by pair, and the ratio.

``python -m benches.pairs BEFORE [AFTER] [--pairs 7] [--seconds S] [--accounts N] [--batch N …] [--results]``

BEFORE and AFTER are work trees of this repository after ``make setup`` (AFTER: this one). Each prepares a
folder of its own in its own format. Within a pair the order changes, so that drift of the machine falls on
both; what is quoted is the median of the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benches.figures import (
    RESULTS,
    Figure,
    Goal,
    WrongAnswer,
    figure_of,
    line,
    machine_facts,
    require_release,
    write_report,
)
from benches.folders import Folders

# A build's runs follow each other within the guaranteed window of 30 s, and all their ids count.
BUDGET = {"DRAWDOWN_DEDUPE_BUDGET_BYTES": str(2 << 30)}
LAYER = "client process over gRPC to disk and back"
HERE = Path(__file__).resolve().parent.parent
WITHIN_FIVE_PERCENT = Goal(0.95)


class PairShape(msgspec.Struct, frozen=True, kw_only=True):
    """What both builds are asked to do."""

    pairs: int
    seconds: float
    warmup: float
    accounts: int
    grants: int
    batches: tuple[int, ...]
    streams: int
    inflight: int


def commit_of(tree: Path) -> str:
    """Short commit of a work tree; ``unknown`` where there is none."""
    command = ["git", "-C", str(tree), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def bench_of(tree: Path, folder: Path, shape: PairShape, batch: int, seconds: float) -> dict[str, Any]:
    """One report of the build in ``tree`` on its own folder, which is prepared where it is absent."""
    command = [str(tree / ".venv" / "bin" / "python"), "-m", "drawdown", "bench", "--json"]
    options = {
        "data": folder,
        "accounts": shape.accounts,
        "grants": shape.grants,
        "batch": batch,
        "streams": shape.streams,
        "inflight": shape.inflight,
        "duration": seconds,
        "warmup": shape.warmup,
    }
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    environment = os.environ | BUDGET
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tree, env=environment)
    if done.returncode != 0:
        raise WrongAnswer(f"bench of {tree.name} ended with {done.returncode}: {done.stderr.strip()[-600:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def pairs(trees: tuple[Path, Path], shape: PairShape) -> list[Figure]:
    """For each message size: both builds' rates, and after ÷ before."""
    names = (f"before ({commit_of(trees[0])})", f"after ({commit_of(trees[1])})")
    figures = []
    with Folders() as folders:
        homes = (folders.new("before"), folders.new("after"))
        for tree, home in zip(trees, homes, strict=True):
            # Prepares the folder and warms it; left out.
            bench_of(tree, home, shape, shape.batches[0], 1.0)
        for batch in shape.batches:
            rates: tuple[list[float], list[float]] = ([], [])
            for number in range(shape.pairs):
                for side in (0, 1) if number % 2 == 0 else (1, 0):
                    report = bench_of(trees[side], homes[side], shape, batch, shape.seconds)
                    rates[side].append(float(report["events_per_s"]))
            ratios = [after / before for before, after in zip(*rates, strict=True)]
            what = f"rows, {batch:,} per message"
            figures += [
                figure_of(f"{what}, {name}", LAYER, samples, "events/s")
                for name, samples in zip(names, rates, strict=True)
            ]
            note = f"{shape.pairs} pairs, order changing"
            figures.append(
                figure_of(f"{what}, after ÷ before", LAYER, ratios, "×", WITHIN_FIVE_PERCENT, note)
            )
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. A missed goal is only a figure."""
    parser = argparse.ArgumentParser(prog="python -m benches.pairs", description=__doc__)
    parser.add_argument("before", type=Path, help="work tree of the older build")
    parser.add_argument("after", type=Path, nargs="?", default=HERE)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warmup", type=float, default=2.0)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--grants", type=int, default=3)
    parser.add_argument("--batch", type=int, nargs="+", default=[8000])
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--inflight", type=int, default=4)
    parser.add_argument("--results", type=Path, nargs="?", const=RESULTS, metavar="DIR")
    given = parser.parse_args(arguments)
    require_release()
    shape = PairShape(
        pairs=given.pairs,
        seconds=given.seconds,
        warmup=given.warmup,
        accounts=given.accounts,
        grants=given.grants,
        batches=tuple(given.batch),
        streams=given.streams,
        inflight=given.inflight,
    )
    facts = machine_facts()
    figures = pairs((given.before.resolve(), given.after.resolve()), shape)
    for figure in figures:
        print(line(figure), flush=True)
    if given.results is not None:
        print(write_report("pairs", shape, facts, figures, given.results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
