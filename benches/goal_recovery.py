"""How long a start takes: from a local checkpoint, and through a journal behind it."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

from drawdown.cli.bench_preparation import METER, account_id
from drawdown.config import load
from drawdown.engine import Engine

from benches.figures import Figure, Goal, absent, figure_of, require
from benches.folders import Folders
from benches.form import Form
from benches.in_process import batches_of, ingest

LAYER = "Engine.open, files in the page cache"
BATCH = 8000
GRANTS = 3
# The folder of these starts keeps its journal: no checkpoint is written, neither at a size nor at the end.
NO_CHECKPOINT: dict[str, Any] = {"checkpoint_journal_bytes_min": 1 << 40, "checkpoint_on_close": False}


def _open_timed(folder: Path, digest: str, accounts: int) -> float:
    """Seconds until the engine answers; its state must have the digest."""
    settings = {**load(environment={}).engine_settings(), **NO_CHECKPOINT}
    began = time.perf_counter()
    engine = Engine.open(str(folder), settings)
    answer = engine.check_units(account_id(accounts - 1), METER)
    seconds = time.perf_counter() - began
    try:
        require(bool(answer), "the last account may use nothing after recovery")
        require(engine.stats()["accounts"] == accounts, "accounts are missing after recovery")
        require(engine.digest() == digest, "the state differs after recovery")
    finally:
        engine.close()
    return seconds


def recovery(form: Form, folders: Folders) -> list[Figure]:
    """Ready from a checkpoint of all accounts, then from the same with a journal behind it."""
    folder = folders.copy(folders.prepared(form.accounts, GRANTS))
    settings = {**load(environment={}).engine_settings(), **NO_CHECKPOINT}
    samples = max(3, form.rounds)
    with Engine.open(str(folder), settings) as engine:
        digest, keys = engine.digest(), int(engine.stats()["dedupe_keys"])
    ready = [_open_timed(folder, digest, form.accounts) for _ in range(samples)]

    count = -(-form.replay_events // BATCH)
    with Engine.open(str(folder), settings) as engine:
        journal_before = int(engine.stats()["applied_seq"])
        remaining = count
        while remaining:
            step = min(remaining, 100)
            ingest(engine, batches_of(accounts=form.accounts, batch=BATCH, count=step), BATCH)
            remaining -= step
        digest = engine.digest()
        require(engine.stats()["checkpoints"] == 0, "a checkpoint was written: there is less to replay")
        require(int(engine.stats()["applied_seq"]) > journal_before, "nothing was journalled")
    replayed = [_open_timed(folder, digest, form.accounts) for _ in range(samples)]
    events = count * BATCH
    return [
        figure_of(
            f"ready from a checkpoint of {form.accounts:,} accounts",
            LAYER,
            ready,
            "s",
            Goal(3, at_least=False),
            f"{GRANTS} grants each, {keys:,} event ids",
        ),
        figure_of(
            "start with journal", LAYER, replayed, "s", note=f"{events:,} events behind the checkpoint"
        ),
        _replay_rate(events, ready, replayed),
    ]


def _replay_rate(events: int, ready: list[float], replayed: list[float]) -> Figure:
    """Events per second of what a start with journal takes longer than one without."""
    goal = Goal(5_000_000)
    base = statistics.median(ready)
    # Where the difference drowns in the spread of the starts there is no rate to speak of.
    noise = max(ready) - min(ready) + 0.01
    if min(replayed) - base < 2 * noise:
        return absent("journal replay", LAYER, "events/s", f"{events:,} events are too few to tell", goal)
    rates = [events / (seconds - base) for seconds in replayed]
    note = "events ÷ (start with journal − start without)"
    return figure_of("journal replay", LAYER, rates, "events/s", goal, note)
