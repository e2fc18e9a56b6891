"""The billing period is what caps and tiers count in (semantics §3, §5.4), from its first day on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from drawdown.client.interface import Database

from .conftest import START
from .plans import published

Name = Callable[[str], str]
CAP = Decimal(50)
MID_MONTH = datetime(2026, 1, 20, tzinfo=UTC)
YEAR = timedelta(days=365)


def sold(db: Database, name: Name, plan: str, billing_period: str) -> str:
    """A plan of ten credits a month that may go 50 past zero in a billing period."""
    published(
        db,
        name(plan),
        credits={"credit_type": "credits", "amount": "10", "cadence": "monthly"},
        billing_period=billing_period,
        overage={"prices": [{"currency": "USD", "model": "per_unit", "amount": "0.02"}], "cap": str(CAP)},
    )
    return name(plan)


def add_on(db: Database, name: Name, **settings: object) -> str:
    """A monthly plan of another credit type that counts nothing in periods."""
    credits = {"credit_type": "minutes", "amount": "10", "cadence": "monthly"}
    published(db, name("add-on"), **{"credits": credits, "rates": [], **settings})
    return name("add-on")


def on_clock(db: Database, name: Name, at: datetime) -> str:
    db.put_customer(name("customer"), payment_method="test_ok")
    account = name("late-starter")
    db.create_account(account, customer_id=name("customer"), test_clock=at)
    return account


def past_zero(db: Database, account: str, days: list[datetime]) -> Decimal:
    """Credits past zero taken on these days, of which each uses up what is granted and asks for 45 more."""
    taken = Decimal(0)
    for day in days:
        db.advance_clock(account, day)
        free = db.balance(account, "credits").available
        asked = max(free, Decimal(0)) + 45
        result = db.record(account, credit_type="credits", credits=asked, event_id=f"{day:%Y-%m-%d %H:%M}")
        taken += 45 if result.status == "OK" else 0
    return taken


def test_a_cap_holds_once_in_the_first_billing_period(db: Database, name: Name) -> None:
    """Months that turn within it begin nothing anew: of either year 45 of 50 past zero are taken."""
    account = on_clock(db, name, MID_MONTH)
    db.subscribe(account, sold(db, name, "yearly", "yearly"), subscription_id=name("sub"))
    days = [datetime(2026 + month // 12, month % 12 + 1, 25, tzinfo=UTC) for month in range(24)]
    assert [past_zero(db, account, days[:12]), past_zero(db, account, days[12:])] == [45, 45]


def test_a_month_that_turns_in_the_first_billing_period_is_no_new_one(db: Database, name: Name) -> None:
    account = on_clock(db, name, MID_MONTH)
    db.subscribe(account, sold(db, name, "monthly", "monthly"), subscription_id=name("sub"))
    days = [MID_MONTH + timedelta(days=day) for day in (1, 15, 30)]
    assert past_zero(db, account, days) == 45
    assert past_zero(db, account, [MID_MONTH + timedelta(days=32)]) == 45


def test_a_change_of_rhythm_withdraws_the_edges_that_were_ahead(db: Database, name: Name) -> None:
    """Monthly to yearly: the edges of the months that do not come cut the year's cap no more."""
    account = on_clock(db, name, START)
    db.subscribe(account, sold(db, name, "monthly", "monthly"), subscription_id=name("sub"))
    changed_at = START + timedelta(days=10)
    db.advance_clock(account, changed_at)
    db.change_plan(name("sub"), sold(db, name, "yearly", "yearly"), change_id="longer")
    days = [changed_at + timedelta(days=1 + 30 * month) for month in range(12)]
    assert past_zero(db, account, days) == 45
    assert past_zero(db, account, [changed_at + YEAR + timedelta(days=1)]) == 45


def test_the_edges_of_a_subscription_that_ended_do_not_cut_the_next(db: Database, name: Name) -> None:
    account = on_clock(db, name, START)
    monthly = sold(db, name, "monthly", "monthly")
    db.subscribe(account, monthly, subscription_id=name("first"))
    db.advance_clock(account, START + timedelta(days=5))
    db.cancel_subscription(name("first"), when="now")
    db.subscribe(account, monthly, subscription_id=name("second"))
    days = [START + timedelta(days=day) for day in (6, 20, 32)]
    assert past_zero(db, account, days) == 45


def test_the_edges_of_another_subscription_stay(db: Database, name: Name) -> None:
    """Two of one rhythm, one of them ended: the other's next period begins with its own cap."""
    account = on_clock(db, name, START)
    monthly = sold(db, name, "monthly", "monthly")
    for which in ("first", "second"):
        db.subscribe(account, monthly, subscription_id=name(which))
    db.advance_clock(account, START + timedelta(days=5))
    db.cancel_subscription(name("first"), when="now")
    assert past_zero(db, account, [START + timedelta(days=6)]) == 45
    assert past_zero(db, account, [START + timedelta(days=29)]) == 45


def test_an_add_on_of_another_rhythm_begins_no_cap_anew(db: Database, name: Name) -> None:
    """A yearly plan that may go 50 past zero, beside a monthly one of another credit type: 45 in the year."""
    account = on_clock(db, name, START)
    db.subscribe(account, sold(db, name, "yearly", "yearly"), subscription_id=name("year"))
    db.subscribe(account, add_on(db, name), subscription_id=name("add-on"))
    days = [START + timedelta(days=5 + 30 * month) for month in range(12)]
    assert past_zero(db, account, days) == 45
    assert past_zero(db, account, [START + YEAR + timedelta(days=1)]) == 45


def test_an_add_on_of_another_rhythm_begins_no_tiers_anew(db: Database, name: Name) -> None:
    """The first 100 calls of the year are free: of 400 in four months 300 are charged."""
    account = on_clock(db, name, START)
    tiers = [{"up_to": "100", "credits": "0"}, {"credits": "1"}]
    credits = {"credit_type": "credits", "amount": "1000", "cadence": "yearly"}
    rates = [{"meter": "calls", "tiers": tiers}]
    published(db, name("year"), credits=credits, rates=rates, billing_period="yearly")
    db.subscribe(account, name("year"), subscription_id=name("year"))
    flat = [{"meter": "storage", "credits": "1"}]
    db.subscribe(account, add_on(db, name, rates=flat), subscription_id=name("add-on"))
    charged = Decimal(0)
    for month in range(4):
        db.advance_clock(account, START + timedelta(days=5 + 30 * month))
        charged += db.record(account, "calls", quantity=100, event_id=f"month-{month}").charged
    assert charged == 300


def test_the_end_of_an_add_on_withdraws_no_edge(db: Database, name: Name) -> None:
    """Of one rhythm and anchor with a plan that has a cap: the next period still begins with its own."""
    account = on_clock(db, name, START)
    db.subscribe(account, sold(db, name, "monthly", "monthly"), subscription_id=name("month"))
    db.subscribe(account, add_on(db, name), subscription_id=name("add-on"))
    db.advance_clock(account, START + timedelta(days=5))
    db.cancel_subscription(name("add-on"), when="now")
    assert past_zero(db, account, [START + timedelta(days=6), START + timedelta(days=29)]) == 90


def test_a_change_to_a_plan_with_a_cap_tells_its_edges(db: Database, name: Name) -> None:
    """From a plan that counts nothing in periods, in the midst of one: the next begins with its own cap."""
    account = on_clock(db, name, START)
    published(db, name("plain"), credits="10", rates=[])
    db.subscribe(account, name("plain"), subscription_id=name("sub"))
    changed_at = START + timedelta(days=10)
    db.advance_clock(account, changed_at)
    db.change_plan(name("sub"), sold(db, name, "monthly", "monthly"), change_id="capped")
    assert past_zero(db, account, [changed_at + timedelta(days=day) for day in (1, 16)]) == 45
    assert past_zero(db, account, [START + timedelta(days=29)]) == 45


def test_edges_told_for_a_plan_that_was_left_are_withdrawn_with_the_subscription(
    db: Database, name: Name
) -> None:
    """Its last plan counts nothing in periods; a yearly one that follows has its cap once all the same."""
    account = on_clock(db, name, START)
    published(db, name("plain"), credits="10", rates=[])
    db.subscribe(account, sold(db, name, "monthly", "monthly"), subscription_id=name("sub"))
    db.advance_clock(account, START + timedelta(days=5))
    db.change_plan(name("sub"), name("plain"), change_id="there")
    db.cancel_subscription(name("sub"), when="now")
    db.subscribe(account, sold(db, name, "yearly", "yearly"), subscription_id=name("year"))
    days = [START + timedelta(days=6 + 30 * month) for month in range(6)]
    assert past_zero(db, account, days) == 45


def test_a_change_of_rhythm_begins_a_period_of_its_own(db: Database, name: Name) -> None:
    """What was used of the month's cap is not of the year's."""
    account = on_clock(db, name, START)
    db.subscribe(account, sold(db, name, "monthly", "monthly"), subscription_id=name("sub"))
    assert past_zero(db, account, [START + timedelta(days=3)]) == 45
    db.advance_clock(account, START + timedelta(days=10))
    db.change_plan(name("sub"), sold(db, name, "yearly", "yearly"), change_id="longer")
    days = [START + timedelta(days=11 + 30 * month) for month in range(11)]
    assert past_zero(db, account, days) == 45


def test_a_subscription_begins_a_period_of_its_own_long_after_another_ended(db: Database, name: Name) -> None:
    account = on_clock(db, name, START)
    monthly = sold(db, name, "monthly", "monthly")
    db.subscribe(account, monthly, subscription_id=name("first"))
    assert past_zero(db, account, [START + timedelta(days=3)]) == 45
    db.cancel_subscription(name("first"), when="now")
    for days in (180, 400):
        db.advance_clock(account, START + timedelta(days=days))
        db.subscribe(account, monthly, subscription_id=name(f"after-{days}"))
        assert past_zero(db, account, [START + timedelta(days=days + 1)]) == 45
        db.cancel_subscription(name(f"after-{days}"), when="now")


def test_a_subscription_that_nobody_pays_for_begins_no_period_of_the_one_beside_it(
    db: Database, name: Name
) -> None:
    """Ten days into the months of the first; what it would have begun, day 38, is in the first's second."""
    account = on_clock(db, name, START)
    monthly = sold(db, name, "monthly", "monthly")
    db.subscribe(account, monthly, subscription_id=name("first"))
    db.advance_clock(account, START + timedelta(days=10))
    db.put_customer(name("customer"), payment_method="test_declined")
    assert db.subscribe(account, monthly, subscription_id=name("unpaid")).state == "pending"
    db.put_customer(name("customer"), payment_method="test_ok")
    assert past_zero(db, account, [START + timedelta(days=day) for day in (29, 37, 39, 50)]) == 45
    assert db.subscription(name("unpaid")).state == "ended"


def test_a_subscription_that_was_never_paid_for_leaves_no_period_for_the_next_to_cut(
    db: Database, name: Name
) -> None:
    """The next one's first minutes count with the rest of its period: its cap is there once."""
    account = on_clock(db, name, START)
    monthly = sold(db, name, "monthly", "monthly")
    db.put_customer(name("customer"), payment_method="test_declined")
    assert db.subscribe(account, monthly, subscription_id=name("unpaid")).state == "pending"
    db.cancel_subscription(name("unpaid"), when="now")
    db.put_customer(name("customer"), payment_method="test_ok")
    db.subscribe(account, monthly, subscription_id=name("sub"))
    minutes = [START + timedelta(minutes=minute) for minute in (1, 30)]
    assert past_zero(db, account, minutes) == 45


def test_a_subscription_begins_its_periods_once_it_is_paid_for(db: Database, name: Name) -> None:
    """Paid late, in its own first period: that one has the cap once, and the next has its own."""
    account = on_clock(db, name, MID_MONTH)
    db.put_customer(name("customer"), payment_method="test_declined")
    db.subscribe(account, sold(db, name, "monthly", "monthly"), subscription_id=name("sub"))
    assert pays_by_hand(db, account, MID_MONTH + timedelta(days=5)) == "pending"
    assert past_zero(db, account, [MID_MONTH + timedelta(days=day) for day in (6, 13, 30)]) == 45
    assert pays_by_hand(db, account, MID_MONTH + timedelta(days=32)) == "past_due"
    assert past_zero(db, account, [MID_MONTH + timedelta(days=day) for day in (33, 45)]) == 45


def pays_by_hand(db: Database, account: str, at: datetime) -> str:
    """In which state it stood; its last invoice is paid for at that instant, and it is active."""
    db.advance_clock(account, at)
    [before] = db.subscriptions(account)
    db.mark_invoice_paid(db.invoices(account)[-1].invoice_id)
    assert db.subscription(before.subscription_id).state == "active"
    return before.state
