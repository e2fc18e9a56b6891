"""A change of plan whose payment comes when another period has begun."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.payments import ChargeState

from .conftest import SMALL, START, prepare
from .plans import published
from .test_invoice_callbacks import provider_of, tell
from .test_invoices import FEBRUARY_END, newest, usd

HOUR = timedelta(hours=1)
MARCH_FIRST = FEBRUARY_END + timedelta(days=1)


@pytest.fixture
def db(tmp_path: Path, db_url: str) -> Iterator[EmbeddedDatabase]:
    """One on a plan of 10 asks for one of 100, an hour before the renewal: 0.13 are on their way."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as opened:
        assert isinstance(opened, EmbeddedDatabase)
        prepare(opened)
        opened.put_customer("c", payment_method="test_ok")
        opened.create_account("acme", customer_id="c", test_clock=START)
        published(opened, "small", fee="10", credits="100", proration="both")
        published(opened, "large", fee="100", credits="1000", proration="both")
        opened.subscribe("acme", "small", subscription_id="s")
        opened.advance_clock("acme", FEBRUARY_END - HOUR)
        opened.change_plan("s", "large", change_id="up", payment_method="test_pending")
        assert newest(opened, "acme").due == usd("0.13")
        yield opened


def paid_too_late(db: EmbeddedDatabase) -> str:
    """The 0.13 come a day after the renewal; the id of the invoice that is asked for then."""
    asked = newest(db, "acme").invoice_id
    db.advance_clock("acme", MARCH_FIRST)
    tell(db, newest(db, "acme").invoice_id)
    tell(db, asked, times=2)
    return newest(db, "acme").invoice_id


def test_the_difference_of_the_present_period_is_asked_for(db: EmbeddedDatabase) -> None:
    """30 of 31 days of 90 more, less what was paid; the plan and its credits come with that payment."""
    again = paid_too_late(db)
    assert (db.invoice(again).gross, db.invoice(again).due) == (usd("87.10"), usd("86.97"))
    assert (db.subscription("s").plan_id, db.balance("acme", "credits").available) == ("small", 100)
    tell(db, again, times=2)
    assert (db.subscription("s").plan_id, db.subscription("s").planned_change) == ("large", None)
    assert db.balance("acme", "credits").available > 900
    charged = [each.amount for each in provider_of(db).charges() if each.state is ChargeState.SUCCEEDED]
    assert charged == [usd(10), usd("0.13"), usd(10), usd("86.97")]


def test_where_that_is_not_paid_the_change_does_not_happen(db: EmbeddedDatabase) -> None:
    """What came too late is not lost: it is used for what is due next."""
    again = paid_too_late(db)
    tell(db, again, ChargeState.FAILED)
    assert (db.invoice(again).state, db.subscription("s").planned_change) == ("void", None)
    assert db.subscription("s").plan_id == "small"
    db.create_pack("pack", name="pack", amount="1", prices=[{"currency": "USD", "amount": "5"}])
    assert db.buy_pack("acme", "pack", purchase_id="p", payment_method="test_ok").charged == usd("4.87")


def test_where_no_period_runs_the_change_does_not_happen(db: EmbeddedDatabase) -> None:
    """Paused, and its period is over: what was paid is kept, and resumed it goes on with the plan it had."""
    asked = newest(db, "acme").invoice_id
    db.pause_subscription("s")
    db.advance_clock("acme", MARCH_FIRST)
    tell(db, asked)
    assert db.subscription("s").planned_change is None
    assert db.balance("acme", "credits").available == 0
    db.resume_subscription("s")
    assert (db.subscription("s").plan_id, newest(db, "acme").due) == ("small", usd("9.87"))
