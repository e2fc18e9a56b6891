"""What many grants and many accounts cost per event, and what accounts and event ids cost in memory."""

from __future__ import annotations

import json
import subprocess
import sys

from drawdown import embedded

from benches.figures import Figure, Goal, WrongAnswer, absent, figure_of, require
from benches.folders import Folders
from benches.form import Form
from benches.in_process import LAYER, batches_of, ingest
from benches.memory_probe import FIRST_EVENTS
from benches.unary_calls import ROOT

BATCH = 1000
AT_MOST_THRICE = Goal(3, at_least=False)


def cost_ratio(
    folders: Folders, *, few: tuple[int, int], many: tuple[int, int], batches: int, rounds: int
) -> tuple[list[float], list[float], list[float]]:
    """ns per event with ``few`` and ``many`` (accounts, grants), rounds in turn, and the ratios."""
    costs: tuple[list[float], list[float]] = ([], [])
    with (
        embedded.open(folders.prepared(*few)) as with_few,
        embedded.open(folders.prepared(*many)) as with_many,
    ):
        sides = ((with_few, few[0]), (with_many, many[0]))
        for number in range(rounds + 1):
            for side, (database, accounts) in enumerate(sides):
                made = batches_of(accounts=accounts, batch=BATCH, count=batches)
                cost = ingest(database.engine, made, BATCH).ns_per_event
                # The first round warms caches and the key table.
                if number:
                    costs[side].append(cost)
        for database, _ in sides:
            require(database.verify().holds, "credits are not accounted for")
    return costs[0], costs[1], [more / less for less, more in zip(*costs, strict=True)]


def many_grants(form: Form, folders: Folders) -> list[Figure]:
    """100 grants on an account against 3."""
    accounts = form.cost_accounts
    few, many, ratios = cost_ratio(
        folders, few=(accounts, 3), many=(accounts, 100), batches=form.batches, rounds=max(3, form.rounds)
    )
    return [
        figure_of(f"cost per event, {accounts:,} accounts, 3 grants", LAYER, few, "ns"),
        figure_of(f"cost per event, {accounts:,} accounts, 100 grants", LAYER, many, "ns"),
        figure_of("100 grants ÷ 3 grants", LAYER, ratios, "×", AT_MOST_THRICE, "grants do not run dry"),
    ]


def many_accounts(form: Form, folders: Folders) -> list[Figure]:
    """10 M accounts against 1 M."""
    name = "10 M accounts ÷ 1 M accounts"
    if not form.many_accounts:
        return [absent(name, LAYER, "×", "give --many-accounts 10000000; needs memory", AT_MOST_THRICE)]
    few, many, ratios = cost_ratio(
        folders,
        few=(form.accounts, 3),
        many=(form.many_accounts, 3),
        batches=form.batches,
        rounds=max(3, form.rounds),
    )
    return [
        figure_of(f"cost per event, {form.accounts:,} accounts", LAYER, few, "ns"),
        figure_of(f"cost per event, {form.many_accounts:,} accounts", LAYER, many, "ns"),
        figure_of(
            f"{form.many_accounts:,} accounts ÷ {form.accounts:,} accounts",
            LAYER,
            ratios,
            "×",
            AT_MOST_THRICE,
        ),
    ]


def memory(form: Form, folders: Folders) -> list[Figure]:
    """Memory per account with one grant, and per remembered event id."""
    command = [sys.executable, "-m", "benches.memory_probe", str(folders.new("memory"))]
    command += [str(form.memory_accounts), str(form.memory_events)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise WrongAnswer(f"memory_probe: {done.stderr.strip()[-600:]}")
    found = json.loads(done.stdout)
    require(found["accounts"] == form.memory_accounts, f"{found['accounts']:,} accounts were made")
    expected = form.memory_events + FIRST_EVENTS
    require(found["keys"] == expected, f"{found['keys']:,} event ids are remembered, not {expected:,}")
    layer = "resident memory of an embedding process"
    grown = Goal(40, at_least=False)
    return [
        figure_of(
            "memory per account with one grant",
            layer,
            [found["bytes_per_account"]],
            "B",
            Goal(256, at_least=False),
            f"{form.memory_accounts:,} accounts; ids of 13 bytes and the allocator's slack included",
        ),
        figure_of(
            "memory per event id, growth of the process",
            layer,
            [found["bytes_per_key"]],
            "B",
            grown,
            f"{form.memory_events:,} ids; everything else that ingest keeps is in it",
        ),
        *(
            figure_of(
                f"memory per event id, key table at its {moment}",
                "the engine's own account",
                [found[f"table_bytes_per_key_{which}"]],
                "B",
                grown,
                "of the growth's later half",
            )
            for moment, which in (("fullest", "least"), ("emptiest", "most"))
        ),
    ]
