"""What time alone does to a balance is told, and recharged, while nobody calls: embedded as on a server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from drawdown.client.interface import Database

from .test_recharge import settled, topped
from .waiting import wait_until

Name = Callable[[str], str]


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def told(db: Database, account: str) -> list[str]:
    return [each.kind for each in db.notices(account, kinds=["balance.*"]).notices]


def test_a_grant_that_ends_begins_a_recharge_without_any_debit(db: Database, name: Name) -> None:
    account = topped(db, name)
    db.create_grant(account, "credits", amount="10", grant_id=name("g"), expires_at=soon())
    db.set_recharge(account, "credits", threshold="5", to="20")
    assert settled(db, account, 1) == [20]


def test_a_balance_that_a_grants_end_changes_is_told(db: Database, name: Name) -> None:
    db.create_account(name("a"))
    db.create_grant(name("a"), "credits", amount="10", grant_id=name("g"), expires_at=soon())
    wait_until(lambda: told(db, name("a"))[-1:] == ["balance.depleted"])


def test_a_balance_that_a_grants_beginning_changes_is_told(db: Database, name: Name) -> None:
    db.create_account(name("a"))
    db.create_grant(name("a"), "credits", amount="10", grant_id=name("used"))
    db.record(name("a"), credit_type="credits", credits="10", event_id=name("all"))
    db.create_grant(name("a"), "credits", amount="10", grant_id=name("g"), effective_at=soon())
    wait_until(lambda: told(db, name("a"))[-1:] == ["balance.recovered"])
