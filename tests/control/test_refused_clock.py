"""A test clock that a caller's group would have moved stands where the engine has it, after any restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase
from drawdown.model.commands import AdvanceClock, ReleaseGrant
from drawdown.model.instants import us_from_instant

from .conftest import SMALL, START, prepare
from .plans import published
from .test_restored_engine import keep_engine, put_back

LATER = START + timedelta(days=5)


@contextmanager
def embedded_door(data: Path) -> Iterator[Database]:
    with drawdown.open(data, **SMALL) as opened:
        yield opened


@contextmanager
def grpc_door(data: Path) -> Iterator[Database]:
    with (
        ServerProcess(data, settings={"payments": "test"}) as process,
        drawdown.connect(process.target) as connection,
    ):
        yield connection


def subscribed(database: Database) -> None:
    prepare(database)
    published(database, "pro")
    database.put_customer("c", payment_method="test_ok")
    database.create_account("a", customer_id="c", test_clock=START)
    database.subscribe("a", "pro", subscription_id="s")


def stands(database: EmbeddedDatabase) -> tuple[Any, int]:
    """Where the clock stands, and how often the engine was taken for a restored one."""
    restores = database._control_plane().restores
    return database.account("a").test_clock, restores


@pytest.mark.parametrize("door", [embedded_door, grpc_door])
def test_a_refused_group_moves_no_clock_at_the_next_start(tmp_path: Path, door: Callable[..., Any]) -> None:
    """Nothing else was journaled: the position it would have had is above where the engine stands."""
    data = tmp_path / "data"
    with door(data) as database:
        subscribed(database)
        group = [
            AdvanceClock(account="a", to=us_from_instant(LATER)),
            ReleaseGrant(account="a", grant_id="nope"),
        ]
        assert [each.status for each in database.execute(group)] == ["NOT_APPLIED", "GRANT_UNKNOWN"]
        assert database.account("a").test_clock == START
    with drawdown.open(data, **SMALL) as reopened:
        assert stands(reopened) == (START, 0)


def test_a_group_that_is_refused_whatever_happens_does_no_job_on_the_way(tmp_path: Path) -> None:
    """The clock would pass a renewal: it is neither invoiced nor granted, and the clock stands."""
    with embedded_door(tmp_path / "data") as database:
        subscribed(database)
        later = us_from_instant(START + timedelta(days=40))
        group = [AdvanceClock(account="a", to=later), ReleaseGrant(account="nobody", grant_id="g")]
        assert [each.status for each in database.execute(group)] == ["NOT_APPLIED", "ACCOUNT_UNKNOWN"]
        assert database.account("a").test_clock == START
        assert len(database.invoices("a")) == 1


def ended(database: EmbeddedDatabase, monkeypatch: pytest.MonkeyPatch, *, applied: bool) -> None:
    """The process ends while the clock is on its way: before the engine has it, or right after."""
    engine = database.engine
    execute_json = engine.execute_json

    def dying(group: bytes, *, account_prefix: str = "") -> tuple[int, bytes]:
        if applied:
            execute_json(group, account_prefix=account_prefix)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(engine, "execute_json", dying)
        with pytest.raises(KeyboardInterrupt):
            database.advance_clock("a", LATER)


def test_a_clock_that_never_reached_the_engine_is_forgotten_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with drawdown.open(tmp_path / "data", **SMALL) as database:
        subscribed(database)
        ended(database, monkeypatch, applied=False)
    for _ in range(2):
        with drawdown.open(tmp_path / "data", **SMALL) as database:
            assert stands(database) == (START, 0)


def test_a_clock_that_reached_the_engine_outlives_a_restore_though_nobody_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, kept = tmp_path / "data", tmp_path / "kept"
    with drawdown.open(data, **SMALL) as database:
        subscribed(database)
    keep_engine(data, kept)
    with drawdown.open(data, **SMALL) as database:
        database._control_plane()
        ended(database, monkeypatch, applied=True)
    with drawdown.open(data, **SMALL) as database:
        assert stands(database) == (LATER, 0)
    put_back(data, kept)
    with drawdown.open(data, **SMALL) as database:
        assert stands(database) == (LATER, 1)
