"""A preview lists what the change then does: every line, every grant, now or at the end of the period."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from drawdown.catalog.plan import CHANGE_POLICIES
from drawdown.client.interface import Database
from drawdown.errors import PreconditionError
from drawdown.model.money import Money, total
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import START
from .plans import published
from .test_invoice_grace import use
from .test_invoices import FEBRUARY_END, lines, newest, overage_plan, subscribed, usd

Name = Callable[[str], str]
Lines = Counter[tuple[str, str, Decimal]]
FLOOR = {"minimum_spend": [{"currency": "USD", "amount": "50"}]}
YEARLY = {"billing_period": "yearly", "fee": "200"}

_numbers = itertools.count(1)


def floor(amount: str) -> dict[str, Any]:
    return {"minimum_spend": [{"currency": "USD", "amount": amount}]}


def put_down(db: Database, account: str, subscription_id: str) -> tuple[Lines, Money]:
    """Every line there is, on invoices or waiting for the next; and what final invoices came to."""
    found: Lines = Counter()
    for invoice in db.invoices(account):
        found.update((line.kind, str(line.amount), line.quantity) for line in invoice.lines)
    for charge in db.subscription(subscription_id).waiting_charges:
        found[(charge.kind, str(charge.amount), charge.quantity)] += 1
    billed = [invoice.totals.total for invoice in db.invoices(account) if invoice.totals is not None]
    return found, total(billed, "USD")


def plan_content(draw: st.DataObject, stem: str) -> dict[str, Any]:
    of = {
        "credits": draw.draw(st.sampled_from(["40", "100", "250"]), f"{stem}: credits"),
        "fee": draw.draw(st.sampled_from(["10", "20", "35"]), f"{stem}: fee"),
        "proration": draw.draw(st.sampled_from(["none", "first", "both"]), f"{stem}: proration"),
        "billing_period": draw.draw(st.sampled_from(["monthly", "monthly", "yearly"]), f"{stem}: period"),
    }
    price = draw.draw(st.sampled_from(["", "1", "3"]), f"{stem}: overage price")
    least = draw.draw(st.sampled_from(["", "60", "300"]), f"{stem}: minimum")
    content = {**of, **(overage_plan(price) if price else {}), "credits": of["credits"]}
    content["credits"] = {"credit_type": "credits", "amount": of["credits"], "cadence": "monthly"}
    return {**content, **(floor(least) if least else {})}


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(draw=st.data())
def test_it_is_what_the_change_then_does(db: Database, draw: st.DataObject) -> None:
    """Any two plans, quantities and policies, with use before, at any time of the period."""
    name = f"preview-{next(_numbers)}".__add__
    account, subscription = name("-account"), name("-sub")
    db.put_customer(name("-customer"), payment_method="test_ok")
    db.create_account(account, customer_id=name("-customer"), test_clock=START)
    for stem in ("-old", "-new"):
        published(db, name(stem), **plan_content(draw, stem))
    db.subscribe(account, name("-old"), subscription_id=subscription, quantity=draw.draw(st.integers(1, 2)))
    db.advance_clock(account, START + timedelta(days=draw.draw(st.integers(0, 27), "days")))
    # Refused where the plan has no overage: then nothing is past zero.
    db.record(account, credit_type="credits", credits=draw.draw(st.sampled_from(["15", "110", "260"])))
    to = {
        "plan": draw.draw(st.sampled_from([name("-old"), name("-new"), name("-new")]), "to"),
        "quantity": draw.draw(st.integers(1, 2), "quantity"),
        "policy": draw.draw(st.sampled_from(CHANGE_POLICIES), "policy"),
    }
    if draw.draw(st.booleans(), "at the end of the period"):
        check_at_end(db, account, subscription, to)
    else:
        check_now(db, account, subscription, to)
    assert db.verify(account)


def check_now(db: Database, account: str, subscription: str, to: dict[str, Any]) -> None:
    before, paid = put_down(db, account, subscription)
    known = {each.grant_id: each for each in db.grants(account)}
    shown = db.preview_change(subscription, **to)
    assert put_down(db, account, subscription) == (before, paid), "a preview changes nothing"
    db.change_plan(subscription, change_id="change", **to)
    after, paid_after = put_down(db, account, subscription)
    assert after - before == Counter((each.kind, str(each.amount), each.quantity) for each in shown.charges)
    assert paid_after - paid == shown.due_now
    grants = {each.grant_id: each for each in db.grants(account)}
    voided = {each for each, grant in grants.items() if grant.state == "voided"}
    assert voided - {each for each, grant in known.items() if grant.state == "voided"} == set(
        shown.grants_voided
    )
    made = [grant.amount for each, grant in grants.items() if each not in known]
    assert sum(made, Decimal(0)) == shown.credits_granted


def check_at_end(db: Database, account: str, subscription: str, to: dict[str, Any]) -> None:
    shown = db.preview_change(subscription, when="period_end", **to)
    before, _ = put_down(db, account, subscription)
    db.change_plan(subscription, change_id="change", when="period_end", **to)
    known = {each.grant_id for each in db.grants(account)}
    assert put_down(db, account, subscription)[0] == before
    present = db.subscription(subscription)
    edge = present.billing.edge(1)
    assert shown.effective_at == edge and not shown.due_now
    db.advance_clock(account, edge)
    new = {"base_fee", "credits"}
    of_the_edge = Counter(
        (line.kind, str(line.amount), line.quantity)
        for invoice in db.invoices(account)
        for line in invoice.lines
        if line.kind in new and line.period is not None and line.period.start == edge
    )
    assert of_the_edge == Counter((each.kind, str(each.amount), each.quantity) for each in shown.charges)
    made = [each.amount for each in db.grants(account) if each.effective_at == edge]
    assert sum(made, Decimal(0)) == shown.credits_granted
    assert known <= {each.grant_id for each in db.grants(account)}


@pytest.mark.behaviour("S0-6")
def test_it_lists_the_overage_so_far(db: Database, account: str, name: Name) -> None:
    """Ten at 1.00 stand on the next invoice when 3.00 follows; nothing of it is due now."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "110", "ten-past")
    published(db, name("dear"), **overage_plan("3"))
    shown = db.preview_change(name("sub"), name("dear"))
    assert [(each.kind, each.amount, each.quantity) for each in shown.charges] == [
        ("overage", usd(10), Decimal(10))
    ]
    assert shown.due_now == usd(0)
    assert lines(db.preview_invoice(account)) == {"overage": "10.00"}


@pytest.mark.parametrize(
    ("proration", "due", "missing"),
    [("none", "200.00", "20.00"), ("first", "200.00", "5.00"), ("both", "200.00", "5.00")],
)
@pytest.mark.behaviour("S0-22")
def test_a_period_cut_short_owes_its_minimum_as_its_fee(
    db: Database, account: str, name: Name, proration: str, due: str, missing: str
) -> None:
    """Half of February, then a year. Whole: 20 + 10 of 50. In proportion: 10 + 10 of 25."""
    subscribed(db, account, name, **overage_plan("1", **FLOOR))
    use(db, account, "110", "ten-past")
    published(db, name("year"), **YEARLY, credits="100", proration=proration)
    db.advance_clock(account, START + timedelta(days=14))
    shown = {
        each.kind: str(each.amount.decimal()) for each in db.preview_change(name("sub"), name("year")).charges
    }
    db.change_plan(name("sub"), name("year"), change_id="year")
    billed = {
        line.kind: str(line.amount.decimal()) for each in db.invoices(account)[1:] for line in each.lines
    }
    wanted = {"base_fee": due, "overage": "10.00", "minimum_spend": missing}
    assert billed == shown == (wanted if proration == "none" else {**wanted, "proration": "-10.00"})


@pytest.mark.parametrize("proration", ["none", "both"])
def test_so_does_one_that_ends_with_its_subscription(
    db: Database, account: str, name: Name, proration: str
) -> None:
    """20 of 50, or half of each."""
    subscribed(db, account, name, credits="100", proration=proration, **FLOOR)
    db.advance_clock(account, START + timedelta(days=14))
    db.cancel_subscription(name("sub"), when="now")
    found = [line for each in db.invoices(account) for line in each.lines if line.kind == "minimum_spend"]
    assert [line.amount for line in found] == [usd(30) if proration == "none" else usd(15)]


@pytest.mark.parametrize(
    ("proration", "fee", "missing"),
    [("none", 2000, 3000), ("first", 65, 96), ("both", 65, 96)],
)
def test_so_does_a_short_first_one(
    db: Database, account: str, name: Name, proration: str, fee: int, missing: int
) -> None:
    """The last day of January: 20 of 50, or a thirty-first of each; February owes all of both."""
    subscribed(db, account, name, credits="100", proration=proration, anchor="first_of_month", **FLOOR)
    db.advance_clock(account, datetime(2026, 3, 2, tzinfo=UTC))
    found = [line for each in db.invoices(account) for line in each.lines]
    fees = [line.amount.minor for line in found if line.kind == "base_fee"]
    true_ups = [line.amount.minor for line in found if line.kind == "minimum_spend"]
    assert (fees, true_ups) == ([fee, 2000, 2000], [missing, 3000])


def test_a_short_first_period_cut_short_owes_a_share_of_its_share(
    db: Database, account: str, name: Name
) -> None:
    """Half of the last day of January: a sixty-second of 20 and of 50."""
    subscribed(db, account, name, credits="100", proration="both", anchor="first_of_month", **FLOOR)
    db.advance_clock(account, START + timedelta(hours=12))
    db.cancel_subscription(name("sub"), when="now")
    billed = total([line.amount for each in db.invoices(account) for line in each.lines], "USD")
    assert billed == Money(81, "USD")


def test_a_change_of_rhythm_bills_what_waited_for_the_next_invoice(
    db: Database, account: str, name: Name
) -> None:
    """Ten at 1.00 wait since a change of price; the year that follows does not keep them for its end."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "110", "ten-past")
    published(db, name("dear"), **overage_plan("3"))
    published(db, name("year"), **YEARLY, credits="100")
    db.change_plan(name("sub"), name("dear"), change_id="dear")
    db.change_plan(name("sub"), name("year"), change_id="year")
    assert lines(newest(db, account))["overage"] == "10.00"
    assert db.subscription(name("sub")).waiting_charges == ()


@pytest.mark.behaviour("S0-28")
@pytest.mark.parametrize("when", ["now", "period_end"])
@pytest.mark.parametrize("call", ["change", "preview"])
def test_what_nobody_can_count_is_refused_at_the_call(
    db: Database, account: str, name: Name, when: str, call: str
) -> None:
    """100 credits at scale 9 for a billion seats, and a fee beyond 64 bits: the quantity is named."""
    subscribed(db, account, name, credits="1")
    published(db, name("many"), credits="100", fee="0")
    fee = {"currency": "USD", "model": "per_unit", "amount": "100000000000"}
    published(db, name("dear"), credits="0.000000001", base_fee=[fee])
    for plan in (name("many"), name("dear")):
        with pytest.raises(PreconditionError) as raised:
            if call == "preview":
                db.preview_change(name("sub"), plan, quantity=10**9, when=when)
            else:
                db.change_plan(name("sub"), plan, change_id=plan, quantity=10**9, when=when)
        assert (raised.value.reason, raised.value.field) == ("OVERFLOW", "quantity")
    assert db.subscription(name("sub")).planned_change is None
    db.advance_clock(account, FEBRUARY_END)
    assert lines(newest(db, account)) == {"base_fee": "20.00"}


def test_what_the_account_cannot_hold_is_refused_at_the_call(db: Database, account: str, name: Name) -> None:
    """Nine billion bought and the plan's 500 million fit 64 bits no more; nothing is charged."""
    subscribed(db, account, name, credits="1")
    db.create_grant(account, "credits", "9000000000", grant_id="bought")
    published(db, name("many"), credits="500000000", fee="40")
    with pytest.raises(PreconditionError) as raised:
        db.change_plan(name("sub"), name("many"), change_id="many")
    assert (raised.value.reason, raised.value.field) == ("OVERFLOW", "quantity")
    assert len(db.invoices(account)) == 1
    assert db.subscription(name("sub")).planned_change is None
