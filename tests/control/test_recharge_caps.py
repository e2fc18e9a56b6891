"""Caps of automatic recharge count in the calendar month of the customer, wherever that is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from drawdown.client.interface import Database

from .plans import published
from .test_recharge import available, settled, use
from .waiting import wait_until

Name = Callable[[str], str]
TOKYO = "Asia/Tokyo"
NEW_YORK = "America/New_York"


def capped(db: Database, name: Name, start: datetime, zone: str = "UTC") -> str:
    """An account on its own clock with no credits, and one recharge a month: at 5, of 20."""
    db.put_customer(name("customer"), payment_method="test_ok", time_zone=zone)
    db.create_account(name("acme"), customer_id=name("customer"), test_clock=start)
    published(
        db,
        name("plan"),
        credits="1",
        billing_period="yearly",
        top_up={"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]},
    )
    db.subscribe(name("acme"), name("plan"), subscription_id=name("sub"))
    use(db, name("acme"), "1", "spend-the-plans-own")
    db.set_recharge(name("acme"), "credits", threshold="5", amount="20", cap_count=1)
    settled(db, name("acme"), 1)
    wait_until(lambda: available(db, name("acme")) == 20)
    return name("acme")


def held_back(db: Database, account: str) -> bool:
    """Whether the cap keeps the next recharge from beginning, now that all is used."""
    use(db, account, f"{available(db, account)}", f"all-at-{db.account(account).test_clock}")
    wait_until(lambda: db.recharge(account, "credits").standing.reason == "cap_count_reached")
    return len(db.purchases(account)) == 1


@pytest.mark.behaviour("S3-32")
def test_the_month_of_the_caps_is_that_of_the_customers_zone(db: Database, name: Name) -> None:
    """Bought on 31 March by UTC, in April by Tokyo: the next is in May there, as April ends by UTC."""
    account = capped(db, name, datetime(2026, 3, 31, 20, tzinfo=UTC), TOKYO)
    assert held_back(db, account)
    for instant in (datetime(2026, 4, 1, 12, tzinfo=UTC), datetime(2026, 4, 30, 14, 59, tzinfo=UTC)):
        db.advance_clock(account, instant)
        assert len(db.purchases(account)) == 1
    db.advance_clock(account, datetime(2026, 4, 30, 15, tzinfo=UTC))
    assert settled(db, account, 2) == [Decimal(20)] * 2


@pytest.mark.behaviour("S3-32")
@pytest.mark.parametrize("zone", [TOKYO, NEW_YORK])
def test_moving_to_another_zone_does_not_begin_the_caps_anew(db: Database, name: Name, zone: str) -> None:
    """One a month was bought on 10 March in UTC: none more in that month, and one with the next."""
    account = capped(db, name, datetime(2026, 3, 10, tzinfo=UTC))
    db.put_customer(name("customer"), payment_method="test_ok", time_zone=zone)
    assert held_back(db, account)
    db.advance_clock(account, datetime(2026, 3, 31, 12, tzinfo=UTC))
    assert len(db.purchases(account)) == 1
    db.advance_clock(account, datetime(2026, 4, 1, 12, tzinfo=UTC))
    assert settled(db, account, 2) == [Decimal(20)] * 2
