"""How long the ledger takes to answer: an event explained, a page, a balance of the past."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from drawdown.cli.bench_preparation import account_id
from drawdown.config import load
from drawdown.engine import Engine

from benches.figures import Figure, Goal, figure_of, require
from benches.folders import Folders
from benches.form import Form
from benches.in_process import batches_of, ingest

LAYER = "Engine in process, journal in the page cache"
BATCH = 1_000
EXPLAINED = 30
SECOND = Goal(1.0, at_least=False)
AnswerT = TypeVar("AnswerT")


def _timed(ask: Callable[[], AnswerT]) -> tuple[float, AnswerT]:
    began = time.perf_counter()
    answer = ask()
    return time.perf_counter() - began, answer


def _write(engine: Engine, form: Form) -> int:
    """Half of the events over all accounts, half on one: the easy and the hard case in one journal."""
    remaining = form.replay_events // BATCH
    while remaining:
        step = min(remaining, 200)
        for skew, count in (("zipf", step - step // 2), ("hot", step // 2)):
            ingest(engine, batches_of(accounts=form.accounts, batch=BATCH, count=count, skew=skew), BATCH)
        remaining -= step
    return form.replay_events // BATCH * BATCH


def _indexed(engine: Engine) -> tuple[float, int]:
    """Seconds it takes to index what is closed, and the segments."""
    began = time.perf_counter()
    segments = 0
    for progress in engine.index_journal():
        segments = progress.closed_segments
    return time.perf_counter() - began, segments


def _explain(engine: Engine, account: str, after_seq: int) -> float | None:
    """Seconds to explain the account's first event behind a position; its answer must add up."""
    page = engine.ledger_page(account, kinds=["usage"], after_seq=after_seq, limit=1, oldest_first=True)
    if not page.entries:
        return None
    event = page.entries[0]
    require(event.event_id is not None, "an applied event without id")
    seconds, told = _timed(lambda: engine.explain(account, str(event.event_id)))
    spent = told.balance_before.available - told.balance_after.available
    require(told.event == event, "another event was explained")
    require(spent == event.charged, f"{event.charged} were charged, the balance fell by {spent}")
    return seconds


def _samples(engine: Engine, accounts: list[str], newest: int) -> list[float]:
    generator = random.Random(7)
    found = (_explain(engine, account, generator.randrange(newest)) for account in accounts)
    seconds = [each for each in found if each is not None]
    require(bool(seconds), "no event was found to explain")
    return seconds


def ledger(form: Form, folders: Folders) -> list[Figure]:
    """Index, explain, page and balance of the past over one journal with spread and hot accounts."""
    folder = folders.copy(folders.prepared(form.accounts, 3))
    settings: dict[str, Any] = {**load(environment={}).engine_settings(), "index_in_background": False}
    with Engine.open(str(folder), settings) as engine:
        events = _write(engine, form)
        newest = engine.applied_seq()
        indexing, segments = _indexed(engine)
        spread = [account_id(number) for number in random.Random(3).sample(range(form.accounts), EXPLAINED)]
        hot = account_id(0)
        note = f"{events:,} events in {segments + 1} segments, {form.accounts:,} accounts"
        cold, _ = _timed(lambda: engine.ledger_page(spread[0], limit=100))
        explained = _samples(engine, spread, newest)
        explained_hot = _samples(engine, [hot] * EXPLAINED, newest)
        pages = [_timed(lambda: engine.ledger_page(hot, limit=100))[0] for _ in range(5)]
        began = engine.ledger_page(hot, kinds=["usage"], limit=1, after_seq=newest // 2, oldest_first=True)
        at = began.entries[0].received_at
        past = [_timed(lambda: engine.balance_at(hot, "credits", at))[0] for _ in range(5)]
    figures = [
        figure_of("explain an event of one of many accounts", LAYER, explained, "s", SECOND, note),
        figure_of("explain an event of the busiest account", LAYER, explained_hot, "s", SECOND, note),
        figure_of(
            "newest 100 entries of that account", LAYER, pages, "s", None, f"first page ever: {cold:.3f} s"
        ),
        figure_of("balance of that account half-way back", LAYER, past, "s", None, note),
    ]
    if segments:
        rate = events / indexing
        figures.append(figure_of("indexing", LAYER, [rate], "events/s", None, f"{segments} closed segments"))
    return figures
