"""What a grant cost is what was paid for it: nothing is paid out, or recognised, beyond what came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from drawdown.client.interface import Database
from drawdown.model.money import Money, total

from .plans import published

Name = Callable[[str], str]


def usd(amount: str) -> Money:
    return Money(int(Decimal(amount) * 100), "USD")


def priced(db: Database, plan_id: str, credits: str, price: str, **settings: Any) -> str:
    """A plan without a fee: so many credits a month at so much."""
    charge = {
        "credit_type": "credits",
        "amount": credits,
        "cadence": "monthly",
        "prices": [{"currency": "USD", "amount": price}],
    }
    return published(db, plan_id, base_fee=[], credits=charge, **settings).plan_id


def paid(db: Database, account: str) -> Money:
    """What the customer gave."""
    return total([each.due for each in db.invoices(account) if each.due and each.state == "paid"], "USD")


def paid_out(db: Database, account: str) -> Money:
    """What is owed when the account is closed now."""
    return total(db.close_account(account, remainder="pay_out", confirm=True).payouts, "USD")


def use(db: Database, account: str, credits: str) -> None:
    assert db.record(account, credit_type="credits", credits=credits, event_id=f"use-{credits}")


@pytest.mark.parametrize(("proration", "credits", "cost"), [("none", 3100, "62"), ("first", 100, "2")])
def test_a_short_first_cadence_costs_its_share(
    db: Database, account: str, name: Name, proration: str, credits: int, cost: str
) -> None:
    """The last day of January; the next cadence is whole again."""
    settings = {"anchor": "first_of_month", "proration": proration}
    db.subscribe(account, priced(db, name("plan"), "3100", "62", **settings), subscription_id=name("sub"))
    (grant,) = db.grants(account)
    assert (grant.amount, grant.cost_minor, paid(db, account)) == (credits, usd(cost).minor, usd(cost))
    db.advance_clock(account, datetime(2026, 2, 1, tzinfo=UTC))
    (whole,) = [each for each in db.grants(account) if each.state == "active"]
    assert (whole.amount, whole.cost_minor) == (3100, 6_200)
    assert paid_out(db, account) == usd("62")


def test_a_short_first_cadence_is_paid_out_as_it_was_paid(db: Database, account: str, name: Name) -> None:
    settings = {"anchor": "first_of_month", "proration": "first"}
    db.subscribe(account, priced(db, name("plan"), "3100", "62", **settings), subscription_id=name("sub"))
    use(db, account, "50")
    assert paid_out(db, account) == usd("1")


@pytest.mark.parametrize(("adjusted", "left"), [("12", "3"), ("10", "1"), ("9.5", "0.5")])
def test_a_delivery_that_is_adjusted_costs_what_was_paid_for_the_rest(
    db: Database, account: str, name: Name, adjusted: str, left: str
) -> None:
    """10 for 5.00, of which 9 are used: 0.50 of it is left, whatever is changed by hand, and how often."""
    prices = [{"currency": "USD", "amount": "5"}]
    db.create_pack(name("pack"), name="Ten", credit_type="credits", amount="10", prices=prices)
    plan = published(db, name("plan"), type="free", base_fee=[], credits=None, rates=[]).plan_id
    db.subscribe(account, plan, subscription_id=name("sub"))
    db.add_service(name("sub"), name("pack"), service_id="ten", schedule="one_off")
    use(db, account, "9")
    for amount in ("11", adjusted):
        db.adjust_delivery(name("sub"), "ten", 0, amount)
    assert db.balance(account, "credits").available == Decimal(left)
    assert (paid(db, account), paid_out(db, account)) == (usd("5"), usd("0.50"))
