"""Whoever was away is told the same of grants as who was there: the relay reads late, or after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.runtime.control.relay import Relay

from .conftest import SMALL, START, prepare
from .waiting import wait_until

DAY = timedelta(days=1)
Look = Callable[[], None]
Told = tuple[str, str, dict[str, str]]


@pytest.fixture
def stopped(tmp_path: Path, db_url: str) -> Iterator[EmbeddedDatabase]:
    """A database whose relay does nothing of itself."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        prepare(db)
        relay_of(db).background.stop()
        yield db


def relay_of(db: EmbeddedDatabase) -> Relay:
    assert db._relay is not None
    return db._relay


def relay_all(db: EmbeddedDatabase) -> None:
    """Until it has told of all there is."""
    changes = relay_of(db)._changes

    def is_done() -> bool:
        # It rests between two looks where there is much.
        changes._not_before = 0.0
        changes.step()
        return changes._cursor >= db._control_plane().engine.durable_seq() and not changes._not_before

    wait_until(is_done, 30)


def told(db: EmbeddedDatabase, account: str) -> list[Told]:
    notices = db.notices(account, kinds=["grant.*"], limit=1_000).notices
    return [
        (each.kind.removeprefix("grant."), each.data["grant_id"], {**each.data, "grant_id": ""})
        for each in notices
    ]


def kinds(db: EmbeddedDatabase, account: str) -> list[str]:
    return [f"{grant_id} {kind}" for kind, grant_id, _ in told(db, account)]


def live(db: EmbeddedDatabase, account: str, look: Look) -> None:
    """Grants begin later, wait for a release, are used up, voided and expire; ``look`` comes in between."""
    db.create_account(account, test_clock=START)
    month = {"effective_at": START + DAY, "expires_at": START + 31 * DAY}
    db.create_grant(account, "credits", amount="10", grant_id="dated", priority=90, **month)
    db.create_grant(account, "credits", amount="5", grant_id="spent", priority=10)
    db.create_grant(account, "credits", amount="7", grant_id="waits", pending=True, **month)
    db.create_grant(account, "credits", amount="3", grant_id="void", **month)
    look()
    db.advance_clock(account, START + 2 * DAY)
    db.record(account, credit_type="credits", credits="5", event_id="all of one")
    db.void_grant(account, "void", confirm=True)
    look()
    moved = {"effective_at": START + 3 * DAY, "expires_at": START + 50 * DAY}
    db.release_grant(account, "waits", **moved)
    look()
    for days in (4, 26, 60):
        db.advance_clock(account, START + days * DAY)
        look()
    db.create_grant(account, "credits", amount="1", grant_id="past", expires_at=START + 61 * DAY)
    db.advance_clock(account, START + 90 * DAY)
    look()


LIFE = [
    "dated created",
    "spent created",
    "spent activated",
    "waits created",
    "void created",
    "dated activated",
    "void activated",
    "spent exhausted",
    "void voided",
    "waits activated",
    "dated expiring_soon",
    "dated expiring_soon",
    "dated expired",
    "waits expiring_soon",
    "waits expiring_soon",
    "waits expired",
    "past created",
    "past activated",
    "past expired",
]


def test_a_relay_that_was_away_tells_the_same(stopped: EmbeddedDatabase) -> None:
    live(stopped, "prompt", lambda: relay_all(stopped))
    live(stopped, "late", lambda: None)
    relay_all(stopped)
    assert kinds(stopped, "prompt") == LIFE
    assert told(stopped, "late") == told(stopped, "prompt")
    states = {grant: data["state"] for kind, grant, data in told(stopped, "late") if kind == "created"}
    assert states == {
        "dated": "scheduled",
        "spent": "active",
        "waits": "pending",
        "void": "scheduled",
        "past": "active",
    }


def test_after_a_restart_the_journal_says_when_it_was(tmp_path: Path, db_url: str) -> None:
    """Half of it told before, the rest behind a restart, and nothing twice."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        prepare(db)
        relay_of(db).background.stop()
        live(db, "prompt", lambda: relay_all(db))
        looks = iter(range(100))
        live(db, "half", lambda: relay_all(db) if next(looks) < 2 else None)
        live(db, "late", lambda: None)
        expected = told(db, "prompt")
        assert told(db, "late") == [] != told(db, "half") != expected
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        for account in ("half", "late"):
            wait_until(lambda account=account: len(told(db, account)) >= len(expected), 30)  # type: ignore[misc]
            assert told(db, account) == expected
        assert told(db, "prompt") == expected


def test_real_time_is_that_of_the_entry_too(stopped: EmbeddedDatabase) -> None:
    """Voided before it began, it was never active; over before the next was made, it is told before that."""
    stopped.create_account("wall")
    began = datetime.now(UTC)
    moment = timedelta(seconds=0.3)
    stopped.create_grant("wall", "credits", amount="1", grant_id="short", expires_at=began + moment)
    stopped.create_grant("wall", "credits", amount="2", grant_id="later", effective_at=began + 2 * moment)
    stopped.create_grant("wall", "credits", amount="3", grant_id="void", effective_at=began + 2 * moment)
    stopped.void_grant("wall", "void", confirm=True)
    time.sleep(max((began + 1.5 * moment - datetime.now(UTC)).total_seconds(), 0))
    stopped.create_grant("wall", "credits", amount="4", grant_id="next")
    time.sleep(max((began + 3 * moment - datetime.now(UTC)).total_seconds(), 0))
    relay_all(stopped)
    # What is due by time alone is known from the first look on, and told by the next.
    relay_of(stopped)._changes.step()
    assert kinds(stopped, "wall") == [
        "short created",
        "short activated",
        "later created",
        "void created",
        "void voided",
        "short expired",
        "next created",
        "next activated",
        "later activated",
    ]
    assert [data["state"] for kind, _, data in told(stopped, "wall") if kind == "created"] == [
        "active",
        "scheduled",
        "scheduled",
        "active",
    ]


def test_a_backlog_of_instants_is_told_in_parts_and_in_order(
    stopped: EmbeddedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one look takes at once: what is due before a change is told before it nevertheless."""
    monkeypatch.setattr("drawdown.runtime.control.change_relay.CHANGES_AT_ONCE", 3)
    stopped.create_account("wall")
    ends = datetime.now(UTC) + timedelta(seconds=0.5)
    for number in range(8):
        stopped.create_grant("wall", "credits", amount="1", grant_id=f"g{number}", expires_at=ends)
    time.sleep(max((ends - datetime.now(UTC)).total_seconds(), 0) + 0.1)
    stopped.create_grant("wall", "credits", amount="1", grant_id="next")
    relay_all(stopped)
    found = kinds(stopped, "wall")
    assert found[-2:] == ["next created", "next activated"]
    assert sorted(found[-10:-2]) == [f"g{number} expired" for number in range(8)]
    assert len(found) == len(set(found)) == 26
