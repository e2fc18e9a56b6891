"""A term of so many periods stays as long as it was agreed on, whatever happens to its schedules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from drawdown.client.interface import Database
from drawdown.errors import PreconditionError

from .plans import published

Name = Callable[[str], str]
BEGINS = datetime(2026, 1, 1, tzinfo=UTC)


def months_on(months: int, days: int = 0) -> datetime:
    """So many months after ``BEGINS``, and days."""
    return BEGINS.replace(year=2026 + months // 12, month=1 + months % 12) + timedelta(days=days)


@pytest.fixture
def term(db: Database, name: Name) -> str:
    """Twelve months from ``BEGINS`` that end by themselves."""
    db.put_customer(name("customer"), payment_method="test_ok")
    db.create_account(name("member"), customer_id=name("customer"), test_clock=BEGINS)
    published(db, name("months"), auto_renew=False)
    db.subscribe(name("member"), name("months"), subscription_id=name("term"), term=12)
    assert db.subscription(name("term")).term_ends_at == months_on(12)
    return name("term")


@pytest.mark.parametrize("renews", [False, True])
def test_a_pause_puts_off_the_rest_of_a_term_and_adds_no_period(
    db: Database, term: str, name: Name, renews: bool
) -> None:
    """Paused in the tenth month, resumed in the twelfth: two are left, then a whole term if it renews."""
    db.set_auto_renew(term, renews)
    db.advance_clock(name("member"), months_on(9, 20))
    db.pause_subscription(term)
    db.advance_clock(name("member"), months_on(11, 5))
    assert db.resume_subscription(term).term_ends_at == months_on(13, 5)
    db.advance_clock(name("member"), months_on(13, 5))
    assert len(db.invoices(name("member"), limit=100)) == 12 + renews
    followed = db.subscription(term)
    assert followed.state == ("active" if renews else "ended")
    assert followed.term_ends_at == months_on(25 if renews else 13, 5)


def test_a_term_that_was_over_in_a_pause_is_followed_by_a_whole_one(
    db: Database, term: str, name: Name
) -> None:
    """Renewal is on, and the twelfth month was the one it was paused in."""
    db.set_auto_renew(term, True)
    db.advance_clock(name("member"), months_on(11, 5))
    db.pause_subscription(term)
    db.advance_clock(name("member"), months_on(13, 5))
    assert db.resume_subscription(term).term_ends_at == months_on(25, 5)


@pytest.mark.parametrize("when", ["now", "period_end"])
def test_a_term_in_years_ends_with_the_year_that_its_months_end_in(
    db: Database, term: str, name: Name, when: str
) -> None:
    """In the eleventh month to a yearly plan: one year from there on, not twelve."""
    published(db, name("years"), billing_period="yearly", fee="200", auto_renew=False)
    db.advance_clock(name("member"), months_on(10, 5))
    db.change_plan(term, name("years"), change_id="longer", when=when)
    db.advance_clock(name("member"), months_on(11))
    changed = db.subscription(term)
    begun = months_on(10, 5) if when == "now" else months_on(11)
    assert changed.billing.start == begun
    assert changed.term_ends_at == begun.replace(year=begun.year + 1)
    db.advance_clock(name("member"), begun.replace(year=begun.year + 1))
    assert db.subscription(term).state == "ended"


def test_a_weekly_cadence_leaves_the_end_of_a_term_where_a_month_ends(
    db: Database, term: str, name: Name
) -> None:
    """Changed five days into the second month: its months begin there now, the eleventh ends the term."""
    weekly = {"credit_type": "credits", "amount": "25", "cadence": "weekly"}
    published(db, name("weeks"), credits=weekly, auto_renew=False)
    db.advance_clock(name("member"), months_on(1, 5))
    db.change_plan(term, name("weeks"), change_id="weeks", when="now")
    assert db.subscription(term).term_ends_at == months_on(12, 5)


@pytest.mark.parametrize(("months", "last_end"), [(12, 37), (18, 43)])
def test_a_term_is_as_long_in_years_and_in_months_again(
    db: Database, name: Name, months: int, last_end: int
) -> None:
    """Renewed on a yearly plan 12 months are one year, 18 are two; on months again they are what they were.

    A year later those of 12 begin another term, those of 18 are in the second year of theirs.
    """
    db.put_customer(name("customer"), payment_method="test_ok")
    db.create_account(name("member"), customer_id=name("customer"), test_clock=BEGINS)
    published(db, name("months"))
    published(db, name("years"), billing_period="yearly", fee="200")
    db.subscribe(name("member"), name("months"), subscription_id=name("term"), term=months)
    db.change_plan(name("term"), name("years"), change_id="longer", when="period_end")
    years = -(-months // 12)
    db.advance_clock(name("member"), months_on(1 + 12 * years))
    assert db.subscription(name("term")).term_ends_at == months_on(1 + 24 * years)
    db.change_plan(name("term"), name("months"), change_id="shorter", when="period_end")
    db.advance_clock(name("member"), months_on(13 + 12 * years))
    again = db.subscription(name("term"))
    assert (again.term, again.term_ends_at) == (months, months_on(last_end))


def test_changes_of_rhythm_put_the_end_of_a_term_off_by_less_than_one_period(
    db: Database, term: str, name: Name
) -> None:
    """Six times, five days apart: each rounds the end that was agreed on, not the one before it."""
    weekly = {"credit_type": "credits", "amount": "25", "cadence": "weekly"}
    published(db, name("weeks"), credits=weekly, auto_renew=False)
    for change in range(1, 8):
        db.advance_clock(name("member"), months_on(0, 5 * change))
        plan = name("weeks") if change % 2 else name("months")
        db.change_plan(term, plan, change_id=f"change-{change}", when="now")
        changed = db.subscription(term)
        assert changed.term_ends_at is not None
        assert months_on(12) <= changed.term_ends_at < months_on(13)
    assert changed.term_ends_at == months_on(12, 4)


def test_a_term_that_is_over_in_a_pause_ends_where_renewal_is_switched_off(
    db: Database, term: str, name: Name
) -> None:
    """Paused in its last month, over in the pause: nothing follows it, at a resumption neither."""
    db.set_auto_renew(term, True)
    db.advance_clock(name("member"), months_on(11, 5))
    db.pause_subscription(term)
    db.advance_clock(name("member"), months_on(13, 5))
    assert db.set_auto_renew(term, False).state == "ended"
    # Whoever lost that answer asks again.
    assert db.set_auto_renew(term, False).state == "ended"
    with pytest.raises(PreconditionError):
        db.set_auto_renew(term, True)
    with pytest.raises(PreconditionError) as refused:
        db.resume_subscription(term)
    assert refused.value.reason == "SUBSCRIPTION_NOT_PAUSED"
    assert len(db.invoices(name("member"), limit=100)) == 12


def test_months_that_are_left_of_a_term_outlast_a_pause_in_which_renewal_is_switched_off(
    db: Database, term: str, name: Name
) -> None:
    """Paused in the tenth month, two are left at the resumption in the fourteenth."""
    db.set_auto_renew(term, True)
    db.advance_clock(name("member"), months_on(9, 5))
    db.pause_subscription(term)
    db.advance_clock(name("member"), months_on(13, 5))
    assert db.set_auto_renew(term, False).state == "paused"
    assert db.resume_subscription(term).term_ends_at == months_on(15, 5)


@pytest.mark.parametrize(("months", "ends"), [(12, months_on(27)), (18, months_on(51))])
def test_a_year_that_follows_a_pause_is_one_from_the_first_of_a_month_on_too(
    db: Database, name: Name, months: int, ends: datetime
) -> None:
    """Resumed on the 13th of March, a term of 12 months ends with the year from the 1st of April on: not with
    the 19 days before it. One of 18 months, of 18 months."""
    db.put_customer(name("customer"), payment_method="test_ok")
    db.create_account(name("member"), customer_id=name("customer"), test_clock=months_on(0, 14))
    published(db, name("months"), anchor="first_of_month")
    published(db, name("years"), billing_period="yearly", fee="200", anchor="first_of_month")
    db.subscribe(name("member"), name("months"), subscription_id=name("term"), term=months)
    db.change_plan(name("term"), name("years"), change_id="longer", when="period_end")
    db.advance_clock(name("member"), months_on(1))
    over = db.subscription(name("term")).term_ends_at
    assert over is not None
    db.advance_clock(name("member"), over - timedelta(days=5))
    db.pause_subscription(name("term"))
    db.advance_clock(name("member"), over + timedelta(days=40))
    assert db.resume_subscription(name("term")).term_ends_at == ends
