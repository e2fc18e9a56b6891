"""Several subscriptions of one account: what they share, and what becomes of it when one of them ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from drawdown.billing.invoice import Invoice
from drawdown.client.interface import Database
from drawdown.model.money import Money, money_from

from .plans import published

Name = Callable[[str], str]
EDGE = datetime(2026, 2, 28, tzinfo=UTC)
DAY = timedelta(days=1)


def usd(amount: str | int) -> Money:
    return money_from(amount, "USD")


def newest(db: Database, account: str) -> Invoice:
    return db.invoices(account)[-1]


def two(db: Database, account: str, name: Name) -> tuple[str, str]:
    """Two subscriptions whose renewals are on one invoice: 20.00 and 7.00."""
    minutes = {"credit_type": "minutes", "amount": "10", "cadence": "monthly"}
    published(db, name("plan"), credits="100")
    published(db, name("further"), credits=minutes, fee="7")
    for plan in ("plan", "further"):
        db.subscribe(account, name(plan), subscription_id=name(f"on-{plan}"))
    return name("on-plan"), name("on-further")


@pytest.mark.behaviour("S3-4")
def test_a_new_card_pays_a_joint_invoice_after_one_subscription_on_it_has_ended(
    db: Database, account: str, name: Name
) -> None:
    """27.00 are declined and the first is cancelled; the customer's next card is what the other pays by."""
    first, other = two(db, account, name)
    db.put_customer(name("customer"), payment_method="test_decline")
    db.advance_clock(account, EDGE)
    db.cancel_subscription(first, when="now")
    db.put_customer(name("customer"), payment_method="test_ok")
    unpaid = newest(db, account)
    assert (unpaid.state, unpaid.due, unpaid.attempts) == ("paid", usd(27), 1)
    assert db.subscription(other).state == "active"
    db.advance_clock(account, EDGE + 40 * DAY)
    assert (db.subscription(first).state, db.subscription(other).state) == ("ended", "active")


def test_a_joint_invoice_is_retried_with_the_card_of_the_subscription_that_goes_on(
    db: Database, account: str, name: Name
) -> None:
    """The one that has ended had a card of its own; that is not asked once more."""
    first, other = two(db, account, name)
    db.change_plan(
        first, name("plan"), change_id=name("card"), payment_method="test_decline", when="period_end"
    )
    db.advance_clock(account, EDGE)
    db.cancel_subscription(first, when="now")
    db.advance_clock(account, EDGE + DAY)
    assert (newest(db, account).state, newest(db, account).attempts) == ("paid", 1)
    assert db.subscription(other).state == "active"


def test_what_an_ended_subscription_owes_is_asked_of_the_customers_new_card(
    db: Database, account: str, name: Name
) -> None:
    published(db, name("plan"), credits="100")
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.put_customer(name("customer"), payment_method="test_decline")
    db.advance_clock(account, EDGE)
    db.cancel_subscription(name("sub"), when="now")
    db.put_customer(name("customer"), payment_method="test_ok")
    assert db.retry_payment(newest(db, account).invoice_id, retry_id="r").state == "paid"


def test_a_card_named_for_what_an_ended_subscription_owes_pays_it(
    db: Database, account: str, name: Name
) -> None:
    """Before the customer's own, which is still the one that was declined."""
    published(db, name("plan"), credits="100")
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.put_customer(name("customer"), payment_method="test_decline")
    db.advance_clock(account, EDGE)
    db.cancel_subscription(name("sub"), when="now")
    unpaid = newest(db, account).invoice_id
    assert db.retry_payment(unpaid, retry_id="r", payment_method="test_ok").state == "paid"
