"""Beginning on a plan: who may, what is chosen, what it gives and costs, and that it happens once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.model.money import Money

from .conftest import START
from .plans import published

Name = Callable[[str], str]


def credits(**more: object) -> dict[str, object]:
    return {"credit_type": "credits", "amount": "1000", "cadence": "monthly", **more}


@pytest.mark.behaviour("S0-1")
def test_a_yearly_plan_grants_at_each_year_boundary(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"), billing_period="yearly", credits=credits(cadence="yearly"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    for year in (2027, 2028):
        db.advance_clock(account, datetime(year, 1, 31, tzinfo=UTC))
        (active,) = [each for each in db.grants(account) if each.state == "active"]
        assert active.effective_at == datetime(year, 1, 31, tzinfo=UTC)
        assert active.expires_at == datetime(year + 1, 1, 31, tzinfo=UTC)
    assert [each.state for each in db.invoices(account)] == ["paid"] * 3


@pytest.mark.behaviour("S0-16")
def test_billed_yearly_granted_monthly_is_one_invoice_and_twelve_grants(
    db: Database, account: str, name: Name
) -> None:
    published(db, name("plan"), billing_period="yearly")
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, datetime(2027, 1, 30, tzinfo=UTC))
    grants = sorted(db.grants(account), key=lambda each: each.effective_at or START)
    assert len(grants) == 12
    assert [each.amount for each in grants] == [Decimal(1000)] * 12
    for earlier, later in pairwise(grants):
        assert earlier.expires_at == later.effective_at
    (invoice,) = db.invoices(account)
    assert invoice.due == Money(2000, "USD")


@pytest.mark.behaviour("S0-26")
def test_an_operator_puts_a_subscription_on_a_customer_that_exists(db: Database, name: Name) -> None:
    """Two accounts of one customer: the subscription, its card and its currency are the customer's."""
    db.put_customer(name("customer"), payment_method="test_ok", currency="EUR", name="Ada")
    db.create_account(name("first"), customer_id=name("customer"))
    db.create_account(name("second"), customer_id=name("customer"))
    prices = [{"currency": "USD", "amount": "20"}, {"currency": "EUR", "amount": "19"}]
    published(db, name("plan"), base_fee=prices)
    subscription = db.subscribe(name("second"), name("plan"), subscription_id=name("sub"))
    assert (subscription.customer_id, subscription.currency) == (name("customer"), "EUR")
    assert [each.subscription_id for each in db.subscriptions(name("second"))] == [name("sub")]
    assert not db.subscriptions(name("first"))
    assert db.invoices(name("second"))[0].due == Money(1900, "EUR")


@pytest.mark.behaviour("S0-27")
def test_a_plan_of_another_product_is_refused(db: Database, account: str, name: Name) -> None:
    db.create_product(name("other"), "Other")
    published(db, name("plan"))
    with pytest.raises(drawdown.PreconditionError) as raised:
        db.subscribe(account, name("plan"), subscription_id=name("sub"), product=name("other"))
    assert (raised.value.reason, raised.value.field) == ("PLAN_OF_ANOTHER_PRODUCT", "product_id")
    assert not db.subscriptions(account) and not db.grants(account)
    assert db.subscribe(account, name("plan"), subscription_id=name("sub"), product="ai").state == "active"


@pytest.mark.behaviour("S0-28")
@pytest.mark.parametrize(
    ("quantity", "granted", "price"), [(1, 100, 1000), (10, 1000, 10_000), (11, 1100, 10_800)]
)
def test_the_chosen_quantity_sets_grant_and_price(
    db: Database, account: str, name: Name, quantity: int, granted: int, price: int
) -> None:
    """Tiers: up to 1,000 credits at 0.10, beyond at 0.08; exact at and on both sides of the edge."""
    tiers = [{"up_to": "1000", "unit_price": "0.10"}, {"unit_price": "0.08"}]
    published(
        db,
        name("plan"),
        base_fee=[],
        credits=credits(amount="100", prices=[{"currency": "USD", "model": "tiered", "tiers": tiers}]),
    )
    db.subscribe(account, name("plan"), subscription_id=name("sub"), quantity=quantity)
    assert db.balance(account, "credits").available == Decimal(granted)
    assert db.invoices(account)[0].due == Money(price, "USD")


@pytest.mark.behaviour("S0-29")
def test_a_paid_subscription_needs_a_payment_method(db: Database, name: Name) -> None:
    db.create_account(name("account"), test_clock=START)
    published(db, name("plan"))
    with pytest.raises(drawdown.PreconditionError) as raised:
        db.subscribe(name("account"), name("plan"), subscription_id=name("sub"))
    assert (raised.value.reason, raised.value.field) == ("PAYMENT_METHOD_REQUIRED", "payment_method")
    assert not db.subscriptions(name("account")) and not db.invoices(name("account"))
    subscription = db.subscribe(
        name("account"), name("plan"), subscription_id=name("sub"), payment_method="test_ok"
    )
    assert subscription.state == "active"


def test_a_declined_first_payment_leaves_it_pending_without_credits(db: Database, name: Name) -> None:
    """No credits, and what is never paid in its first period ends."""
    db.create_account(name("account"), test_clock=START)
    published(db, name("plan"))
    subscription = db.subscribe(
        name("account"), name("plan"), subscription_id=name("sub"), payment_method="test_decline"
    )
    assert subscription.state == "pending"
    assert db.balance(name("account"), "credits").available == 0
    (invoice,) = db.invoices(name("account"))
    assert invoice.payment_failure
    db.mark_invoice_paid(invoice.invoice_id)
    assert db.subscription(name("sub")).state == "active"
    assert db.balance(name("account"), "credits").available == Decimal(1000)


def test_what_is_never_paid_ends_with_its_first_period(db: Database, name: Name) -> None:
    db.create_account(name("account"), test_clock=START)
    published(db, name("plan"))
    db.subscribe(name("account"), name("plan"), subscription_id=name("sub"), payment_method="test_decline")
    db.advance_clock(name("account"), datetime(2026, 3, 31, tzinfo=UTC))
    assert db.subscription(name("sub")).state == "ended"
    assert len(db.invoices(name("account"))) == 1


@pytest.mark.behaviour("S0-30")
def test_many_calls_at_once_make_one_subscription(db: Database, account: str, name: Name) -> None:
    """Eight threads with the same ids: one subscription, one invoice, one grant; other content conflicts."""
    published(db, name("plan"))
    seen: list[str] = []

    def subscribe() -> None:
        seen.append(db.subscribe(account, name("plan"), subscription_id=name("sub")).subscription_id)

    threads = [threading.Thread(target=subscribe) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [name("sub")] * 8
    assert (len(db.invoices(account)), len(db.grants(account))) == (1, 1)
    with pytest.raises(drawdown.AlreadyExistsError):
        db.subscribe(account, name("plan"), subscription_id=name("sub"), quantity=2)
    assert db.subscription(name("sub")).quantity == 1


@pytest.mark.behaviour("S0-23")
@pytest.mark.parametrize(
    ("currency", "country", "due"),
    [
        ("USD", "", Money(2000, "USD")),
        ("USD", "IN", Money(800, "USD")),
        ("EUR", "DE", Money(1850, "EUR")),
        ("JPY", "JP", Money(3000, "JPY")),
        ("KWD", "KW", Money(6125, "KWD")),
    ],
)
def test_prices_are_local_and_credits_are_not(
    db: Database, name: Name, currency: str, country: str, due: Money
) -> None:
    """The same plan in several currencies and countries; always 1,000 credits."""
    prices = [
        {"currency": "USD", "amount": "20"},
        {"currency": "USD", "country": "IN", "amount": "8"},
        {"currency": "EUR", "amount": "18.50"},
        {"currency": "JPY", "amount": "3000"},
        {"currency": "KWD", "amount": "6.125"},
    ]
    plan = f"{name('plan')}-{currency}{country}"
    published(db, plan, base_fee=prices)
    customer = f"{name('customer')}-{currency}{country}"
    db.put_customer(customer, payment_method="test_ok", currency=currency, country=country)
    db.create_account(customer, customer_id=customer)
    db.subscribe(customer, plan, subscription_id=customer)
    assert db.invoices(customer)[0].due == due
    assert db.balance(customer, "credits").available == Decimal(1000)


def test_a_currency_without_a_price_is_refused(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"))
    with pytest.raises(drawdown.PreconditionError) as raised:
        db.subscribe(account, name("plan"), subscription_id=name("sub"), currency="CHF")
    assert raised.value.reason == "CURRENCY_UNAVAILABLE"
    assert not db.subscriptions(account) and not db.grants(account)


@pytest.mark.parametrize("charge", ["overage", "minimum_spend"])
def test_a_currency_without_a_price_of_what_is_due_behind_is_refused(
    db: Database, account: str, name: Name, charge: str
) -> None:
    """There is a fee in it, but its first renewal would find no price, and the account would stand still."""
    euro_fee = [{"currency": each, "amount": "20"} for each in ("USD", "EUR")]
    dollars = [{"currency": "USD", "amount": "1"}]
    settings: dict[str, Any] = {charge: {"prices": dollars} if charge == "overage" else dollars}
    published(db, name("plan"), base_fee=euro_fee, **settings)
    with pytest.raises(drawdown.PreconditionError) as raised:
        db.subscribe(account, name("plan"), subscription_id=name("sub"), currency="EUR")
    assert (raised.value.reason, raised.value.field) == ("CURRENCY_UNAVAILABLE", "currency")
    assert not db.subscriptions(account) and not db.grants(account)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))


@pytest.mark.behaviour("S0-3", "S0-19", "S0-20")
def test_listed_meters_draw_on_one_balance_and_others_do_not(db: Database, account: str, name: Name) -> None:
    """tokens at 1 per 1,000 and calls at 2: exactly quantity × rate; storage is not on the plan."""
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    assert db.record(account, "tokens", quantity=2500, time=START).charged == Decimal("2.5")
    assert db.record(account, "calls", quantity=7, time=START).charged == Decimal(14)
    refused = db.record(account, "storage", quantity=1, time=START)
    assert (refused.status, refused.charged) == ("NOT_ENTITLED", 0)
    assert db.balance(account, "credits").available == Decimal("983.5")


@pytest.mark.behaviour("S0-37", "S0-38")
def test_unused_credits_end_with_the_period_and_the_instant_belongs_to_the_new_one(
    db: Database, account: str, name: Name
) -> None:
    """Default: reset. Usage in the very instant of renewal is paid by the new grant, once."""
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    first = db.grants(account)[0].grant_id
    edge = datetime(2026, 2, 28, tzinfo=UTC)
    db.advance_clock(account, edge)
    assert db.record(account, "calls", quantity=1, event_id="edge", time=edge).charged == Decimal(2)
    assert db.record(account, "calls", quantity=1, event_id="edge", time=edge).status == "DUPLICATE"
    figures = {each.grant_id: each for each in db.grants(account)}
    new = next(each for key, each in figures.items() if key != first)
    assert (new.burned, new.remaining) == (Decimal(2), Decimal(998))
    db.advance_clock(account, edge + timedelta(hours=2))
    expired = {each.grant_id: each.expired for each in db.grants(account)}
    assert expired[first] == Decimal(1000)
    assert db.balance(account, "credits").available == Decimal(998)


def test_the_first_of_the_month_with_a_short_first_period(db: Database, name: Name) -> None:
    """From the 20th of January on: 12 of 31 days, rounded once; then whole months."""
    begin = datetime(2026, 1, 20, tzinfo=UTC)
    db.put_customer(name("customer"), payment_method="test_ok")
    db.create_account(name("account"), customer_id=name("customer"), test_clock=begin)
    published(db, name("plan"), anchor="first_of_month", proration="first")
    db.subscribe(name("account"), name("plan"), subscription_id=name("sub"))
    assert db.invoices(name("account"))[0].due == Money(774, "USD")
    assert db.balance(name("account"), "credits").available == Decimal("387.096774193")
    db.advance_clock(name("account"), datetime(2026, 2, 1, tzinfo=UTC))
    assert db.invoices(name("account"))[1].due == Money(2000, "USD")
    assert db.balance(name("account"), "credits").available == Decimal(1000)


def test_without_proration_a_short_first_period_is_a_whole_one(db: Database, name: Name) -> None:
    begin = datetime(2026, 1, 20, tzinfo=UTC)
    db.put_customer(name("customer"), payment_method="test_ok")
    db.create_account(name("account"), customer_id=name("customer"), test_clock=begin)
    published(db, name("plan"), anchor="first_of_month")
    db.subscribe(name("account"), name("plan"), subscription_id=name("sub"))
    assert db.invoices(name("account"))[0].due == Money(2000, "USD")
    assert db.balance(name("account"), "credits").available == Decimal(1000)


@pytest.mark.behaviour("S4-6")
@pytest.mark.parametrize("order", [("licence", "paid"), ("paid", "licence")])
def test_what_waits_for_approval_waits_beside_what_is_paid_at_once(
    db: Database, account: str, name: Name, order: tuple[str, str]
) -> None:
    """Two subscriptions of one instant, whichever came first, and again when they renew."""
    small = credits(amount="5")
    published(db, name("paid"), fee="10", credits=small)
    published(db, name("licence"), fee="500", credits=credits(amount="7000"), release="on_approval")
    for plan in order:
        db.subscribe(account, name(plan), subscription_id=name(f"on-{plan}"))
    for edge in (START, datetime(2026, 2, 28, tzinfo=UTC)):
        db.advance_clock(account, edge)
        paid, draft = sorted(
            (each for each in db.invoices(account) if each.created_at == edge),
            key=lambda each: each.gross.minor,
        )
        assert (paid.state, paid.due, draft.state, draft.due) == (
            "paid",
            Money(1000, "USD"),
            "draft",
            Money(50000, "USD"),
        )
        assert db.balance(account, "credits").available == Decimal(5)
        db.approve_invoice(draft.invoice_id)
        assert db.invoice(draft.invoice_id).state == "paid"
        assert db.balance(account, "credits").available == Decimal(7005)


def test_all_that_waits_for_approval_of_a_period_is_on_one_invoice(
    db: Database, account: str, name: Name
) -> None:
    published(db, name("licence"), release="on_approval")
    for each in ("one", "other"):
        db.subscribe(account, name("licence"), subscription_id=name(each))
    (draft,) = db.invoices(account)
    assert (draft.state, draft.due) == ("draft", Money(4000, "USD"))
    assert db.balance(account, "credits").available == 0
    db.approve_invoice(draft.invoice_id)
    assert db.balance(account, "credits").available == Decimal(2000)


def test_after_a_change_later_credits_wait_for_the_invoice_that_the_plan_before_had(
    db: Database, account: str, name: Name
) -> None:
    """The year was approved, and is to be paid outside; the plan that it goes on with waits for that."""
    db.put_customer(name("customer"))
    year = {"billing_period": "yearly", "fee": "500"}
    published(db, name("licence"), release="on_approval", credits=credits(amount="7000"), **year)
    published(db, name("paid"), credits=credits(amount="5"), **year)
    db.subscribe(account, name("licence"), subscription_id=name("sub"))
    (draft,) = db.invoices(account)
    db.approve_invoice(draft.invoice_id)
    db.change_plan(name("sub"), name("paid"), change_id=name("change"))
    db.advance_clock(account, datetime(2026, 3, 31, tzinfo=UTC))
    assert db.balance(account, "credits").available == 0
    db.mark_invoice_paid(draft.invoice_id)
    # Those of three months, of which two were over: they last a month from the payment on.
    assert db.balance(account, "credits").available == Decimal(15)
