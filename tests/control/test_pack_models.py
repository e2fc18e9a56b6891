"""The ways to sell packs: at once, on the next invoice, or one plan per pack; and what the counters say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from drawdown.client.interface import Database
from drawdown.model.money import money_from

from .conftest import START
from .plans import published
from .test_purchases import pack

Name = Callable[[str], str]
FEBRUARY_END = datetime(2026, 2, 28, tzinfo=UTC)
MARCH_END = datetime(2026, 3, 31, tzinfo=UTC)


def free_plan(db: Database, account: str, name: Name) -> None:
    """A plan without a recurring price that bills what comes up each month."""
    plan = published(db, name("plan"), type="free", base_fee=[], credits="1")
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    db.record(account, credit_type="credits", credits="1", event_id="the-plans-own")


@pytest.mark.behaviour("S2-8", "S2-18", "S2-19", "S2-21", "S2-22")
def test_packs_billed_later_stand_on_the_next_invoice_and_usage_never_does(
    db: Database, account: str, name: Name
) -> None:
    """Two 20-packs bill 120, once; using them moves the balance only; nothing bought, nothing billed."""
    free_plan(db, account, name)
    db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"), quantity=2, bill_later=True)
    assert db.balance(account, "credits").available == Decimal(40)
    db.record(account, credit_type="credits", credits="15", event_id="use")
    assert db.balance(account, "credits").available == Decimal(25)
    db.advance_clock(account, FEBRUARY_END)
    second = db.invoices(account)[-1]
    assert [(line.kind, line.quantity, line.amount) for line in second.lines] == [
        ("pack", Decimal(2), money_from(120, "USD"))
    ]
    db.advance_clock(account, MARCH_END)
    third = db.invoices(account)[-1]
    assert (third.lines, third.due) == ((), money_from(0, "USD"))


@pytest.mark.behaviour("S2-7", "S2-9")
def test_a_plan_per_pack_sells_the_same(db: Database, account: str, name: Name) -> None:
    """A one-off plan: one invoice for the credits, one grant, and no renewal."""
    plan = published(db, name("plan"), billing_model="one_off", fee="60", credits="20")
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    (invoice,) = db.invoices(account)
    assert (invoice.state, invoice.due) == ("paid", money_from(60, "USD"))
    assert db.balance(account, "credits").available == Decimal(20)
    bought = db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"))
    assert (bought.credits, bought.price) == (Decimal(20), money_from(60, "USD"))


@pytest.mark.behaviour("S2-26")
@pytest.mark.parametrize(("lifetime", "left"), [(None, 10), ({"count": 10, "unit": "year"}, 14)])
def test_a_tracked_item_is_a_grant_a_lifetime_and_a_pool(
    db: Database, account: str, name: Name, lifetime: dict[str, object] | None, left: int
) -> None:
    """Included 10, overage at 3: 12 used are 6.00, and 10 are there again. Of these 6 are used: the other 4
    go with the reset of each month, and stay where there is none."""
    plan = published(
        db,
        name("plan"),
        credits={"credit_type": "credits", "amount": "10", "cadence": "monthly", "lifetime": lifetime},
        overage={"prices": [{"currency": "USD", "model": "per_unit", "amount": "3"}]},
        at_zero={"kind": "overage"},
    )
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    db.record(account, credit_type="credits", credits="12", event_id="e")
    db.advance_clock(account, FEBRUARY_END)
    invoice = db.invoices(account)[-1]
    assert [str(line.amount) for line in invoice.lines if line.kind == "overage"] == ["6.00 USD"]
    assert db.balance(account, "credits").available == Decimal(10)
    db.record(account, credit_type="credits", credits="6", event_id="f")
    db.advance_clock(account, MARCH_END)
    assert db.balance(account, "credits").available == left


@pytest.mark.behaviour("S3-1", "S3-37", "S3-38", "S3-11")
def test_nothing_is_served_beyond_what_was_paid_for(db: Database, account: str, name: Name) -> None:
    """Whatever is tried, used is at most granted; balances and spend can be looked at any time."""
    plan = published(db, name("plan"), credits="30")
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    assert [each.state for each in db.invoices(account)] == ["paid"], "sent and settled by the provider"
    used = Decimal(0)
    for number in range(20):
        result = db.record(account, credit_type="credits", credits="7", event_id=f"e{number}")
        used += result.charged
        if number == 9:
            db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"))
    granted = sum((grant.amount for grant in db.grants(account)), Decimal(0))
    assert (granted, used) == (Decimal(50), Decimal(49))
    (balance,) = db.balances(account)
    assert (balance.credit_type, balance.available) == ("credits", Decimal(1))
    assert db.preview_invoice(account).due == money_from(0, "USD")
    assert db.verify(account)


@pytest.mark.behaviour("S3-17")
def test_bills_on_the_first_of_the_month(db: Database, account: str, name: Name) -> None:
    """Begun on 31 January; from then on every period begins on the first, also where nothing is due."""
    plan = published(db, name("plan"), type="free", base_fee=[], credits="1", anchor="first_of_month")
    subscription = db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    assert subscription.started_at == START
    db.advance_clock(account, datetime(2026, 4, 1, tzinfo=UTC))
    starts = [each.period.start for each in db.invoices(account) if each.period is not None]
    assert starts == [START, *(datetime(2026, month, 1, tzinfo=UTC) for month in (2, 3, 4))]


PRICES = {
    "flat": {"model": "flat", "amount": "5"},
    "per_unit": {"model": "per_unit", "amount": "5"},
    "tiered": {
        "model": "tiered",
        "tiers": [{"up_to": "1", "unit_price": "5"}, {"unit_price": "1"}],
    },
    "volume": {"model": "volume", "tiers": [{"up_to": "1", "unit_price": "5"}, {"unit_price": "1"}]},
    "package": {"model": "package", "amount": "5", "package_size": "10"},
}


@pytest.mark.parametrize("model", PRICES)
def test_packs_cost_the_same_bought_and_delivered(db: Database, account: str, name: Name, model: str) -> None:
    """Three at 5.00 each are 15.00, on the invoice and as the cost basis, whatever the pricing model."""
    free_plan(db, account, name)
    prices = [{"currency": "USD", **PRICES[model]}]
    ten = db.create_pack(name("pack"), name="Ten", amount="10", prices=prices).pack_id
    bought = db.buy_pack(account, ten, purchase_id=name("p"), quantity=3)
    db.add_service(name("sub"), ten, service_id="ten", schedule="one_off", quantity=3)
    (line,) = db.invoices(account)[-1].lines
    (delivered,) = (each for each in db.grants(account) if each.grant_id.startswith("svc"))
    price = money_from(15, "USD")
    assert (bought.price, line.amount, delivered.cost_minor) == (price, price, price.minor)
    assert bought.credits == delivered.amount == Decimal(30)
