"""What new accounts get: the plan that a product names, and free credits without a payment method (§9.3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown.client.interface import Database

from .conftest import SMALL, START, prepare
from .plans import paid_plan, published

Name = Callable[[str], str]
GIFT = {"amount": "25", "lifetime": {"count": 3, "unit": "month"}}


@pytest.fixture
def own(tmp_path: Path, db_url: str) -> Database:
    """A database of the test's own: what products name concerns every new account."""
    database = drawdown.open(tmp_path / "data", db=db_url, **SMALL)
    prepare(database)
    return database


def free_plan(db: Database, plan_id: str, product: str, **settings: object) -> None:
    """Published; free."""
    plan = paid_plan(plan_id, credits="100", fee="0", type="free", base_fee=[], **settings)
    db.create_plan(**{**plan, "product": product})
    db.publish_plan(plan_id)


@pytest.mark.behaviour("S2-3")
def test_a_new_account_gets_the_plan_that_its_product_names(own: Database) -> None:
    """Once, even when the account is created again; no payment method is needed."""
    with own as db:
        db.create_account("before", test_clock=START)
        db.create_product("start", "Start", signup_plan="free")
        free_plan(db, "free", "start", signup_grant=GIFT)
        for _ in range(3):
            assert db.create_account("acme", test_clock=START)
        (subscription,) = db.subscriptions("acme")
        assert (subscription.plan_id, subscription.state) == ("free", "active")
        assert db.subscriptions("before") == ()
        gift, plan = sorted(db.grants("acme"), key=lambda each: each.source)
        assert (gift.source, gift.category, gift.amount, gift.cost_minor) == ("signup", "promotional", 25, 0)
        assert gift.expires_at == datetime(2026, 4, 30, tzinfo=UTC)
        assert (plan.source, plan.amount) == ("subscription", 100)
        assert db.record("acme", meter="calls", quantity=1, time=START).charged == 2
        assert db.check("acme", "calls").available == Decimal(123)


def test_a_product_without_a_plan_to_be_had_leaves_the_account_as_it_is(own: Database) -> None:
    """The account is there; created again once the plan is published, it gets it."""
    with own as db:
        db.create_product("start", "Start", signup_plan="free")
        assert db.create_account("acme", test_clock=START)
        assert db.subscriptions("acme") == ()
        free_plan(db, "free", "start")
        assert db.create_account("acme", test_clock=START)
        assert len(db.subscriptions("acme")) == 1


def test_free_credits_are_given_once_per_account(db: Database, account: str, name: Name) -> None:
    """A second plan with a gift gives none; a change of plan does not take it back."""
    published(db, name("one"), signup_grant=GIFT)
    published(db, name("two"), signup_grant={"amount": "70"}, fee="90")
    db.subscribe(account, name("one"), subscription_id=name("s1"))
    db.change_plan(name("s1"), name("two"), change_id=name("up"))
    db.subscribe(account, name("two"), subscription_id=name("s2"))
    gifts = [each for each in db.grants(account) if each.source == "signup"]
    assert [(each.amount, each.state) for each in gifts] == [(Decimal(25), "active")]
    assert db.verify(account).holds


def test_free_credits_wait_for_no_payment(db: Database, name: Name) -> None:
    """They are there while the first invoice is not paid."""
    db.put_customer(name("c"), payment_method="test_decline")
    db.create_account(name("a"), customer_id=name("c"), test_clock=START)
    published(db, name("plan"), signup_grant=GIFT)
    assert db.subscribe(name("a"), name("plan"), subscription_id=name("s")).state == "pending"
    assert db.balance(name("a"), "credits").available == Decimal(25)


def test_nobody_takes_the_id_of_another_accounts_sign_up(own: Database) -> None:
    """It follows from product and account: a subscription under it kept the new account from its plan."""
    with own as db:
        db.create_product("start", "Start", signup_plan="free")
        free_plan(db, "free", "start")
        db.create_account("mine", test_clock=START)
        published(db, "paid")
        for taken in ("signup:start:victim", "signup:x"):
            with pytest.raises(drawdown.InvalidRequestError) as refused:
                db.subscribe("mine", "free", subscription_id=taken)
            assert refused.value.field == "subscription_id"
        row = {
            "kind": "subscription",
            "subscription_id": "signup:start:victim",
            "account": "mine",
            "plan_id": "free",
            "started_at": "2026-01-15",
        }
        imported = db.import_opening([row], dry_run=True)
        assert [(each.field, "sign-up" in each.message) for each in imported.problems] == [
            ("subscription_id", True)
        ]
        for account in ("victim", "mine"):
            assert db.create_account(account, test_clock=START)
            assert [each.plan_id for each in db.subscriptions(account)] == ["free"]
