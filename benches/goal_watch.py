"""How soon a watcher hears of a change: from the answer of the debit to the pushed balance."""

from __future__ import annotations

import time

import drawdown
from drawdown.cli.bench_preparation import METER, account_id
from drawdown.cli.server_process import ServerProcess

from benches.figures import Figure, Goal, figure_of, require
from benches.folders import Folders
from benches.form import Form

GRANTS = 3
LAYER = "client process over gRPC, watch stream"
# "Within milliseconds": of the debit's own answer, on the same machine.
PUSHED_MS = Goal(10, at_least=False)


def pushed_balances(form: Form, folders: Folders) -> list[Figure]:
    """``WatchBalances`` of as many accounts as a watch may have, one debited at a time."""
    watched = [account_id(n) for n in range(min(1000, form.accounts))]
    took: list[float] = []
    with (
        ServerProcess(folders.copy(folders.prepared(form.accounts, GRANTS))) as server,
        drawdown.connect(server.target) as database,
        database.watch_balances(watched) as watch,
    ):
        for _ in watched:
            next(watch)
        for n in range(form.calls):
            account = watched[n * 7 % len(watched)]
            result = database.record(account, METER)
            began = time.perf_counter()
            told = next(watch)
            took.append((time.perf_counter() - began) * 1000)
            right = told.account == account and told.available == result.available
            require(right, f"{account}: {result.available}, told {told.account}: {told.available}")
    took.sort()
    name = "balance pushed after the debit's answer"
    p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
    note = f"{len(watched)} accounts on one watch"
    return [
        figure_of(f"{name}: p50", LAYER, [p50], "ms", PUSHED_MS, note),
        figure_of(f"{name}: p99", LAYER, [p99], "ms"),
    ]
