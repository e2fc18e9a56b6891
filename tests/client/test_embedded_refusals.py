"""The embedded form while the engine refuses to write: what it says of what it did, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
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
