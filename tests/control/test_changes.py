"""Change of plan: replaced in one step, paid first, never more than the best single plan would give."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.model.money import Money
from drawdown.model.results import Grant

from .conftest import START
from .plans import published

Name = Callable[[str], str]
MIDDLE = START + timedelta(days=14)
EDGE = datetime(2026, 2, 28, tzinfo=UTC)


@pytest.fixture
def small(db: Database, name: Name) -> str:
    """100 credits for 10 USD."""
    return published(db, name("small"), credits="100", fee="10").plan_id


@pytest.fixture
def large(db: Database, name: Name) -> str:
    """500 credits for 40 USD."""
    return published(db, name("large"), credits="500", fee="40").plan_id


def by_state(db: Database, account: str) -> dict[str, list[Grant]]:
    found: dict[str, list[Grant]] = {}
    for each in db.grants(account, "credits"):
        found.setdefault(each.state, []).append(each)
    return found


@pytest.mark.behaviour("S0-31", "S0-34")
def test_an_upgrade_voids_and_replaces_and_the_balance_is_not_the_sum(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    """The subscription is on the new plan, the old plan is what it was; 500, not 600."""
    before = db.plan(small)
    db.subscribe(account, small, subscription_id=name("sub"))
    old = db.grants(account)[0].grant_id
    db.advance_clock(account, MIDDLE)
    changed = db.change_plan(name("sub"), large, change_id="up")
    assert changed.plan_id == large
    assert db.plan(small) == before
    grants = {each.grant_id: each for each in db.grants(account)}
    if old in grants:
        assert (grants[old].state, grants[old].remaining) == ("voided", 0)
    (new,) = [each for each in grants.values() if each.state == "active"]
    assert (new.amount, new.expires_at) == (Decimal(500), EDGE)
    assert db.balance(account, "credits").available == Decimal(500)
    assert [each.due for each in db.invoices(account)] == [Money(1000, "USD"), Money(3000, "USD")]
    db.advance_clock(account, EDGE)
    assert db.balance(account, "credits").available == Decimal(500)
    assert db.invoices(account)[-1].due == Money(4000, "USD")
    assert db.verify(account)


def test_what_was_used_counts(db: Database, account: str, name: Name, small: str, large: str) -> None:
    """60 of 100 used, then 500: 440 are left, as if it had been the large plan from the start."""
    db.subscribe(account, small, subscription_id=name("sub"))
    db.record(account, "calls", quantity=30, time=START)
    db.change_plan(name("sub"), large, change_id="up")
    assert db.balance(account, "credits").available == Decimal(440)
    assert db.verify(account)


def test_a_downgrade_gives_the_smaller_plan_at_most(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    db.subscribe(account, large, subscription_id=name("sub"))
    db.record(account, "calls", quantity=225, time=START)
    db.change_plan(name("sub"), small, change_id="down")
    assert db.balance(account, "credits").available == Decimal(50)
    db.advance_clock(account, EDGE)
    assert db.balance(account, "credits").available == Decimal(100)
    assert db.invoices(account)[-1].due == Money(1000, "USD")


@pytest.mark.behaviour("S0-34")
@pytest.mark.parametrize("use", [0, 10, 45])
def test_to_and_fro_never_gives_more_than_the_best_plan(
    db: Database, account: str, name: Name, small: str, large: str, use: int
) -> None:
    """Small, large, small, large … with use in between: at most 500 in all can be spent in the period."""
    db.subscribe(account, small, subscription_id=name("sub"))
    spent = Decimal(0)
    for turn in range(6):
        used = db.record(account, "calls", quantity=use, event_id=f"{turn}", time=START)
        spent += used.charged
        db.change_plan(name("sub"), large if turn % 2 == 0 else small, change_id=f"{turn}")
        assert spent + db.balance(account, "credits").available <= Decimal(500)
    db.change_plan(name("sub"), large, change_id="last")
    assert spent + db.balance(account, "credits").available == Decimal(500)
    assert db.verify(account)


@pytest.mark.parametrize("begun_on", ["small", "free"])
def test_to_and_fro_costs_what_the_dearest_plan_does(
    db: Database, account: str, name: Name, small: str, large: str, begun_on: str
) -> None:
    """10, and 30 more for the large plan, or 40 at once; then the period is paid for, until a dearer one."""
    published(db, name("free"), type="free", base_fee=[], credits="5")
    published(db, name("huge"), credits="700", fee="45")
    db.subscribe(account, name(begun_on), subscription_id=name("sub"))
    for turn, plan in enumerate((large, name(begun_on), large, small, large, name("huge"), large)):
        shown = db.preview_change(name("sub"), plan).due_now
        before = len(db.invoices(account))
        db.change_plan(name("sub"), plan, change_id=f"{turn}")
        billed = [each.due for each in db.invoices(account)[before:]]
        assert billed == ([shown] if shown else [])
    charged = [line.amount.minor for each in db.invoices(account) for line in each.lines]
    assert charged == ([1000, 3000, 500] if begun_on == "small" else [4000, 500])
    db.advance_clock(account, EDGE)
    assert db.invoices(account)[-1].due == Money(4000, "USD")


def test_what_a_credit_note_took_back_is_due_again(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    """30 for the large plan went back: it is not paid for any more."""
    db.subscribe(account, small, subscription_id=name("sub"))
    db.change_plan(name("sub"), large, change_id="up")
    paid = db.invoices(account)[-1]
    db.create_credit_note(name("note"), paid.invoice_id, paid.lines[0].line_id, amount=Money(3000, "USD"))
    db.change_plan(name("sub"), small, change_id="down")
    assert db.preview_change(name("sub"), large).due_now == Money(3000, "USD")


@pytest.mark.behaviour("S0-34")
@pytest.mark.parametrize("spent_between", [0, 50])
def test_what_a_smaller_plan_took_comes_back_with_the_next(
    db: Database, account: str, name: Name, small: str, large: str, spent_between: int
) -> None:
    """300 of 500 spent, then 100, then a plan of 300: what is left of the best plan's 500 is there again."""
    medium = published(db, name("medium"), credits="300", fee="25").plan_id
    db.subscribe(account, large, subscription_id=name("sub"))
    db.record(account, "calls", quantity=150, event_id="first", time=START)
    db.change_plan(name("sub"), small, change_id="down")
    assert db.balance(account, "credits").available == Decimal(100)
    if spent_between:
        db.record(account, "calls", quantity=spent_between // 2, event_id="between", time=START)
    shown = db.preview_change(name("sub"), medium)
    db.change_plan(name("sub"), medium, change_id="up")
    assert db.balance(account, "credits").available == Decimal(200 - spent_between)
    assert shown.credits_granted == Decimal(200 - spent_between)
    assert db.verify(account)
    db.advance_clock(account, EDGE)
    assert db.balance(account, "credits").available == Decimal(300)


@pytest.mark.behaviour("S0-36")
def test_bought_and_promotional_grants_survive_a_change(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    db.subscribe(account, small, subscription_id=name("sub"))
    db.create_grant(account, "credits", "30", grant_id="bought", source="purchase")
    db.create_grant(account, "credits", "7", grant_id="gift", category="promotional", source="promotion")
    db.change_plan(name("sub"), large, change_id="up")
    kept = {each.grant_id: (each.state, each.remaining) for each in db.grants(account)}
    assert kept["bought"] == ("active", Decimal(30))
    assert kept["gift"] == ("active", Decimal(7))
    assert db.balance(account, "credits").available == Decimal(537)


@pytest.mark.behaviour("S0-33")
def test_a_change_asks_for_quantity_and_payment_method(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    """The new quantity and card are the subscription's from then on."""
    db.subscribe(account, small, subscription_id=name("sub"))
    db.change_plan(name("sub"), large, change_id="up", quantity=2, payment_method="test_ok")
    changed = db.subscription(name("sub"))
    assert (changed.plan_id, changed.quantity, changed.payment_method) == (large, 2, "test_ok")
    assert db.balance(account, "credits").available == Decimal(1000)
    db.change_plan(name("sub"), small, change_id="down", payment_method="test_insufficient")
    changed = db.subscription(name("sub"))
    assert (changed.plan_id, changed.quantity, changed.payment_method) == (small, 1, "test_insufficient")
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        db.change_plan(name("sub"), large, change_id="none", quantity=0)
    assert raised.value.field == "quantity"


def test_a_change_whose_payment_is_declined_does_not_happen(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    db.subscribe(account, small, subscription_id=name("sub"))
    unchanged = db.change_plan(name("sub"), large, change_id="up", payment_method="test_decline")
    assert (unchanged.plan_id, unchanged.planned_change) == (small, None)
    assert db.balance(account, "credits").available == Decimal(100)
    assert [each.state for each in db.invoices(account)] == ["paid", "void"]


def test_an_upgrade_whose_payment_is_declined_leaves_the_planned_downgrade(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    """From 40 to 10 at the period's end, and an upgrade to 200 before that: declined, 10 are due then."""
    published(db, name("huge"), credits="5000", fee="200", proration="both")
    db.subscribe(account, large, subscription_id=name("sub"))
    db.change_plan(name("sub"), small, change_id="down", when="period_end")
    declined = db.change_plan(name("sub"), name("huge"), change_id="up", payment_method="test_decline")
    assert (declined.plan_id, declined.payment_method) == (large, "test_ok")
    assert declined.planned_change is not None
    assert (declined.planned_change.change_id, declined.planned_change.plan_id) == ("down", small)
    db.advance_clock(account, EDGE)
    renewed = max(db.invoices(account), key=lambda invoice: invoice.number)
    assert (renewed.state, renewed.due) == ("paid", Money(1000, "USD"))
    assert (db.subscription(name("sub")).plan_id, db.balance(account, "credits").available) == (small, 100)


def test_a_change_twice_is_one(db: Database, account: str, name: Name, small: str, large: str) -> None:
    db.subscribe(account, small, subscription_id=name("sub"))
    for _ in range(3):
        db.change_plan(name("sub"), large, change_id="up")
    assert len(db.invoices(account)) == 2
    assert db.balance(account, "credits").available == Decimal(500)
    with pytest.raises(drawdown.AlreadyExistsError):
        db.change_plan(name("sub"), small, change_id="up")


def test_a_change_at_the_end_of_the_period_waits(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    db.subscribe(account, small, subscription_id=name("sub"))
    planned = db.change_plan(name("sub"), large, change_id="up", when="period_end")
    assert planned.plan_id == small and planned.planned_change is not None
    assert db.balance(account, "credits").available == Decimal(100)
    db.advance_clock(account, EDGE)
    assert db.subscription(name("sub")).plan_id == large
    assert db.balance(account, "credits").available == Decimal(500)
    assert [each.due for each in db.invoices(account)] == [Money(1000, "USD"), Money(4000, "USD")]


def test_keep_until_expiry_adds_the_difference(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    """The old grant stays; 400 more make 500. Back to small adds nothing."""
    db.subscribe(account, small, subscription_id=name("sub"))
    db.change_plan(name("sub"), large, change_id="up", policy="keep_until_expiry")
    assert sorted(each.amount for each in by_state(db, account)["active"]) == [Decimal(100), Decimal(400)]
    db.change_plan(name("sub"), small, change_id="down", policy="keep_until_expiry")
    assert db.balance(account, "credits").available == Decimal(500)
    assert "voided" not in by_state(db, account)


def test_prorate_gives_each_plan_its_share(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    """Half of the 28 days on 100, half on 500: 300 in all, of which 60 are used."""
    db.subscribe(account, small, subscription_id=name("sub"))
    db.record(account, "calls", quantity=30, time=START)
    db.advance_clock(account, MIDDLE)
    db.change_plan(name("sub"), large, change_id="up", policy="prorate")
    assert db.balance(account, "credits").available == Decimal(240)
    assert db.verify(account)


def test_prorated_money_upwards_now_and_downwards_on_the_next_invoice(
    db: Database, account: str, name: Name
) -> None:
    """Half of the period is left: 15 of 30 USD now; back down, 15 are taken off the next invoice."""
    small = published(db, name("small"), credits="100", fee="10", proration="both").plan_id
    large = published(db, name("large"), credits="500", fee="40", proration="both").plan_id
    db.subscribe(account, small, subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    db.change_plan(name("sub"), large, change_id="up")
    assert db.invoices(account)[-1].due == Money(1500, "USD")
    db.change_plan(name("sub"), small, change_id="down")
    assert len(db.invoices(account)) == 2
    db.advance_clock(account, EDGE)
    assert sum(line.amount.minor for line in db.invoices(account)[-1].lines) == 1000 - 1500


def test_another_rhythm_begins_a_new_period(db: Database, account: str, name: Name, small: str) -> None:
    """From monthly to yearly: the year is due now and begins now."""
    yearly = published(db, name("yearly"), billing_period="yearly", credits="100", fee="100").plan_id
    db.subscribe(account, small, subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    changed = db.change_plan(name("sub"), yearly, change_id="up")
    assert (changed.billing.start, changed.billing.edge(1)) == (MIDDLE, datetime(2027, 2, 14, tzinfo=UTC))
    assert db.invoices(account)[-1].due == Money(10_000, "USD")
    assert db.balance(account, "credits").available == Decimal(100)
    db.advance_clock(account, datetime(2026, 3, 14, tzinfo=UTC))
    assert len(db.invoices(account)) == 2
    (active,) = by_state(db, account)["active"]
    assert (active.effective_at, active.expires_at) == (
        datetime(2026, 3, 14, tzinfo=UTC),
        datetime(2026, 4, 14, tzinfo=UTC),
    )


def test_a_preview_says_what_the_change_then_does(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    db.subscribe(account, small, subscription_id=name("sub"))
    db.record(account, "calls", quantity=30, time=START)
    before = (db.digest(), db.subscription(name("sub")), len(db.invoices(account)))
    preview = db.preview_change(name("sub"), large)
    assert (preview.due_now, preview.credits_forfeited, preview.credits_granted) == (
        Money(3000, "USD"),
        Decimal(40),
        Decimal(440),
    )
    assert (db.digest(), db.subscription(name("sub")), len(db.invoices(account))) == before
    db.change_plan(name("sub"), large, change_id="up")
    assert db.balance(account, "credits").available == preview.credits_granted
    assert db.invoices(account)[-1].due == preview.due_now


def test_prices_of_the_new_plan_hold_from_the_change_on(
    db: Database, account: str, name: Name, small: str
) -> None:
    """Late usage from before the change has the old price."""
    dear = published(db, name("dear"), credits="500", rates=[{"meter": "calls", "credits": "5"}]).plan_id
    db.subscribe(account, small, subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    db.change_plan(name("sub"), dear, change_id="up")
    late = db.record(account, "calls", quantity=1, time=MIDDLE - timedelta(seconds=1))
    fresh = db.record(account, "calls", quantity=1, time=MIDDLE)
    assert (late.charged, fresh.charged) == (Decimal(2), Decimal(5))


def test_a_change_that_is_not_paid_leaves_no_trace_of_its_money(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    """Its invoice took an invoice credit, the account's balance and another card: all are as before."""
    db.subscribe(account, small, subscription_id=name("sub"))
    (first,) = db.invoices(account)
    db.create_credit_note(
        name("note"), first.invoice_id, first.lines[0].line_id, amount=Money(300, "USD"), reason="outage"
    )
    db.create_invoice_credit(account, name("credit"), amount="5", currency="USD", name="Welcome")
    db.change_plan(name("sub"), large, change_id="up", payment_method="test_decline")
    assert db.subscription(name("sub")).payment_method == "test_ok"
    assert [each.remaining for each in db.invoice_credits(account)] == [Money(500, "USD")]
    db.advance_clock(account, EDGE)
    renewal = db.invoices(account)[-1]
    assert renewal.totals is not None
    assert (renewal.state, renewal.due, renewal.totals.balance_used) == (
        "paid",
        Money(200, "USD"),
        Money(300, "USD"),
    )


def test_a_cancellation_goes_with_the_period_to_another_rhythm(
    db: Database, account: str, name: Name, small: str
) -> None:
    """Cancelled with its month, then changed to a year that is paid: it ends with the year."""
    yearly = published(db, name("yearly"), billing_period="yearly", credits="100", fee="100").plan_id
    db.subscribe(account, small, subscription_id=name("sub"))
    db.cancel_subscription(name("sub"))
    year_end = datetime(2027, 2, 14, tzinfo=UTC)
    db.advance_clock(account, MIDDLE)
    assert db.change_plan(name("sub"), yearly, change_id="up").ends_at == year_end
    db.advance_clock(account, year_end)
    assert db.subscription(name("sub")).state == "ended"
    assert len(db.invoices(account)) == 2


def test_prorate_counts_every_plan_of_the_cadence(db: Database, account: str, name: Name) -> None:
    """28 days: 7 on 280 (70), 7 on 560 (140), 14 on 280 again (140) are 350 in all, 20 of them used."""
    half, whole = (
        published(db, name(stem), credits=credits, change_policy="prorate").plan_id
        for stem, credits in (("half", "280"), ("whole", "560"))
    )
    db.subscribe(account, half, subscription_id=name("sub"))
    db.record(account, "calls", quantity=10, time=START)
    db.advance_clock(account, START + timedelta(days=7))
    db.change_plan(name("sub"), whole, change_id="up")
    assert db.balance(account, "credits").available == Decimal(70 + 420 - 20)
    db.advance_clock(account, MIDDLE)
    db.change_plan(name("sub"), half, change_id="down")
    assert db.balance(account, "credits").available == Decimal(70 + 140 + 140 - 20)
    assert db.verify(account)


@pytest.mark.behaviour("S2-13", "S3-4")
def test_a_change_sets_no_credits_free_that_are_not_paid(
    db: Database, account: str, name: Name, small: str, large: str
) -> None:
    """The renewal was declined and its 100 are pending: no change now, on the same plan or another; paid,
    it goes. At the end of the period it may always."""
    db.subscribe(account, small, subscription_id=name("sub"))
    db.change_plan(name("sub"), small, change_id="card", payment_method="test_decline")
    db.advance_clock(account, EDGE)
    for plan in (small, large):
        for call in (db.preview_change, lambda sub, to: db.change_plan(sub, to, change_id=f"to-{to}")):
            with pytest.raises(drawdown.PreconditionError) as raised:
                call(name("sub"), plan)
            assert raised.value.reason == "PERIOD_NOT_SETTLED"
    assert db.balance(account, "credits").available == 0
    db.change_plan(name("sub"), small, change_id="later", when="period_end", payment_method="test_ok")
    db.mark_invoice_paid(db.invoices(account)[-1].invoice_id)
    db.change_plan(name("sub"), large, change_id="now")
    assert db.balance(account, "credits").available == Decimal(500)


def test_nothing_is_given_back_that_was_not_paid(db: Database, account: str, name: Name) -> None:
    """Declined at the renewal and cancelled in the midst of it: no credit for its unused rest."""
    plan = published(db, name("plan"), proration="both").plan_id
    db.subscribe(account, plan, subscription_id=name("sub"))
    db.change_plan(name("sub"), plan, change_id="card", payment_method="test_decline")
    db.advance_clock(account, EDGE + timedelta(days=4))
    db.cancel_subscription(name("sub"), when="now")
    assert [each.state for each in db.invoices(account)] == ["paid", "finalized"]
