"""What rolls over after a change of plan, by the caps of the plan that gave it, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from drawdown.client.interface import Database

from .conftest import START
from .plans import published
from .test_invoices import FEBRUARY_END, MARCH_END

Name = Callable[[str], str]
MIDDLE = START + timedelta(days=14)


def charge(amount: str, rollover: dict[str, Any] | None) -> dict[str, Any]:
    credits = {"credit_type": "credits", "amount": amount, "cadence": "monthly"}
    return credits if rollover is None else credits | {"rollover": rollover}


def kept(
    db: Database, account: str, name: Name, old: dict[str, Any] | None, new: dict[str, Any] | None
) -> None:
    """100 credits under the old caps stay, 200 more come under the new ones, in the midst of the period."""
    published(db, name("old"), credits=charge("100", old))
    published(db, name("new"), credits=charge("300", new))
    db.subscribe(account, name("old"), subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    db.change_plan(name("sub"), name("new"), change_id="up", policy="keep_until_expiry")
    assert available(db, account) == Decimal(300)


def available(db: Database, account: str) -> Decimal:
    return db.balance(account, "credits").available


@pytest.mark.behaviour("S0-37")
def test_what_is_kept_rolls_by_the_caps_it_was_granted_under(db: Database, account: str, name: Name) -> None:
    """50 of the old plan's 100 and 10 of the new plan's 200, beside 300 new ones; and so on each month."""
    kept(db, account, name, {"amount": "50"}, {"amount": "10"})
    for edge in (FEBRUARY_END, MARCH_END):
        db.advance_clock(account, edge)
        rolled = [each for each in db.grants(account) if each.source == "rollover" and each.state == "active"]
        assert sorted(each.amount for each in rolled) == [Decimal(10), Decimal(50)]
        assert available(db, account) == Decimal(360)
    assert db.verify(account)


def test_what_does_not_roll_is_not_taken_along(db: Database, account: str, name: Name) -> None:
    """The old plan has no rollover: its 100 expire, the new plan's 200 roll."""
    kept(db, account, name, None, {"amount": "1000"})
    db.advance_clock(account, FEBRUARY_END)
    assert available(db, account) == Decimal(500)


def test_what_rolls_goes_on_under_a_plan_without_rollover(db: Database, account: str, name: Name) -> None:
    """Half of 100, then half of 50; ``times`` counts on as well."""
    kept(db, account, name, {"fraction": "0.5", "times": 2}, None)
    for edge, expected in ((FEBRUARY_END, "350"), (MARCH_END, "325")):
        db.advance_clock(account, edge)
        assert available(db, account) == Decimal(expected)
    db.advance_clock(account, MARCH_END + timedelta(days=30))
    assert available(db, account) == Decimal(300)
    assert db.verify(account)


def test_a_plan_that_was_left_makes_up_no_minimum(db: Database, account: str, name: Name) -> None:
    """20 of 100 are left and roll; 80 more to make the old plan's 100 were given to nobody who left it."""
    kept(db, account, name, {"amount": "1000", "min": "100"}, None)
    assert db.record(account, credit_type="credits", credits="80", event_id="used").status == "OK"
    db.advance_clock(account, FEBRUARY_END)
    assert available(db, account) == Decimal(320)


@pytest.mark.parametrize("days", [20, 45])
def test_what_rolls_between_edges_has_its_whole_lifetime_again(
    db: Database, account: str, name: Name, days: int
) -> None:
    """Credits each month that last 20 or 45 days: no remainder is lost, nor expires with a later grant."""
    credits = charge("100", {"fraction": "1", "times": 1})
    published(db, name("plan"), credits=credits | {"lifetime": {"count": days, "unit": "day"}})
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, START + timedelta(days=days))
    (remainder,) = [each for each in db.grants(account) if each.source == "rollover"]
    assert remainder.amount == Decimal(100)
    assert remainder.effective_at == START + timedelta(days=days)
    assert remainder.expires_at == START + timedelta(days=2 * days)
    assert db.verify(account)
