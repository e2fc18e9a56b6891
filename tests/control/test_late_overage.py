"""Usage noted after a change of price and dated before it: at the price that was in force then, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from drawdown.client.interface import Database

from .test_change_overage import MIDDLE, change, final, overage, used_up
from .test_invoice_grace import use
from .test_invoices import FEBRUARY_END, GRACE, MARCH_END, lines, newest, overage_plan, usd

Name = Callable[[str], str]
HOUR = timedelta(hours=1)
BEFORE = MIDDLE - HOUR
FLOOR = {"minimum_spend": [{"currency": "USD", "amount": "60"}]}


def dearer(db: Database, account: str, name: Name, **settings: object) -> None:
    """Ten at 1.00, then 3.00 each; the clock stands a day behind the change, two are used since."""
    used_up(db, account, name)
    change(db, name, "dear", "dear", **overage_plan("3", **settings))
    db.advance_clock(account, MIDDLE + timedelta(days=1))
    use(db, account, "2", "after")


@pytest.mark.behaviour("S0-6")
def test_what_comes_late_has_the_price_of_its_time(db: Database, account: str, name: Name) -> None:
    """Five more of before the change: 5.00 and not 15.00, on the same invoice, and never again."""
    dearer(db, account, name)
    use(db, account, "5", "late", time=BEFORE)
    wanted = [("10.00", Decimal(10)), ("5.00", Decimal(5)), ("6.00", Decimal(2))]
    assert overage([db.preview_invoice(account)]) == wanted
    assert overage(final(db, account, FEBRUARY_END)) == wanted
    assert newest(db, account).paid == usd(20 + 10 + 5 + 6)
    assert overage(final(db, account, MARCH_END)) == wanted


def test_inside_the_grace_of_the_period_too(db: Database, account: str, name: Name) -> None:
    dearer(db, account, name)
    db.advance_clock(account, FEBRUARY_END + GRACE / 2)
    use(db, account, "100", "march")
    use(db, account, "4", "late", time=BEFORE)
    use(db, account, "1", "less-late", time=FEBRUARY_END - HOUR)
    wanted = [("10.00", Decimal(10)), ("4.00", Decimal(4)), ("9.00", Decimal(3))]
    assert overage([newest(db, account)]) == wanted
    assert overage(final(db, account, FEBRUARY_END)) == wanted
    assert overage(final(db, account, MARCH_END)) == wanted


@pytest.mark.behaviour("S0-6")
def test_later_each_part_has_an_adjustment_of_its_own(db: Database, account: str, name: Name) -> None:
    """Final in February; in March four of before the change and one of after it: 4.00 and 3.00."""
    dearer(db, account, name)
    before = overage(final(db, account, FEBRUARY_END))
    use(db, account, "100", "march")
    use(db, account, "4", "late", time=BEFORE)
    use(db, account, "1", "less-late", time=FEBRUARY_END - HOUR)
    adjusted = [("4.00", Decimal(4)), ("3.00", Decimal(1))]
    assert overage([db.preview_invoice(account)]) == adjusted
    assert overage(final(db, account, MARCH_END)) == before + adjusted
    assert {line.kind for line in newest(db, account).lines} == {"base_fee", "adjustment"}


@pytest.mark.parametrize("closed", [False, True])
def test_a_correction_has_the_price_of_its_event(
    db: Database, account: str, name: Name, closed: bool
) -> None:
    """The 110 of before the change become 107: 3.00 back, before the period's invoice or after it."""
    dearer(db, account, name)
    if closed:
        final(db, account, FEBRUARY_END)
    assert db.correct(account, "ten-past", credits="107").status == "OK"
    if not closed:
        wanted = [("10.00", Decimal(10)), ("-3.00", Decimal(-3)), ("6.00", Decimal(2))]
        assert overage(final(db, account, FEBRUARY_END)) == wanted
        return
    wanted = [("10.00", Decimal(10)), ("6.00", Decimal(2)), ("-3.00", Decimal(-3))]
    assert overage(final(db, account, MARCH_END)) == wanted


def test_what_the_true_up_has_paid_for_is_not_paid_for_again(db: Database, account: str, name: Name) -> None:
    """20 + 10 + 6 of a floor of 60: 24.00 are missing. Late 4.00 and 3.00 are within it; 30 more are not."""
    dearer(db, account, name, **FLOOR)
    invoice = final(db, account, FEBRUARY_END)[-1]
    assert lines(invoice)["minimum_spend"] == "24.00"
    use(db, account, "100", "march")
    use(db, account, "4", "late", time=BEFORE)
    use(db, account, "30", "very-late", time=BEFORE)
    adjusted = [("10.00", Decimal(34))]
    assert overage([db.preview_invoice(account)]) == adjusted


def test_two_changes_have_three_prices(db: Database, account: str, name: Name) -> None:
    """1.00, 3.00 and 1.00 again: what comes late goes where its time is."""
    dearer(db, account, name)
    change(db, name, "plan", "back")
    db.advance_clock(account, MIDDLE + timedelta(days=2))
    use(db, account, "7", "first", time=BEFORE)
    use(db, account, "4", "second", time=MIDDLE + HOUR)
    use(db, account, "5", "third")
    wanted = [
        ("10.00", Decimal(10)),
        ("6.00", Decimal(2)),
        ("7.00", Decimal(7)),
        ("12.00", Decimal(4)),
        ("5.00", Decimal(5)),
    ]
    assert overage(final(db, account, FEBRUARY_END)) == wanted


@pytest.mark.parametrize("price", ["1", "3"])
def test_another_rhythm_leaves_the_month_its_price(
    db: Database, account: str, name: Name, price: str
) -> None:
    """To a year: what comes late to the month that ended with the change is an adjustment of that month."""
    used_up(db, account, name)
    change(db, name, "year", "year", **overage_plan(price, billing_period="yearly", fee="200"))
    db.advance_clock(account, MIDDLE + timedelta(days=1))
    use(db, account, "100", "of-the-year")
    use(db, account, "4", "late", time=BEFORE)
    use(db, account, "2", "after")
    draft = db.preview_invoice(account)
    ours = {line.kind: (str(line.amount.decimal()), line.quantity) for line in draft.lines}
    assert ours["adjustment"] == ("4.00", Decimal(4))
    assert ours["overage"] == (str((Decimal(price) * 2).quantize(Decimal("0.01"))), Decimal(2))
