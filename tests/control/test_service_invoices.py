"""Every delivery stands on one invoice, and credits wait for theirs, whatever their subscription does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.billing.invoice import Invoice, InvoiceLine
from drawdown.client.interface import Database
from drawdown.model.money import Money
from drawdown.model.results import Grant

from .conftest import SMALL, START, prepare
from .plans import published

Name = Callable[[str], str]
EDGE = datetime(2026, 2, 28, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def at(month: int, day: int = 1, year: int = 2026) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


@pytest.fixture
def pack(db: Database, name: Name) -> str:
    """10 credits for 5.00 USD."""
    price = {"currency": "USD", "amount": "5"}
    return db.create_pack(name("pack"), name="Ten", amount="10", prices=[price]).pack_id


@pytest.fixture
def licence(db: Database, name: Name) -> str:
    """Nothing but services, approved by hand, from the 1st of March on; its account is ``member``."""
    db.create_account(name("member"), customer_id=name("customer"), test_clock=MARCH)
    facts: dict[str, Any] = {"type": "custom", "base_fee": [], "credits": None, "rates": []}
    plan = published(db, name("licence"), release="on_approval", **facts)
    db.subscribe(name("member"), plan.plan_id, subscription_id=name("licence"))
    return name("licence")


def approve_all(db: Database, account: str) -> None:
    for invoice in db.invoices(account):
        if invoice.state == "draft":
            db.approve_invoice(invoice.invoice_id)


def deliveries(db: Database, account: str) -> list[Grant]:
    made = [each for each in db.grants(account) if each.grant_id.startswith("svc")]
    return sorted(made, key=lambda each: each.effective_at or MARCH)


def days_of(grants: list[Grant]) -> list[str]:
    return [each.effective_at.date().isoformat() for each in grants if each.effective_at]


def packs_on(db: Database, account: str) -> list[InvoiceLine]:
    return [line for each in db.invoices(account) for line in each.lines if line.kind == "pack"]


def newest(db: Database, account: str) -> Invoice:
    return db.invoices(account)[-1]


@pytest.mark.behaviour("S4-6")
def test_every_delivery_waits_for_the_approval_of_its_invoice(
    db: Database, name: Name, licence: str, pack: str
) -> None:
    """Not only the first: that of April comes with the approval of April's invoice."""
    db.add_service(licence, pack, service_id="ten", schedule="monthly")
    approve_all(db, name("member"))
    db.advance_clock(name("member"), at(4))
    assert [each.state for each in deliveries(db, name("member"))] == ["active", "pending"]
    approve_all(db, name("member"))
    assert [each.state for each in deliveries(db, name("member"))] == ["active", "active"]


@pytest.mark.behaviour("S3-4")
def test_every_delivery_waits_for_the_payment_of_its_invoice(
    db: Database, account: str, name: Name, pack: str
) -> None:
    """A renewal is declined: the pack of its first instant is not spendable until it is paid."""
    plan = published(db, name("plan"), credits="7")
    order = {"service_id": "ten", "pack_id": pack, "schedule": "monthly"}
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"), services=[order])
    db.put_customer(name("customer"), payment_method="test_decline")
    db.advance_clock(account, EDGE)
    unpaid = newest(db, account)
    assert [each.state for each in deliveries(db, account)] == ["active", "pending"]
    db.retry_payment(unpaid.invoice_id, retry_id="again", payment_method="test_ok")
    assert [each.state for each in deliveries(db, account)] == ["active", "active"]


@pytest.mark.behaviour("S3-4")
def test_nothing_is_delivered_past_a_period_that_nobody_paid_for(tmp_path: Path, db_url: str) -> None:
    """Past due for good: what the unpaid period delivers waits, and nothing comes behind it."""
    with drawdown.open(tmp_path / "data", db=db_url, after_retries="stay", **SMALL) as db:
        prepare(db)
        db.put_customer("c", payment_method="test_ok")
        db.create_account("acme", customer_id="c", test_clock=START)
        db.create_pack("ten", name="Ten", amount="10", prices=[{"currency": "USD", "amount": "5"}])
        published(db, "plan", credits="7")
        order = {"service_id": "w", "pack_id": "ten", "schedule": "weekly"}
        db.subscribe("acme", "plan", subscription_id="sub", services=[order])
        db.put_customer("c", payment_method="test_decline")
        db.advance_clock("acme", at(7))
        made = deliveries(db, "acme")
        assert {each.state for each in made[:4]} == {"active"}
        assert {each.state for each in made[4:]} == {"pending"}
        assert days_of(made)[-1] == "2026-03-28"
        assert len(packs_on(db, "acme")) == len(made) == 9
        db.put_customer("c", payment_method="test_ok")
        db.advance_clock("acme", at(7, 20))
        assert {each.state for each in deliveries(db, "acme")} == {"active"}
        assert days_of(deliveries(db, "acme"))[9:] == ["2026-07-04", "2026-07-11", "2026-07-18"]


@pytest.mark.behaviour("S3-4")
def test_a_yearly_grant_waits_for_the_monthly_invoice_that_has_its_price(
    db: Database, account: str, name: Name
) -> None:
    """The second year's credits were put down a year ago, before the period that charges them."""
    yearly = {
        "credit_type": "credits",
        "amount": "1000",
        "cadence": "yearly",
        "prices": [{"currency": "USD", "amount": "500"}],
    }
    plan = published(db, name("plan"), fee="1", credits=yearly)
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    db.advance_clock(account, at(1, 30, 2027))
    db.put_customer(name("customer"), payment_method="test_decline")
    db.advance_clock(account, at(1, 31, 2027))
    assert newest(db, account).due == Money(50100, "USD")
    assert db.balance(account, "credits").available == 0
    db.retry_payment(newest(db, account).invoice_id, retry_id="again", payment_method="test_ok")
    assert db.balance(account, "credits").available == Decimal(1000)


@pytest.mark.behaviour("S3-4")
def test_a_second_subscription_of_one_instant_waits_for_its_own_invoice(
    db: Database, account: str, name: Name
) -> None:
    """The first one's invoice is paid and final; the second has another, whose payment is on its way."""
    first, second = published(db, name("a"), credits="100"), published(db, name("b"), credits="1000")
    db.subscribe(account, first.plan_id, subscription_id=name("first"))
    db.subscribe(account, second.plan_id, subscription_id=name("second"), payment_method="test_pending")
    assert db.balance(account, "credits").available == Decimal(100)
    db.mark_invoice_paid(newest(db, account).invoice_id)
    assert db.balance(account, "credits").available == Decimal(1100)


@pytest.mark.behaviour("S4-6")
def test_later_grants_of_a_period_that_a_change_began_wait_for_the_change(db: Database, name: Name) -> None:
    """Approved by hand: the invoice of the change is that of its period, for every week of it."""
    db.create_account(name("member"), customer_id=name("customer"), test_clock=MARCH)
    weekly = {"credit_type": "credits", "amount": "10", "cadence": "weekly"}
    old = published(db, name("old"), type="custom", release="on_approval", credits=weekly)
    new = published(
        db, name("new"), type="custom", release="on_approval", credits=weekly, billing_period="yearly"
    )
    db.subscribe(name("member"), old.plan_id, subscription_id=name("sub"))
    approve_all(db, name("member"))
    db.advance_clock(name("member"), at(3, 3))
    db.change_plan(name("sub"), new.plan_id, change_id="longer")
    db.advance_clock(name("member"), at(3, 12))
    assert db.balance(name("member"), "credits").available == 0
    approve_all(db, name("member"))
    # Of the week that was over, from the approval on, and of the present one.
    assert db.balance(name("member"), "credits").available == Decimal(20)


@pytest.mark.parametrize("bill_later", [False, True])
def test_a_pack_without_a_price_in_the_currency_is_refused(
    db: Database, name: Name, pack: str, bill_later: bool
) -> None:
    """When it is ordered, not when it is billed; the message names the pack."""
    db.create_account(name("member"), customer_id=name("customer"), test_clock=MARCH)
    facts: dict[str, Any] = {"type": "custom", "base_fee": [], "credits": None, "rates": []}
    published(db, name("licence"), release="on_approval", **facts)
    db.subscribe(name("member"), name("licence"), subscription_id=name("sub"), currency="EUR")
    with pytest.raises(drawdown.PreconditionError, match=f"pack '{pack}' has no price in EUR") as raised:
        db.add_service(name("sub"), pack, service_id="ten", bill_later=bill_later)
    assert raised.value.reason == "CURRENCY_UNAVAILABLE"
    assert not db.subscription(name("sub")).services


def test_what_is_ordered_once_while_paused_is_charged_and_delivered(
    db: Database, account: str, name: Name, pack: str
) -> None:
    """A pause rests the rhythm, and one order is none; it is so too where no period is open any more."""
    plan = published(db, name("plan"), credits="7")
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    db.pause_subscription(name("sub"))
    db.add_service(name("sub"), pack, service_id="one")
    db.advance_clock(account, at(3, 3))
    db.add_service(name("sub"), pack, service_id="two")
    db.resume_subscription(name("sub"))
    db.advance_clock(account, at(3, 20))
    assert days_of(deliveries(db, account)) == ["2026-01-31", "2026-03-03"]
    assert len(packs_on(db, account)) == 2
    assert {each.state for each in db.invoices(account)} == {"paid"}


def test_a_rhythm_that_is_ordered_while_paused_is_charged_as_it_is_delivered(
    db: Database, account: str, name: Name, pack: str
) -> None:
    """What falls into the pause is neither; what follows in the same period is both."""
    plan = published(db, name("plan"), credits="7")
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    db.pause_subscription(name("sub"))
    db.add_service(name("sub"), pack, service_id="weekly", schedule="weekly")
    db.advance_clock(account, at(2, 10))
    db.resume_subscription(name("sub"))
    db.advance_clock(account, EDGE - timedelta(days=1))
    assert days_of(deliveries(db, account)) == ["2026-02-14", "2026-02-21"]
    assert len(packs_on(db, account)) == 2


def charged_days(db: Database, account: str) -> list[str]:
    """The date of each delivery that is on an invoice, as often as it is."""
    return sorted(line.period.start.date().isoformat() for line in packs_on(db, account) if line.period)


MARCH_WEEKS = ["2026-03-01", "2026-03-08", "2026-03-15", "2026-03-22", "2026-03-29"]


@pytest.mark.behaviour("S4-25")
def test_what_was_delivered_before_a_termination_is_billed_later(
    db: Database, name: Name, licence: str, pack: str
) -> None:
    """Three of March are made, the rest is not: three are on April's invoice."""
    db.add_service(licence, pack, service_id="w", schedule="weekly", bill_later=True)
    db.advance_clock(name("member"), at(3, 16))
    db.terminate_service(licence, "w")
    db.advance_clock(name("member"), at(5, 2))
    assert charged_days(db, name("member")) == MARCH_WEEKS[:3]
    assert days_of(deliveries(db, name("member"))) == MARCH_WEEKS[:3]


@pytest.mark.parametrize(("when", "count"), [("now", 3), ("period_end", 5)])
def test_what_was_delivered_before_the_end_is_on_the_last_invoice(
    db: Database, name: Name, licence: str, pack: str, when: str, count: int
) -> None:
    """There is no later period to bill it in."""
    db.add_service(licence, pack, service_id="w", schedule="weekly", bill_later=True)
    db.advance_clock(name("member"), at(3, 16))
    db.cancel_subscription(licence, when=when)
    db.advance_clock(name("member"), at(5, 2))
    assert charged_days(db, name("member")) == MARCH_WEEKS[:count]
    assert days_of(deliveries(db, name("member"))) == MARCH_WEEKS[:count]


def test_what_a_subscription_delivered_that_was_never_paid_for_is_billed(
    db: Database, account: str, name: Name, pack: str
) -> None:
    """Its first invoice is void when its first period is over; the packs were given, and are owed."""
    plan = published(db, name("plan"))
    order = {"service_id": "w", "pack_id": pack, "schedule": "weekly", "bill_later": True}
    db.subscribe(
        account, plan.plan_id, subscription_id=name("sub"), payment_method="test_decline", services=[order]
    )
    db.advance_clock(account, at(3))
    assert db.subscription(name("sub")).state == "ended"
    assert charged_days(db, account) == days_of(deliveries(db, account)) != []


@pytest.mark.parametrize("when", ["now", "period_end"])
def test_what_was_delivered_before_a_change_of_rhythm_is_billed_with_it(
    db: Database, account: str, name: Name, pack: str, when: str
) -> None:
    """The new period has no one before it, and what the old one delivered is owed nevertheless, once."""
    monthly = published(db, name("monthly"), credits="7")
    yearly = published(db, name("yearly"), credits="7", fee="200", billing_period="yearly")
    order = {"service_id": "w", "pack_id": pack, "schedule": "weekly", "bill_later": True}
    db.subscribe(account, monthly.plan_id, subscription_id=name("sub"), services=[order])
    db.advance_clock(account, at(2, 15))
    shown = db.preview_change(name("sub"), yearly.plan_id, when="now")
    assert len([each for each in shown.charges if each.kind == "pack"]) == 3
    db.change_plan(name("sub"), yearly.plan_id, change_id="longer", when=when)
    db.advance_clock(account, at(3, 10))
    january_31 = ["2026-01-31", "2026-02-07", "2026-02-14"]
    assert charged_days(db, account) == january_31 + (["2026-02-21"] if when == "period_end" else [])
    db.advance_clock(account, at(3, 15, 2027))
    assert charged_days(db, account) == [
        day
        for day in days_of(deliveries(db, account))
        if day < ("2027-02-15" if when == "now" else "2027-02-28")
    ]


def test_what_a_pause_left_out_is_not_billed_later(db: Database, name: Name, licence: str, pack: str) -> None:
    """Two weeks are made; the pause outlasts the period, and the next one begins with the resumption."""
    db.add_service(licence, pack, service_id="w", schedule="weekly", bill_later=True)
    db.advance_clock(name("member"), at(3, 10))
    db.pause_subscription(licence)
    db.advance_clock(name("member"), at(4, 10))
    db.resume_subscription(licence)
    assert charged_days(db, name("member")) == MARCH_WEEKS[:2]
    db.advance_clock(name("member"), at(5, 10))
    made = days_of(deliveries(db, name("member")))
    assert made[2:] == ["2026-04-12", "2026-04-19", "2026-04-26", "2026-05-03", "2026-05-10"]
    assert charged_days(db, name("member")) == made[:-1], "that of the edge belongs to the period that begins"


@pytest.mark.parametrize("rhythms", [("monthly", "yearly"), ("yearly", "monthly")])
def test_a_change_of_rhythm_charges_each_delivery_once(
    db: Database, account: str, name: Name, pack: str, rhythms: tuple[str, str]
) -> None:
    """What the old period has charged is delivered as it was; the new one charges what follows."""
    for rhythm in rhythms:
        published(db, name(rhythm), credits="7", billing_period=rhythm)
    order = {"service_id": "w", "pack_id": pack, "schedule": "weekly"}
    db.subscribe(account, name(rhythms[0]), subscription_id=name("sub"), services=[order])
    db.advance_clock(account, at(2, 10))
    before = charged_days(db, account)
    shown = db.preview_change(name("sub"), name(rhythms[1]))
    db.change_plan(name("sub"), name(rhythms[1]), change_id="other")
    ahead = [each for each in shown.charges if each.kind == "pack"]
    assert len(charged_days(db, account)) == len(before) + len(ahead)
    assert bool(ahead) == (rhythms[1] == "yearly")
    db.advance_clock(account, at(3, 31, 2027))
    charged, delivered = charged_days(db, account), days_of(deliveries(db, account))
    assert len(charged) == len(set(charged))
    assert charged[: len(delivered)] == delivered
    assert len(delivered) == 61


@pytest.mark.behaviour("S4-24")
@pytest.mark.parametrize("month", [3, 4])
def test_services_of_a_term_go_on_with_the_term_of_another_rhythm(
    db: Database, name: Name, pack: str, month: int
) -> None:
    """Two months become a year, also where the last delivery of the two months was made."""
    db.create_account(name("member"), customer_id=name("customer"), test_clock=MARCH)
    facts: dict[str, Any] = {"type": "custom", "base_fee": [], "credits": None, "rates": []}
    published(db, name("months"), release="immediate", **facts)
    published(db, name("years"), release="immediate", billing_period="yearly", **facts)
    order = {"service_id": "w", "pack_id": pack, "schedule": "monthly"}
    db.subscribe(name("member"), name("months"), subscription_id=name("sub"), term=2, services=[order])
    db.advance_clock(name("member"), at(month, 10))
    changed = db.change_plan(name("sub"), name("years"), change_id="longer")
    assert [each.until for each in changed.services] == [changed.term_ends_at]
    db.advance_clock(name("member"), at(8))
    assert days_of(deliveries(db, name("member"))) == [f"2026-0{each}-01" for each in range(3, 9)]
