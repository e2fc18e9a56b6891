"""Recorders: what they took is told of, whatever the engine says meanwhile and whatever travels together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import drawdown
import drawdown.aio
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.client.recorder import RecorderOptions
from drawdown.embedded import EmbeddedDatabase
from drawdown.embedded_recorder import EmbeddedRecorder
from drawdown.model import now_us

from .conftest import SMALL, prepare

NewAccount = Callable[..., str]
QUICK = RecorderOptions(retry_s=30, backoff_s_max=0.01)


class RefusingEngine:
    """The engine as it is, except that it refuses to take batches as long as it is told to."""

    def __init__(self, engine: object, refusal: drawdown.DrawdownError, times: int) -> None:
        self._engine = engine
        self._refusal = refusal
        self.left = times

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def submit(self, batch: bytes, *, may_force: bool) -> tuple[int, bytes]:
        if self.left:
            self.left -= 1
            raise self._refusal
        return self._engine.submit(batch, may_force=may_force)  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedDatabase]:
    with drawdown.open(tmp_path / "data", **SMALL) as opened:
        prepare(opened)
        opened.create_account("a")
        opened.create_grant("a", "credits", amount="100", grant_id="first")
        yield opened


def refusing_recorder(
    database: EmbeddedDatabase, refusal: drawdown.DrawdownError, times: int, options: RecorderOptions
) -> tuple[EmbeddedRecorder, RefusingEngine]:
    engine = RefusingEngine(database.engine, refusal, times)
    return EmbeddedRecorder(engine, batch=10, linger_ms=60_000, options=options), engine  # type: ignore[arg-type]


@pytest.mark.parametrize("refusal", [drawdown.ReadOnlyError("no space"), drawdown.OverloadedError("shed")])
def test_a_batch_that_the_engine_refuses_for_a_while_is_handed_over_again(
    embedded: EmbeddedDatabase, refusal: drawdown.DrawdownError
) -> None:
    recorder, _ = refusing_recorder(embedded, refusal, 3, QUICK)
    with recorder:
        for _ in range(11):
            recorder.record("a", "calls")
    assert (recorder.totals.recorded, recorder.totals.applied) == (11, 11)
    assert embedded.balance("a", "credits").available == 89


def test_a_flush_in_vain_keeps_the_batch(embedded: EmbeddedDatabase) -> None:
    """Its time is up before there is room on the disk; the next one finds everything, in order."""
    recorder, engine = refusing_recorder(embedded, drawdown.ReadOnlyError("no space"), 1_000_000, QUICK)
    recorder.record("a", "calls", event_id="first")
    with pytest.raises(drawdown.UnavailableError) as late:
        recorder.flush(timeout_s=0.05)
    assert "kept" in late.value.message
    engine.left = 0
    recorder.record("a", "calls", event_id="second")
    recorder.close()
    assert recorder.totals.applied == 2
    events = embedded.ledger("a", kinds=["usage"], oldest_first=True)
    assert [each.event_id for each in events] == ["first", "second"]


def test_a_recorder_that_gave_a_batch_up_never_says_that_all_is_durable(embedded: EmbeddedDatabase) -> None:
    recorder, _ = refusing_recorder(
        embedded, drawdown.ReadOnlyError("no space"), 1, RecorderOptions(retry_s=0)
    )
    with pytest.raises(drawdown.ReadOnlyError):
        for _ in range(10):
            recorder.record("a", "calls")
    for call in (recorder.flush, recorder.close, lambda: recorder.record("a", "calls")):
        with pytest.raises(drawdown.ReadOnlyError):
            call()
    assert recorder.totals.applied == 0
    assert embedded.balance("a", "credits").available == 100


def alternating() -> list[dict[str, Any]]:
    """Events with a time, ours or their own, each beside one whose time is for the engine to say."""
    timed: list[dict[str, Any]] = [{}, {"event_id": "timed", "time": now_us()}, {}]
    return [each for number, event in enumerate(timed) for each in (event, {"event_id": f"own-{number}"})]


@pytest.mark.parametrize("encoding", ["columns", "rows"])
def test_events_with_and_without_a_time_may_follow_each_other(
    database: Database, new_account: NewAccount, encoding: str
) -> None:
    """Which of them would have travelled together is a matter of chance."""
    account = new_account(database, "10")
    options = RecorderOptions(encoding=encoding)
    with database.recorder(batch=100, linger_ms=60_000, options=options) as recorder:
        for event in alternating():
            recorder.record(account, "calls", **event)
    assert (recorder.totals.applied, recorder.totals.refused) == (6, 0)
    assert database.balance(account, "credits").available == 4


def test_they_may_with_an_awaited_recorder(server: ServerProcess) -> None:
    async def story() -> int:
        async with drawdown.aio.connect(server.target) as db:
            await db.create_account("alternating")
            await db.create_grant("alternating", "credits", amount="10", grant_id="g")
            async with db.recorder(batch=100, linger_ms=60_000) as recorder:
                for event in alternating():
                    await recorder.record("alternating", "calls", **event)
            return recorder.totals.applied

    assert asyncio.run(story()) == 6


def test_malformed_events_do_not_end_a_batch(database: Database, new_account: NewAccount) -> None:
    account = new_account(database, "10")
    with database.recorder(batch=100, linger_ms=60_000) as recorder:
        recorder.record(account, "calls")
        with pytest.raises(drawdown.InvalidRequestError):
            recorder.record(account, "calls", quantity=-1)
        recorder.record(account, "calls")
    assert (recorder.totals.applied, recorder.totals.batches) == (2, 1)
