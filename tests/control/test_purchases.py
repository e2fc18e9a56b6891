"""Packs and top-ups: one call, money first, credits exactly once, and what a refund takes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.errors import AlreadyExistsError, InvalidRequestError, NotFoundError, PreconditionError
from drawdown.model.money import Money

from .conftest import SMALL, START, prepare
from .plans import published
from .waiting import wait_until

Name = Callable[[str], str]
PACKS = (("20", "60"), ("50", "150"), ("100", "300"))


def pack(db: Database, pack_id: str, *, amount: str = "20", price: str = "60", **settings: object) -> str:
    """A pack of credits in dollars."""
    db.create_pack(
        pack_id=pack_id,
        name=f"{amount} credits",
        credit_type="credits",
        amount=amount,
        prices=[{"currency": "USD", "amount": price}],
        **settings,
    )
    return pack_id


@pytest.mark.behaviour("S2-2", "S2-15", "S2-17", "S3-9")
def test_packs_have_fixed_sizes_and_prices(db: Database, account: str, name: Name) -> None:
    """20/$60, 50/$150 and 100/$300; another one each time."""
    for amount, price in PACKS:
        bought = db.buy_pack(
            account,
            pack(db, name(f"pack{amount}"), amount=amount, price=price),
            purchase_id=name(f"p{amount}"),
        )
        assert (bought.state, bought.credits, bought.price) == (
            "granted",
            Decimal(amount),
            Money(int(price) * 100, "USD"),
        )
    assert db.balance(account, "credits").available == Decimal(170)
    assert [each.pack_id for each in db.purchases(account)] == [name(f"pack{a}") for a, _ in PACKS]


@pytest.mark.behaviour("S3-3", "S3-4", "S3-21", "S3-22")
def test_one_call_charges_and_grants_once_however_often_it_is_made(
    db: Database, account: str, name: Name
) -> None:
    sold = pack(db, name("pack"))
    for _ in range(3):
        bought = db.buy_pack(account, sold, purchase_id=name("p"), quantity=2)
        assert (bought.state, bought.price) == ("granted", Money(12000, "USD"))
    (grant,) = db.grants(account, "credits")
    assert (grant.amount, grant.source, grant.cost_minor, grant.cost_currency) == (
        Decimal(40),
        "purchase",
        12000,
        "USD",
    )
    with pytest.raises(AlreadyExistsError):
        db.buy_pack(account, sold, purchase_id=name("p"), quantity=3)
    assert db.balance(account, "credits").available == Decimal(40)


@pytest.mark.behaviour("S2-13", "S3-23")
@pytest.mark.parametrize("method", ["test_decline", "test_insufficient"])
def test_a_failed_payment_leaves_the_balance_as_it_was(
    db: Database, account: str, name: Name, method: str
) -> None:
    sold = pack(db, name("pack"))
    failed = db.buy_pack(account, sold, purchase_id=name("p"), payment_method=method)
    assert (failed.state, bool(failed.reason)) == ("failed", True)
    assert db.buy_pack(account, sold, purchase_id=name("p"), payment_method=method) == failed
    assert db.grants(account, "credits") == []
    assert db.buy_pack(account, sold, purchase_id=name("again")).state == "granted"


@pytest.mark.behaviour("S2-4", "S2-27")
def test_a_free_account_becomes_a_paying_one_in_place(db: Database, name: Name) -> None:
    """No card at sign-up; it is asked for at the first purchase, and the free credits stay."""
    db.put_customer(name("customer"))
    db.create_account(name("free"), customer_id=name("customer"), test_clock=START)
    db.create_grant(name("free"), "credits", amount="20", grant_id="signup", source="signup")
    sold = pack(db, name("pack"))
    with pytest.raises(PreconditionError) as raised:
        db.buy_pack(name("free"), sold, purchase_id=name("p"))
    assert raised.value.reason == "PAYMENT_METHOD_REQUIRED"
    db.put_customer(name("customer"), payment_method="test_ok")
    assert db.buy_pack(name("free"), sold, purchase_id=name("p")).state == "granted"
    assert db.balance(name("free"), "credits").available == Decimal(40)


@pytest.mark.behaviour("S3-2", "S4-12", "S2-25")
def test_credits_live_as_long_as_the_pack_says(db: Database, account: str, name: Name) -> None:
    """2,000 credits for a year: usable until one microsecond before its end; without a lifetime for ever."""
    year = pack(db, name("year"), amount="2000", lifetime={"count": 1, "unit": "year"})
    db.buy_pack(account, year, purchase_id=name("p"))
    (grant,) = db.grants(account, "credits")
    end = datetime(2027, 1, 31, tzinfo=UTC)
    assert grant.expires_at == end
    db.advance_clock(account, datetime(2027, 1, 30, 23, 59, 59, 999999, tzinfo=UTC))
    assert db.record(account, credit_type="credits", credits="1", event_id="last").status == "OK"
    db.advance_clock(account, end)
    refused = db.record(account, credit_type="credits", credits="1", event_id="late")
    assert refused.status == "INSUFFICIENT"
    db.buy_pack(account, pack(db, name("ever")), purchase_id=name("p2"))
    assert next(g for g in db.grants(account) if g.grant_id.endswith(name("p2"))).expires_at is None


@pytest.mark.behaviour("S3-2")
def test_a_packs_lifetime_is_in_the_customers_zone(db: Database, name: Name) -> None:
    """A month from noon in New York is noon there, though clocks went forward in between."""
    db.put_customer(name("customer"), payment_method="test_ok", time_zone="America/New_York")
    bought_at = datetime(2026, 2, 15, 17, tzinfo=UTC)
    db.create_account(name("acme"), customer_id=name("customer"), test_clock=bought_at)
    month = pack(db, name("month"), lifetime={"count": 1, "unit": "month"})
    db.buy_pack(name("acme"), month, purchase_id=name("p"))
    (grant,) = db.grants(name("acme"), "credits")
    assert grant.expires_at == datetime(2026, 3, 15, 16, tzinfo=UTC)


@pytest.mark.behaviour("S0-23")
def test_packs_and_top_ups_have_the_price_of_the_customers_country(db: Database, name: Name) -> None:
    """60 and 1 for each credit, in India 20 and 0.25; the credits are the same."""
    prices = {
        charge: [
            {"currency": "USD", "model": model, "amount": amount},
            {"currency": "USD", "country": "IN", "model": model, "amount": local},
        ]
        for charge, model, amount, local in (
            ("pack", "flat", "60", "20"),
            ("top-up", "per_unit", "1", "0.25"),
        )
    }
    db.create_pack(name("pack"), name="P", amount="20", credit_type="credits", prices=prices["pack"])
    published(db, name("plan"), type="free", base_fee=[], top_up={"prices": prices["top-up"]})
    for country, due in (("US", [6_000, 400]), ("IN", [2_000, 100])):
        buyer = name(f"buyer-{country}")
        db.put_customer(buyer, payment_method="test_ok", country=country)
        db.create_account(buyer, customer_id=buyer, test_clock=START)
        db.subscribe(buyer, name("plan"), subscription_id=buyer)
        pack_bought = db.buy_pack(buyer, name("pack"), purchase_id=f"{buyer}-pack")
        top_up = db.top_up(buyer, "credits", "4", purchase_id=f"{buyer}-top-up")
        assert [each.price.minor for each in (pack_bought, top_up)] == due
        assert [each.credits for each in (pack_bought, top_up)] == [20, 4]


@pytest.mark.behaviour("S0-5", "S0-18", "S3-20")
def test_a_top_up_has_the_plans_price_and_bounds(db: Database, account: str, name: Name) -> None:
    with pytest.raises(PreconditionError) as raised:
        db.top_up(account, "credits", "100", purchase_id=name("early"))
    assert raised.value.reason == "TOP_UP_NOT_ALLOWED"
    plan = published(
        db,
        name("plan"),
        top_up={
            "prices": [{"currency": "USD", "model": "per_unit", "amount": "0.05"}],
            "min": "10",
            "max": "500",
        },
    )
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    before = db.balance(account, "credits").available
    bought = db.top_up(account, "credits", "123.5", purchase_id=name("p"))
    assert (bought.state, bought.price) == ("granted", Money(618, "USD"))
    assert db.balance(account, "credits").available == before + Decimal("123.5")
    for credits in ("10", "500"):
        assert db.top_up(account, "credits", credits, purchase_id=name(f"p{credits}")).state == "granted"
    for credits in ("9.99", "500.1", "0", "-1"):
        with pytest.raises(InvalidRequestError) as refused:
            db.top_up(account, "credits", credits, purchase_id=name(f"bad{credits}"))
        assert refused.value.field == "credits"


@pytest.mark.behaviour("S2-22")
def test_bill_later_gives_the_credits_first(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"), type="free", base_fee=[], credits=None)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    bought = db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"), bill_later=True)
    assert (bought.state, bought.charge_reference) == ("granted", "")
    assert db.balance(account, "credits").available == Decimal(20)


def test_a_plan_that_lists_its_packs_sells_no_other(db: Database, account: str, name: Name) -> None:
    """At once, on the subscription, or by recharge; without such a plan any pack is sold."""
    listed, other = pack(db, name("listed")), pack(db, name("other"))
    assert db.buy_pack(account, other, purchase_id=name("before")).state == "granted"
    published(db, name("plan"), packs=(listed,))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    for call in (
        lambda: db.buy_pack(account, other, purchase_id=name("p")),
        lambda: db.add_service(name("sub"), other, service_id="s"),
        lambda: db.set_recharge(account, "credits", threshold="5", pack_id=other),
    ):
        with pytest.raises(PreconditionError) as raised:
            call()
        assert (raised.value.reason, raised.value.field) == ("PACK_NOT_ON_PLAN", "pack_id")
    assert db.buy_pack(account, listed, purchase_id=name("p2")).state == "granted"
    assert [each.purchase_id for each in db.purchases(account)] == [name("before"), name("p2")]


@pytest.mark.behaviour("S2-23")
def test_bill_later_needs_a_subscription_whose_invoice_will_have_it(
    db: Database, account: str, name: Name
) -> None:
    """Without one, or with one that nobody has paid for, no invoice would ever come: nothing is granted."""
    sold = pack(db, name("pack"))
    with pytest.raises(PreconditionError) as raised:
        db.buy_pack(account, sold, purchase_id=name("p"), bill_later=True)
    assert (raised.value.reason, raised.value.field) == ("NO_LATER_INVOICE", "bill_later")
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"), payment_method="test_decline")
    with pytest.raises(PreconditionError):
        db.buy_pack(account, sold, purchase_id=name("p"), bill_later=True)
    assert (db.purchases(account), db.grants(account)[1:]) == ((), [])


def test_what_is_unspent_is_taken_and_paid_for(db: Database, account: str, name: Name) -> None:
    db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"))
    db.record(account, credit_type="credits", credits="5", event_id="e")
    for _ in range(2):
        refunded = db.refund_purchase(name("p"))
        assert (refunded.state, refunded.refunded) == ("refunded", Money(4500, "USD"))
    found = db.grants(account, "credits")
    assert {grant.state for grant in found} == {"voided"}
    assert [sum(getattr(each, field) for each in found) for field in ("burned", "voided")] == [5, 15]
    assert db.balance(account, "credits").available == Decimal(0)


def test_a_refund_into_debt_takes_all_credits(db: Database, account: str, name: Name) -> None:
    db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"))
    db.record(account, credit_type="credits", credits="5", event_id="e")
    refunded = db.refund_purchase(name("p"), policy="into_debt")
    assert refunded.refunded == Money(6000, "USD")
    assert db.balance(account, "credits").available == Decimal(-5)
    assert db.verify(account)


def test_a_refund_may_freeze_the_account(db: Database, account: str, name: Name) -> None:
    db.buy_pack(account, pack(db, name("pack")), purchase_id=name("p"))
    db.refund_purchase(name("p"), policy="freeze", amount=Money(100, "USD"))
    assert db.account(account).suspended
    assert db.purchase(name("p")).refunded == Money(100, "USD")


def test_bad_input_changes_nothing(db: Database, account: str, name: Name) -> None:
    sold = pack(db, name("pack"))
    with pytest.raises(NotFoundError):
        db.buy_pack(account, "nothing", purchase_id=name("a"))
    with pytest.raises(NotFoundError):
        db.buy_pack("nobody", sold, purchase_id=name("b"))
    with pytest.raises(InvalidRequestError):
        db.buy_pack(account, sold, purchase_id=name("c"), quantity=0)
    with pytest.raises(InvalidRequestError):
        db.buy_pack(account, sold, purchase_id="")
    with pytest.raises(NotFoundError):
        db.purchase(name("a"))
    with pytest.raises(NotFoundError):
        db.refund_purchase(name("a"))
    db.buy_pack(account, sold, purchase_id=name("p"))
    for wrong in ({"policy": "whatever"}, {"amount": Money(6001, "USD")}, {"amount": Money(1, "EUR")}):
        with pytest.raises(InvalidRequestError):
            db.refund_purchase(name("p"), **wrong)  # type: ignore[arg-type]
    assert db.purchase(name("p")).state == "granted"
    assert len(db.purchases(account)) == 1


@pytest.mark.behaviour("S3-13", "S3-16")
def test_callbacks_late_twice_and_out_of_order(tmp_path: Path, db_url: str) -> None:
    """The provider's word comes when it comes; a failure after the success changes nothing."""
    from drawdown.embedded import EmbeddedDatabase
    from drawdown.errors import UnauthenticatedError
    from drawdown.payments import ChargeState, ScriptedProvider

    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        assert isinstance(db, EmbeddedDatabase)
        prepare(db)
        sold = pack(db, "pack")
        db.put_customer("c", payment_method="test_action")
        db.create_account("acme", customer_id="c")
        provider = db.payment_provider()
        assert isinstance(provider, ScriptedProvider)
        waiting = db.buy_pack("acme", sold, purchase_id="p")
        assert (waiting.state, bool(waiting.action_url)) == ("action_required", True)
        assert db.grants("acme") == []
        body, headers = provider.finish("purchase:p")
        with pytest.raises(UnauthenticatedError):
            db.provider_callback(body.decode() + " ", headers)
        for _ in range(3):
            answer = db.provider_callback(body.decode(), headers)
            assert (answer.purchase_id, answer.state) == ("p", "granted")
        late = provider.finish("purchase:p", ChargeState.FAILED)
        assert db.provider_callback(late[0].decode(), late[1]).state == "granted"
        assert db.balance("acme", "credits").available == Decimal(20)
        assert len(db.grants("acme")) == 1
        disputed = provider.dispute("purchase:p")
        db.provider_callback(disputed[0].decode(), disputed[1])
        assert db.purchase("p").state == "refunded"
        assert db.account("acme").suspended


@pytest.mark.parametrize(
    ("policy", "available", "suspended"),
    [("freeze", 12, True), ("take_unspent", 0, False), ("into_debt", -8, False)],
)
def test_a_chargeback_follows_its_policy(
    tmp_path: Path, db_url: str, policy: str, available: int, suspended: bool
) -> None:
    """20 bought, 8 used: they stay with a frozen account, the 12 left go, or all 20 are owed."""
    from drawdown.embedded import EmbeddedDatabase
    from drawdown.payments import ScriptedProvider

    with drawdown.open(tmp_path / "data", db=db_url, chargeback_policy=policy, **SMALL) as db:
        assert isinstance(db, EmbeddedDatabase)
        prepare(db)
        sold = pack(db, "pack")
        db.put_customer("c", payment_method="test_ok")
        db.create_account("acme", customer_id="c")
        db.buy_pack("acme", sold, purchase_id="p")
        db.record("acme", credit_type="credits", credits=8, event_id="used")
        provider = db.payment_provider()
        assert isinstance(provider, ScriptedProvider)
        body, headers = provider.dispute("purchase:p")
        for _ in range(2):
            db.provider_callback(body.decode(), headers)
        assert db.purchase("p").state == "refunded"
        assert db.balance("acme", "credits").available == available
        assert db.account("acme").suspended is suspended


@pytest.mark.parametrize("is_dispute", [False, True])
def test_what_is_paid_after_the_account_closed_goes_back(
    tmp_path: Path, db_url: str, is_dispute: bool
) -> None:
    """No credits, so none are taken: the money is there to be given back, whole, or the bank takes it."""
    from drawdown.embedded import EmbeddedDatabase
    from drawdown.payments import ScriptedProvider

    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        assert isinstance(db, EmbeddedDatabase)
        prepare(db)
        sold = pack(db, "pack")
        db.put_customer("c", payment_method="test_pending")
        db.create_account("acme", customer_id="c")
        price = db.buy_pack("acme", sold, purchase_id="p").price
        db.close_account("acme", confirm=True)
        provider = db.payment_provider()
        assert isinstance(provider, ScriptedProvider)
        body, headers = provider.finish("purchase:p")
        assert db.provider_callback(body.decode(), headers).state == "paid"
        assert db.grants("acme") == []
        if is_dispute:
            body, headers = provider.dispute("purchase:p")
            db.provider_callback(body.decode(), headers)
        else:
            db.refund_purchase("p")
            assert [each.refunded for each in provider.charges()] == [price]
        assert (db.purchase("p").state, db.purchase("p").refunded) == ("refunded", price)
        assert db.balance("acme", "credits").available == 0


def test_a_lost_answer_of_the_provider_is_asked_for_again(tmp_path: Path, db_url: str) -> None:
    """Charged, but the answer never came: after a restart the same key finds it, and the grant follows."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        prepare(db)
        sold = pack(db, "pack")
        db.put_customer("c", payment_method="test_lost")
        db.create_account("acme", customer_id="c")
        assert db.buy_pack("acme", sold, purchase_id="p").state == "pending"
        assert db.grants("acme") == []
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as db:
        wait_until(lambda: db.balance("acme", "credits").available > 0)
        assert db.purchase("p").state == "granted"
        assert db.balance("acme", "credits").available == Decimal(20)
