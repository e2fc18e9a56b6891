"""Credits that are paid for after they would have expired are their plan's still: they roll, and can go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase

from .conftest import SMALL, prepare
from .plans import published

BEGINS = datetime(2026, 1, 15, tzinfo=UTC)
DAY = timedelta(days=1)
CREDITS = {
    "credit_type": "credits",
    "amount": "100",
    "cadence": "monthly",
    "rollover": {"amount": "50", "times": 1},
}


@pytest.fixture
def db(tmp_path: Path, db_url: str) -> Iterator[EmbeddedDatabase]:
    """An account on a clock of its own; what is not paid stays past due."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL, after_retries="stay") as opened:
        assert isinstance(opened, EmbeddedDatabase)
        prepare(opened)
        opened.put_customer("acme", payment_method="test_ok")
        opened.create_account("acme", customer_id="acme", test_clock=BEGINS)
        yield opened


@pytest.fixture
def paid_late(db: EmbeddedDatabase) -> EmbeddedDatabase:
    """The second month, declined on February 15, is paid on March 20: 100 until April 17."""
    published(db, "plan", credits=CREDITS)
    db.subscribe("acme", "plan", subscription_id="s")
    card = {"payment_method": "test_decline", "when": "period_end"}
    db.change_plan("s", "plan", change_id="card", **card)
    db.advance_clock("acme", BEGINS + 64 * DAY)
    db.put_customer("acme", payment_method="test_ok")
    for each in db.invoices("acme"):
        if each.state != "paid":
            db.mark_invoice_paid(each.invoice_id)
    (late,) = (each for each in db.grants("acme") if each.grant_id == "sub:s:0.1")
    assert (late.state, late.expires_at) == ("active", datetime(2026, 4, 17, tzinfo=UTC))
    return db


def rolled(db: EmbeddedDatabase) -> dict[str, Decimal]:
    """What came out of the second month's credits, by state."""
    found = (each for each in db.grants("acme") if each.grant_id == "sub:s:roll:sub:s:0.1")
    return {each.state: each.amount for each in found}


def test_what_is_left_of_credits_released_late_rolls_when_they_expire(paid_late: EmbeddedDatabase) -> None:
    """50 of the 100, as the plan says; once."""
    paid_late.advance_clock("acme", datetime(2026, 4, 16, tzinfo=UTC))
    assert rolled(paid_late) == {}
    paid_late.advance_clock("acme", datetime(2026, 4, 17, tzinfo=UTC))
    assert rolled(paid_late) == {"active": Decimal(50)}
    assert paid_late.verify("acme").violations == ()


def test_a_cancellation_takes_credits_released_late_as_it_takes_others(paid_late: EmbeddedDatabase) -> None:
    paid_late.cancel_subscription("s", when="now")
    assert paid_late.balance("acme", "credits").available == 0


def test_cadences_of_a_year_that_is_paid_for_late_roll_and_go_with_it(db: EmbeddedDatabase) -> None:
    """The first month's credits had expired when the second month's came: they roll after their month."""
    published(db, "year", credits=CREDITS, billing_period="yearly", fee="200")
    db.put_customer("acme", payment_method="test_unreachable")
    db.subscribe("acme", "year", subscription_id="s")
    db.advance_clock("acme", BEGINS + 36 * DAY)
    assert db.balance("acme", "credits").available == 0
    db.put_customer("acme", payment_method="test_ok")
    db.advance_clock("acme", BEGINS + 37 * DAY)
    assert db.balance("acme", "credits").available == 200
    db.advance_clock("acme", BEGINS + (37 + 31) * DAY)
    states = {each.grant_id: (each.state, each.amount) for each in db.grants("acme")}
    assert states["sub:s:roll:sub:s:0.0"] == ("active", Decimal(50))
    db.cancel_subscription("s", when="now")
    assert db.balance("acme", "credits").available == 0
