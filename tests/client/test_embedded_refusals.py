"""The embedded form while the engine refuses to write: what it says of what it did, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown import _engine
from drawdown.embedded import EmbeddedDatabase

from .conftest import SMALL, prepare


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def database(folder: Path) -> Iterator[EmbeddedDatabase]:
    with drawdown.open(folder, **SMALL) as opened:
        prepare(opened)
        opened.create_account("a")
        opened.create_grant("a", "credits", amount="100", grant_id="g")
        yield opened


def refuse_after(
    monkeypatch: pytest.MonkeyPatch, database: EmbeddedDatabase, method: str, taken: int
) -> None:
    """As on a full disk: the engine takes so many more calls of the method, then none."""
    real, calls = getattr(database.engine, method), iter(range(taken))

    def refusing(*args: Any, **kwargs: Any) -> Any:
        if next(calls, None) is None:
            refusal = _engine.ReadOnlyError("no space for the journal: nothing applied")
            refusal.definite = True
            raise refusal
        return real(*args, **kwargs)

    monkeypatch.setattr(database.engine, method, refusing)


@pytest.mark.parametrize(("taken", "definite"), [(0, True), (2, False)])
def test_a_batch_that_was_applied_in_part_is_not_definitely_not_applied(
    database: EmbeddedDatabase, monkeypatch: pytest.MonkeyPatch, taken: int, definite: bool
) -> None:
    """Without ids a repeat would charge the first two twice."""
    refuse_after(monkeypatch, database, "record_units", taken)
    with pytest.raises(drawdown.ReadOnlyError) as refused:
        database.record_batch([{"account": "a", "meter": "calls"}] * 3)
    assert refused.value.definite is definite
    assert database.balance("a", "credits").available == 100 - taken
    assert database.engine.durable_seq() >= database.balance("a", "credits").seq


def test_a_close_that_cannot_release_gives_the_folder_back_all_the_same(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hold lapses by itself; the next owner of the folder need not wait for this process to end."""
    database = drawdown.open(folder, **SMALL)
    prepare(database)
    database.create_account("a")
    database.create_grant("a", "credits", amount="100", grant_id="g")
    for reservation_id in ("first", "second"):
        database.reserve("a", "calls", reservation_id=reservation_id, release_on_disconnect=True)
    refusal = drawdown.ReadOnlyError("no space for the journal")

    def refuse(*_: object) -> None:
        raise refusal

    monkeypatch.setattr(database.engine, "execute_json", refuse)
    database.close()
    database.close()
    (told,) = [each.getMessage() for each in caplog.records if each.name == "drawdown.client"]
    assert told.startswith("2 reservations were not released") and "no space" in told
    with drawdown.open(folder, **SMALL) as again:
        assert len(again.reservations("a")) == 2


def test_reservations_that_lapsed_are_not_kept_for_the_close(
    database: EmbeddedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drawdown.embedded.RELEASES_KEPT", 8)
    monkeypatch.setattr(database, "_releases_looked_through_at", 8)
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    database.create_account("clock", test_clock=begin)
    database.create_grant("clock", "credits", amount="100", grant_id="g")
    database.reserve("a", "calls", ttl=3600, release_on_disconnect=True)
    for minute in range(1, 31):
        database.reserve("clock", "calls", ttl=30, release_on_disconnect=True)
        database.advance_clock("clock", begin + timedelta(minutes=minute))
    assert len(database._released_at_close) < 8
    assert any(account == "a" for account, _ in database._released_at_close)
