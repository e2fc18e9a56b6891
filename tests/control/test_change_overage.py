"""Overage on a change of plan in the midst of a period: at the price it was used at, once, on an invoice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from drawdown.billing.invoice import Invoice
from drawdown.client.interface import Database
from drawdown.errors import PreconditionError

from .conftest import START
from .plans import published
from .test_invoice_grace import use
from .test_invoices import FEBRUARY_END, GRACE, MARCH_END, lines, newest, overage_plan, subscribed, usd

Name = Callable[[str], str]
MIDDLE = START + timedelta(days=14)


def overage(invoices: list[Invoice]) -> list[tuple[str, Decimal]]:
    """Amount and credits of every overage line, in order."""
    found = [line for each in invoices for line in each.lines if line.kind in ("overage", "adjustment")]
    return [(str(line.amount.decimal()), line.quantity) for line in found]


def change(db: Database, name: Name, to: str, change_id: str, **settings: Any) -> None:
    """To a plan of these settings, made on the first change to it, now."""
    if change_id == to:
        published(db, name(to), **settings)
    db.change_plan(name("sub"), name(to), change_id=change_id)


def final(db: Database, account: str, boundary: datetime) -> list[Invoice]:
    db.advance_clock(account, boundary + GRACE)
    return db.invoices(account)


def used_up(db: Database, account: str, name: Name, price: str = "1", **settings: Any) -> None:
    """100 credits and ten past them, in the midst of the period."""
    subscribed(db, account, name, **overage_plan(price, **settings))
    db.advance_clock(account, MIDDLE)
    use(db, account, "110", "ten-past")


@pytest.mark.behaviour("S0-6")
def test_overage_of_a_plan_that_was_left_is_billed(db: Database, account: str, name: Name) -> None:
    """Ten past zero at 1.00, then a plan without overage: 10.00 at the period's end, and never again."""
    used_up(db, account, name)
    change(db, name, "plain", "plain", credits="100")
    past = db.record(account, credit_type="credits", credits="1", event_id="refused")
    assert past.status == "INSUFFICIENT"
    assert lines(db.preview_invoice(account)) == {"overage": "10.00"}
    assert overage(final(db, account, FEBRUARY_END)) == [("10.00", Decimal(10))]
    assert newest(db, account).paid == usd(30)
    assert overage(final(db, account, MARCH_END)) == [("10.00", Decimal(10))]
    assert newest(db, account).closes_at is None


@pytest.mark.behaviour("S0-6")
def test_overage_before_and_after_a_change_has_two_prices(db: Database, account: str, name: Name) -> None:
    """Ten at 1.00, five at 3.00: each on its own line of one invoice; the next has neither."""
    used_up(db, account, name)
    change(db, name, "dear", "dear", **overage_plan("3"))
    use(db, account, "5", "after")
    both = [("10.00", Decimal(10)), ("15.00", Decimal(5))]
    assert overage([db.preview_invoice(account)]) == both
    assert overage(final(db, account, FEBRUARY_END)) == both
    assert newest(db, account).paid == usd(45)
    assert overage(final(db, account, MARCH_END)) == both


def test_a_change_there_and_back_bills_all_once(db: Database, account: str, name: Name) -> None:
    """Ten, a plan without overage, back, five more: fifteen at the one price there is."""
    used_up(db, account, name)
    change(db, name, "plain", "plain", credits="100")
    db.advance_clock(account, MIDDLE + timedelta(days=1))
    change(db, name, "plan", "back")
    use(db, account, "5", "after")
    assert overage(final(db, account, FEBRUARY_END)) == [("15.00", Decimal(15))]
    assert overage(final(db, account, MARCH_END)) == [("15.00", Decimal(15))]


def test_a_change_there_and_back_over_another_price(db: Database, account: str, name: Name) -> None:
    """Ten at 1.00, two at 3.00 and five at 1.00 again, in the order in which they were used."""
    used_up(db, account, name)
    change(db, name, "dear", "dear", **overage_plan("3"))
    use(db, account, "2", "dear")
    change(db, name, "plan", "back")
    use(db, account, "5", "after")
    wanted = [("10.00", Decimal(10)), ("6.00", Decimal(2)), ("5.00", Decimal(5))]
    assert overage(final(db, account, FEBRUARY_END)) == wanted
    assert overage(final(db, account, MARCH_END)) == wanted


def test_by_way_of_a_plan_without_overage_to_another_price(db: Database, account: str, name: Name) -> None:
    """Ten at 1.00, none in between, four at 3.00."""
    used_up(db, account, name)
    change(db, name, "plain", "plain", credits="100")
    change(db, name, "dear", "dear", **overage_plan("3"))
    use(db, account, "4", "after")
    wanted = [("10.00", Decimal(10)), ("12.00", Decimal(4))]
    assert overage(final(db, account, FEBRUARY_END)) == wanted
    assert overage(final(db, account, MARCH_END)) == wanted


def test_a_change_at_the_same_price_leaves_one_line(db: Database, account: str, name: Name) -> None:
    used_up(db, account, name)
    change(db, name, "same", "same", **overage_plan("1"))
    use(db, account, "5", "after")
    assert overage(final(db, account, FEBRUARY_END)) == [("15.00", Decimal(15))]


@pytest.mark.behaviour("S0-6")
def test_another_rhythm_bills_the_period_that_it_ends(db: Database, account: str, name: Name) -> None:
    """To a year: the month's ten at 1.00 stand on an invoice of the change, not in a year's time."""
    used_up(db, account, name)
    settings = overage_plan("3", billing_period="yearly", fee="200")
    change(db, name, "year", "year", **settings)
    use(db, account, "100", "of-the-year")
    use(db, account, "2", "after")
    at_once = [each for each in db.invoices(account) if overage([each])]
    assert [(each.state, each.paid) for each in at_once] == [("paid", usd(10))]
    assert overage(db.invoices(account)) == [("10.00", Decimal(10))]
    assert lines(db.preview_invoice(account)) == {"overage": "6.00"}


def test_a_hold_that_is_settled_after_the_change(db: Database, account: str, name: Name) -> None:
    """Held under the old plan, used up behind the change: at the old plan's price as well."""
    used_up(db, account, name)
    hold = db.reserve(account, credit_type="credits", credits="6", reservation_id=name("hold"), ttl=600)
    change(db, name, "plain", "plain", credits="100")
    hold.settle(credits="5")
    assert overage(final(db, account, FEBRUARY_END)) == [("15.00", Decimal(15))]


def test_a_subscription_that_ends_after_the_change(db: Database, account: str, name: Name) -> None:
    """Ten at 1.00, one at 3.00, cancelled at once: both on the last invoice."""
    used_up(db, account, name)
    change(db, name, "dear", "dear", **overage_plan("3"))
    use(db, account, "1", "after")
    db.cancel_subscription(name("sub"), when="now")
    wanted = [("10.00", Decimal(10)), ("3.00", Decimal(1))]
    assert overage(final(db, account, MIDDLE)) == wanted
    assert newest(db, account).paid == usd(13)
    assert overage(final(db, account, MARCH_END)) == wanted


def test_a_change_inside_the_grace_of_the_period_before(db: Database, account: str, name: Name) -> None:
    """February's ten wait on its draft and stay there; March's two before the change are at 1.00."""
    used_up(db, account, name)
    db.advance_clock(account, FEBRUARY_END + timedelta(minutes=30))
    use(db, account, "102", "march")
    change(db, name, "dear", "dear", **overage_plan("3"))
    use(db, account, "3", "after")
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "10.00"}
    assert overage(final(db, account, FEBRUARY_END)) == [("10.00", Decimal(10))]
    wanted = [("10.00", Decimal(10)), ("2.00", Decimal(2)), ("9.00", Decimal(3))]
    assert overage(final(db, account, MARCH_END)) == wanted


def test_what_was_used_before_counts_towards_the_minimum(db: Database, account: str, name: Name) -> None:
    """Fee 20, ten at 1.00 and two at 3.00 of a floor of 50: 14.00 are missing."""
    used_up(db, account, name)
    floor = {"minimum_spend": [{"currency": "USD", "amount": "50"}]}
    change(db, name, "dear", "dear", **overage_plan("3", **floor))
    use(db, account, "2", "after")
    invoice = final(db, account, FEBRUARY_END)[-1]
    assert overage([invoice]) == [("10.00", Decimal(10)), ("6.00", Decimal(2))]
    assert lines(invoice)["minimum_spend"] == "14.00"


def test_it_counts_where_the_new_plan_has_no_overage(db: Database, account: str, name: Name) -> None:
    """Fee 20 and ten at 1.00 of a floor of 50: 20.00 are missing."""
    used_up(db, account, name)
    change(db, name, "plain", "plain", credits="100", minimum_spend=[{"currency": "USD", "amount": "50"}])
    invoice = final(db, account, FEBRUARY_END)[-1]
    assert lines(invoice) == {"base_fee": "20.00", "overage": "10.00", "minimum_spend": "20.00"}


def test_overage_of_another_credit_type(db: Database, account: str, name: Name) -> None:
    """Ten credits at 1.00 and minutes past zero at 3.00: one true-up, to a floor that both count towards."""
    used_up(db, account, name)
    minutes = {"credit_type": "minutes", "amount": "7", "cadence": "monthly"}
    floor = {"minimum_spend": [{"currency": "USD", "amount": "100"}]}
    change(db, name, "minutes", "minutes", **overage_plan("3", **floor, rates=[]) | {"credits": minutes})
    assert db.record(account, credit_type="minutes", credits="11", event_id="minutes").status == "OK"
    assert db.balance(account, "minutes").overage == Decimal(4)
    invoice = final(db, account, FEBRUARY_END)[-1]
    assert overage([invoice]) == [("10.00", Decimal(10)), ("12.00", Decimal(4))]
    true_ups = [line.amount for line in invoice.lines if line.kind == "minimum_spend"]
    assert true_ups == [usd(100) - usd(20) - usd(10) - usd(12)]


def test_a_plan_without_a_price_in_the_currency_is_refused(db: Database, account: str, name: Name) -> None:
    """Before anything changes; it used to be seen when its overage was priced."""
    used_up(db, account, name)
    elsewhere = {"prices": [{"currency": "EUR", "model": "per_unit", "amount": "1"}]}
    with pytest.raises(PreconditionError) as raised:
        change(db, name, "euro", "euro", **overage_plan("1") | {"overage": elsewhere})
    assert raised.value.reason == "CURRENCY_UNAVAILABLE"
    assert db.subscription(name("sub")).plan_id == name("plan")
    assert overage(final(db, account, FEBRUARY_END)) == [("10.00", Decimal(10))]
