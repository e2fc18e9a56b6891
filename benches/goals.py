"""Every row of the goals as a named measurement: figure, goal, met or not.

``python -m benches.goals [--form small|large] [--only NAME …] [--list] [--results DIR]``
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benches import (
    goal_asyncio,
    goal_background,
    goal_calls,
    goal_control,
    goal_costs,
    goal_ingest,
    goal_ledger,
    goal_recovery,
    goal_watch,
)
from benches.figures import (
    RESULTS,
    Figure,
    WrongAnswer,
    absent,
    line,
    machine_facts,
    require_release,
    write_report,
)
from benches.folders import Folders
from benches.form import LARGE, SMALL, Form

Measurement = Callable[[Form, Folders], list[Figure]]


MEASUREMENTS: dict[str, Measurement] = {
    "rows_8000": goal_ingest.rows_8000,
    "rows_1000": goal_ingest.rows_1000,
    "columns_zipf": goal_ingest.columns_zipf,
    "one_hot_account": goal_ingest.one_hot_account,
    "check_in_process": goal_calls.check_in_process,
    "unary_calls": goal_calls.unary_calls,
    "batched_checks": goal_calls.batched_checks,
    "coalesced_calls": goal_asyncio.coalesced_calls,
    "pushed_balances": goal_watch.pushed_balances,
    "many_grants": goal_costs.many_grants,
    "many_accounts": goal_costs.many_accounts,
    "memory": goal_costs.memory,
    "recovery": goal_recovery.recovery,
    "ledger": goal_ledger.ledger,
    "snapshot_while_ingesting": goal_background.snapshot_while_ingesting,
    "snapshot_cost": goal_background.snapshot_cost,
    "expiry_sweep": goal_background.expiry_sweep,
    "control_plane": goal_control.control_plane,
}


def measure(names: list[str], form: Form, say: Callable[[str], None] = lambda text: None) -> list[Figure]:
    """The figures of these measurements; one whose answer is wrong is reported as such, without a figure."""
    figures: list[Figure] = []
    with Folders() as folders:
        for name in names:
            say(f"{name} …")
            began = time.monotonic()
            try:
                found = MEASUREMENTS[name](form, folders)
            except WrongAnswer as raised:
                found = [absent(name, "", "", f"WRONG ANSWER: {raised}")]
            figures += found
            for figure in found:
                say(f"  {line(figure)}")
            say(f"  ({time.monotonic() - began:.1f} s)")
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Measure and report. Exit code 1 where an answer was wrong; a missed goal is only a figure."""
    parser = argparse.ArgumentParser(prog="python -m benches.goals", description=__doc__)
    parser.add_argument("--form", choices=["small", "large"], default="small")
    parser.add_argument("--only", nargs="+", choices=list(MEASUREMENTS), metavar="NAME")
    parser.add_argument("--list", action="store_true", help="names of the measurements")
    parser.add_argument(
        "--results", type=Path, nargs="?", const=RESULTS, metavar="DIR", help="write a report"
    )
    parser.add_argument("--accounts", type=int, help="instead of the form's")
    parser.add_argument(
        "--many-accounts", type=int, default=0, help="to compare with; 10 M need about 10 GiB"
    )
    parser.add_argument("--seconds", type=float, help="of each ingest figure, instead of the form's")
    parser.add_argument("--warmup", type=float)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--streams", type=int, help="of ingest with 8,000 per message")
    parser.add_argument("--inflight", type=int)
    given = parser.parse_args(arguments)
    if given.list:
        print("\n".join(f"{name}: {(one.__doc__ or '').strip()}" for name, one in MEASUREMENTS.items()))
        return 0
    require_release()
    facts = machine_facts()
    changes = {
        name: getattr(given, name)
        for name in ("accounts", "many_accounts", "seconds", "warmup", "rounds", "streams", "inflight")
        if getattr(given, name) is not None
    }
    form = msgspec.structs.replace(LARGE if given.form == "large" else SMALL, **changes)
    figures = measure(given.only or list(MEASUREMENTS), form, lambda text: print(text, flush=True))
    if given.results is not None:
        print(write_report("goals", form, facts, figures, given.results))
    return 1 if any(figure.note.startswith("WRONG ANSWER") for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
