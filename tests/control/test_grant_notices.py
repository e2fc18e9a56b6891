"""What becomes of a grant is told: once each, in order, by the account's clock, over restarts."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import drawdown
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.errors import ConfigError
from drawdown.notices.grant_life import lead_times
from drawdown.notices.requests import FeedNotice

from .conftest import START
from .waiting import wait_until

Name = Callable[[str], str]
DAY = timedelta(days=1)


def told(db: Database, account: str, grant_id: str) -> list[FeedNotice]:
    notices = db.notices(account, kinds=["grant.*"], limit=1_000).notices
    return [each for each in notices if each.data["grant_id"] == grant_id]


def kinds(db: Database, account: str, grant_id: str) -> list[str]:
    return [each.kind.removeprefix("grant.") for each in told(db, account, grant_id)]


def until_told(db: Database, account: str, grant_id: str, kind: str) -> list[FeedNotice]:
    wait_until(lambda: kind in kinds(db, account, grant_id), 10)
    return told(db, account, grant_id)


def test_a_grant_lives_through_its_notices(db: Database, account: str) -> None:
    """Made, begun, ends soon twice, over: by the account's own clock and with what is left."""
    db.create_grant(
        account,
        "credits",
        amount="10",
        grant_id="g",
        effective_at=START + DAY,
        expires_at=START + 31 * DAY,
    )
    created = until_told(db, account, "g", "created")[0]
    assert created.data | {"state": ""} == {
        "grant_id": "g",
        "credit_type": "credits",
        "amount": "10",
        "category": "paid",
        "source": "adjustment",
        "state": "",
        "effective_at": "2026-02-01T00:00:00Z",
        "expires_at": "2026-03-03T00:00:00Z",
    }
    assert created.data["state"] == "scheduled"
    assert kinds(db, account, "g") == ["created"]
    db.advance_clock(account, START + DAY)
    until_told(db, account, "g", "activated")
    db.record(account, credit_type="credits", credits="4", event_id="e")
    db.advance_clock(account, START + 24 * DAY - timedelta(microseconds=1))
    assert kinds(db, account, "g") == ["created", "activated"]
    db.advance_clock(account, START + 24 * DAY)
    (soon,) = [each for each in until_told(db, account, "g", "expiring_soon") if "lead_s" in each.data]
    assert (soon.data["left"], soon.data["lead_s"]) == ("6", str(7 * 86_400))
    # Both at once, in order: whoever was away is told the same.
    db.advance_clock(account, START + 40 * DAY)
    until_told(db, account, "g", "expired")
    assert kinds(db, account, "g") == ["created", "activated", "expiring_soon", "expiring_soon", "expired"]
    assert told(db, account, "g")[-1].data["left"] == "6"
    db.advance_clock(account, START + 80 * DAY)
    db.create_grant(account, "credits", amount="1", grant_id="later")
    until_told(db, account, "later", "activated")
    assert len(told(db, account, "g")) == 5


def test_a_grant_used_up_is_told_once_and_again_after_a_correction(db: Database, account: str) -> None:
    """By a debit that spans grants, too; an end of nothing is not told."""
    for number in (1, 2):
        db.create_grant(
            account,
            "credits",
            amount="3",
            grant_id=f"g{number}",
            priority=number,
            expires_at=START + 30 * DAY,
        )
    db.record(account, credit_type="credits", credits="4", event_id="e")
    until_told(db, account, "g1", "exhausted")
    db.record(account, credit_type="credits", credits="1", event_id="e2")
    assert kinds(db, account, "g1") == ["created", "activated", "exhausted"]
    db.correct(account, "e", credits="2")
    assert db.grants(account)[0].remaining == 1
    db.record(account, credit_type="credits", credits="1", event_id="e3")
    wait_until(lambda: kinds(db, account, "g1").count("exhausted") == 2, 10)
    assert "exhausted" not in kinds(db, account, "g2")
    db.advance_clock(account, START + 60 * DAY)
    until_told(db, account, "g2", "expired")
    assert "expired" not in kinds(db, account, "g1")


def test_a_settled_reservation_uses_a_grant_up(db: Database, account: str) -> None:
    db.create_grant(account, "credits", amount="3", grant_id="g")
    with db.reserve(account, credit_type="credits", credits="3") as hold:
        hold.settle(credits="3")
    until_told(db, account, "g", "exhausted")


def test_a_grant_that_waits_is_activated_when_it_is_released(db: Database, account: str) -> None:
    db.create_grant(account, "credits", amount="3", grant_id="g", pending=True)
    assert until_told(db, account, "g", "created")[0].data["state"] == "pending"
    db.advance_clock(account, START + DAY)
    time.sleep(0.1)
    assert kinds(db, account, "g") == ["created"]
    db.release_grant(account, "g")
    until_told(db, account, "g", "activated")
    db.void_grant(account, "g", confirm=True)
    voided = until_told(db, account, "g", "voided")[-1]
    assert voided.data["forfeited"] == "3"
    db.advance_clock(account, START + 2 * DAY)
    assert kinds(db, account, "g") == ["created", "activated", "voided"]


def test_what_is_replaced_is_voided_and_its_heir_begins(db: Database, account: str) -> None:
    db.create_grant(account, "credits", amount="10", grant_id="old")
    db.void_and_replace(
        account,
        void=["old"],
        create=[{"grant_id": "new", "credit_type": "credits", "amount": "4"}],
    )
    assert until_told(db, account, "old", "voided")[-1].data["forfeited"] == "10"
    until_told(db, account, "new", "activated")


def test_the_wall_clock_activates_and_ends_grants(db: Database, name: Name) -> None:
    """Woken at the instant, not by a poll of minutes."""
    holder = name("wall")
    db.create_account(holder)
    now = datetime.now(UTC)
    db.create_grant(
        holder,
        "credits",
        amount="3",
        grant_id="g",
        effective_at=now + timedelta(seconds=0.5),
        expires_at=now + timedelta(seconds=1),
    )
    until_told(db, holder, "g", "expired")
    assert kinds(db, holder, "g") == ["created", "activated", "expired"]
    activated, expired = told(db, holder, "g")[1:]
    assert activated.at >= now + timedelta(seconds=0.5)
    assert expired.at - (now + timedelta(seconds=1)) < timedelta(seconds=2)


def test_entitlement_changes_are_told_with_what_was_gained_and_lost(db: Database, account: str) -> None:
    """By credits, by suspension and back; nothing where nothing changed."""
    db.set_rate(table="notices", meter="calls", credits="1")
    db.assign_rate_table(account, "notices", valid_from=START - DAY)

    def changes() -> list[dict[str, str]]:
        return [each.data for each in db.notices(account, kinds=["entitlement.changed"]).notices]

    assert not db.check(account, "calls")
    db.create_grant(account, "credits", amount="2", grant_id="g")
    wait_until(lambda: len(changes()) == 1, 10)
    assert changes()[0] == {"meters_gained": '["calls"]'}
    db.record(account, "calls", event_id="e1")
    db.suspend_account(account)
    wait_until(lambda: len(changes()) == 2, 10)
    assert changes()[1] == {"meters_lost": '["calls"]'}
    db.resume_account(account)
    wait_until(lambda: len(changes()) == 3, 10)
    db.record(account, "calls", event_id="e2")
    wait_until(lambda: len(changes()) == 4, 10)
    assert changes()[3] == {"meters_lost": '["calls"]'}


def test_each_once_over_kill_and_restart(tmp_path: Path, db_url: str) -> None:
    """Killed in the middle of hundreds of grants, again and again: every notice is there, none twice."""
    settings = {"segment_bytes": str(1 << 20), "reserve_bytes": "0", "db": db_url}
    process = ServerProcess(tmp_path / "data", settings=settings)
    process.start()
    try:
        with drawdown.connect(process.target) as db:
            db.create_credit_type("credits")
            for number in range(20):
                db.create_account(f"a{number}")
        for start in range(0, 240, 60):
            with drawdown.connect(process.target) as db:
                for number in range(start, start + 60):
                    holder = f"a{number % 20}"
                    db.create_grant(holder, "credits", amount="1", grant_id=f"g{number}")
                    db.record(holder, credit_type="credits", credits="1", event_id=f"e{number}")
            process.kill()
            process.start()
        with drawdown.connect(process.target) as db:
            for kind in ("created", "activated", "exhausted"):
                wait_until(lambda kind=kind: len(_all(db, f"grant.{kind}")) >= 240, 30)  # type: ignore[misc]
                found = [each.data["grant_id"] for each in _all(db, f"grant.{kind}")]
                assert sorted(found) == sorted(f"g{number}" for number in range(240))
            for number in range(20):
                sequences = [each.sequence for each in db.notices(f"a{number}", limit=1_000).notices]
                assert sequences == list(range(1, len(sequences) + 1))
    finally:
        process.stop()


def _all(db: Database, kind: str) -> list[FeedNotice]:
    found: list[FeedNotice] = []
    after = 0
    while True:
        page = db.notices(kinds=[kind], after=after, limit=1_000)
        found += page.notices
        if not page.more:
            return found
        after = page.next


def test_lead_times_are_read_and_a_bad_one_is_named() -> None:
    assert lead_times("1d,7d,90m") == (7 * 86_400, 86_400, 5_400)
    assert lead_times("") == ()
    with pytest.raises(ConfigError, match="1w"):
        lead_times("7d,1w")
