"""Ended grants leave the engine's memory, and no list, report or command notices."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase
from drawdown.model.results import CommandResult

from .conftest import START
from .plans import published
from .waiting import wait_until

Name = Callable[[str], str]
DAY = timedelta(days=1)


def has_left(db: Database, account: str, *grant_ids: str) -> bool:
    """Whether the ledger says that these grants have left memory, as a sweep finds it."""
    if isinstance(db, EmbeddedDatabase):
        # Without waiting for its own sweep.
        db.engine.expire_due(1_000)
    entries = db.ledger(account, kinds=["grants_left"])
    return set(grant_ids) <= {left for entry in entries for left in entry.facts["grant_ids"]}


def test_an_ended_grant_is_listed_reported_and_known_as_before(db: Database, account: str) -> None:
    """One expired with something left, one used up, one voided; one of no end stays."""

    def give(grant_id: str, amount: str = "10", days: int | None = None) -> CommandResult:
        expires_at = None if days is None else START + days * DAY
        return db.create_grant(
            account,
            "credits",
            amount=amount,
            grant_id=grant_id,
            priority=1 if days else 2,
            effective_at=START,
            expires_at=expires_at,
            cost_minor=500,
            cost_currency="EUR",
            metadata={"order": grant_id},
        )

    give("expired", days=1)
    db.record(account, credit_type="credits", credits="4", event_id="e1")
    db.advance_clock(account, START + 2 * DAY)
    give("used")
    db.record(account, credit_type="credits", credits="10", event_id="e2")
    give("voided")
    db.void_grant(account, "voided", confirm=True)
    give("stays")
    before = {each.grant_id: each for each in db.grants(account)}
    figures = {
        name: (each.state, int(each.burned), int(each.expired), int(each.voided))
        for name, each in before.items()
    }
    assert figures == {
        "expired": ("expired", 4, 6, 0),
        "used": ("exhausted", 10, 0, 0),
        "voided": ("voided", 0, 0, 10),
        "stays": ("active", 0, 0, 0),
    }
    report = db.report_credits(account_prefix=account)
    assert not has_left(db, account, "expired")
    db.advance_clock(account, START + 40 * DAY)
    wait_until(lambda: has_left(db, account, "expired", "used", "voided"))
    after = {each.grant_id: each for each in db.grants(account)}
    assert next(iter(after)) == "stays"
    for name, each in before.items():
        told = (after[name].state, after[name].burned, after[name].remaining, after[name].metadata)
        assert told == (each.state, each.burned, each.remaining, each.metadata)
    assert db.report_credits(account_prefix=account) == report
    assert db.explain(account, "e1").draws[0].grant_id == "expired"
    assert int(db.balance(account, "credits").available) == 10
    # The id is taken for good.
    assert give("expired", days=1).status == "DUPLICATE"
    assert give("expired", amount="11", days=1).status == "CONFLICT"
    assert len(db.grants(account)) == 4
    assert db.void_grant(account, "expired", confirm=True).status == "OK"
    assert db.void_grant(account, "expired", confirm=True).status == "DUPLICATE"
    states = {each.grant_id: each.state for each in db.grants(account)}
    assert states == {"expired": "voided", "used": "exhausted", "voided": "voided", "stays": "active"}


@pytest.mark.parametrize("days", [20, 100])
def test_a_change_of_plan_counts_a_grant_that_left(db: Database, account: str, name: Name, days: int) -> None:
    """A year's credits are used up on the first day: whenever the plan changes, what was used stays used."""
    yearly = {"credit_type": "credits", "cadence": "yearly"}
    small, large = (
        published(
            db, name(size), fee=fee, billing_period="yearly", credits={**yearly, "amount": amount}
        ).plan_id
        for size, fee, amount in (("small", "10", "100"), ("large", "40", "500"))
    )
    db.subscribe(account, small, subscription_id=name("sub"))
    (own,) = db.grants(account)
    db.record(account, credit_type="credits", credits="100", event_id="all")
    db.advance_clock(account, START + days * DAY)
    if days > 36:
        wait_until(lambda: has_left(db, account, own.grant_id))
    db.change_plan(name("sub"), large, change_id="up")
    assert int(db.balance(account, "credits").available) == 400
    assert {each.grant_id: each.state for each in db.grants(account)}[own.grant_id] == "voided"
    db.cancel_subscription(name("sub"), when="now")
    assert int(db.balance(account, "credits").available) == 0
