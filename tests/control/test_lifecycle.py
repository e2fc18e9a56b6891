"""Cancel, pause, resume, auto-renewal; and what rolls over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.model.money import Money

from .conftest import START
from .plans import published

Name = Callable[[str], str]
MIDDLE = START + timedelta(days=14)
FEBRUARY_END = datetime(2026, 2, 28, tzinfo=UTC)
MARCH_END = datetime(2026, 3, 31, tzinfo=UTC)
APRIL_END = datetime(2026, 4, 30, tzinfo=UTC)


def test_cancelled_at_the_end_of_the_period(db: Database, account: str, name: Name) -> None:
    """The paid period is used to its end; there is no renewal."""
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    for _ in range(2):
        assert db.cancel_subscription(name("sub")).ends_at == FEBRUARY_END
    assert db.balance(account, "credits").available == Decimal(1000)
    db.advance_clock(account, MARCH_END)
    assert db.subscription(name("sub")).state == "ended"
    assert (len(db.invoices(account)), db.balance(account, "credits").available) == (1, 0)


def test_a_cancellation_is_taken_back_by_auto_renewal(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.cancel_subscription(name("sub"))
    db.set_auto_renew(name("sub"), True)
    db.advance_clock(account, FEBRUARY_END)
    assert db.subscription(name("sub")).state == "active"
    assert len(db.invoices(account)) == 2


@pytest.mark.parametrize(("keep", "left"), [(False, 50), (True, 1050)])
def test_cancelled_now(db: Database, account: str, name: Name, keep: bool, left: int) -> None:
    """The plan's credits are void unless they are kept; what was bought stays."""
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.create_grant(account, "credits", "50", grant_id="bought", source="purchase")
    assert db.cancel_subscription(name("sub"), when="now", keep_credits=keep).state == "ended"
    assert db.balance(account, "credits").available == Decimal(left)
    db.advance_clock(account, MARCH_END)
    assert len(db.invoices(account)) == 1


@pytest.mark.parametrize("keep", [False, True])
def test_credits_of_a_subscription_that_was_never_paid_for_are_void_when_it_is_cancelled(
    db: Database, account: str, name: Name, keep: bool
) -> None:
    """There is nothing to keep: they would wait for ever for an invoice that is void."""
    published(db, name("plan"))
    db.put_customer(name("customer"), payment_method="test_decline")
    assert db.subscribe(account, name("plan"), subscription_id=name("sub")).state == "pending"
    assert [each.state for each in db.grants(account)] == ["pending"]
    db.cancel_subscription(name("sub"), when="now", keep_credits=keep)
    assert [each.state for each in db.grants(account)] == ["voided"]
    assert [(each.state, each.releases) for each in db.invoices(account)] == [("void", ())]


def test_credits_of_a_subscription_that_nobody_pays_for_are_void_at_its_end(
    db: Database, account: str, name: Name
) -> None:
    published(db, name("plan"))
    db.put_customer(name("customer"), payment_method="test_decline")
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, FEBRUARY_END)
    assert db.subscription(name("sub")).state == "ended"
    assert [each.state for each in db.grants(account)] == ["voided"]


def test_proration_both_gives_back_the_unused_time(db: Database, account: str, name: Name) -> None:
    """Half of the 28 days are unused: 10 of 20 USD on a line of its own."""
    published(db, name("plan"), proration="both")
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    db.cancel_subscription(name("sub"), when="now")
    assert [line.amount for line in db.invoices(account)[-1].lines] == [Money(-1000, "USD")]


def test_without_auto_renewal_it_ends_with_its_period(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"), auto_renew=False)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, FEBRUARY_END)
    assert db.subscription(name("sub")).state == "ended"
    assert len(db.invoices(account)) == 1


def test_paused_and_resumed_within_the_paid_period(db: Database, account: str, name: Name) -> None:
    """Nothing is lost or doubled: the next renewal is where it was."""
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    assert db.pause_subscription(name("sub")).state == "paused"
    assert db.resume_subscription(name("sub")).state == "active"
    db.advance_clock(account, FEBRUARY_END)
    assert len(db.invoices(account)) == 2
    assert db.balance(account, "credits").available == Decimal(1000)


@pytest.mark.parametrize("resumed_on", [MARCH_END, datetime(2026, 4, 2, tzinfo=UTC)])
def test_credits_that_are_paid_for_come_when_a_pause_over_their_cadence_ends(
    db: Database, account: str, name: Name, resumed_on: datetime
) -> None:
    """A year of 100 a month, paid for at once: at the very edge or after it, and once each."""
    monthly = {
        "credit_type": "credits",
        "amount": "100",
        "cadence": "monthly",
        "prices": [{"currency": "USD", "amount": "1"}],
    }
    published(db, name("plan"), fee="0", billing_period="yearly", credits=monthly)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, datetime(2026, 3, 20, tzinfo=UTC))
    db.pause_subscription(name("sub"))
    db.advance_clock(account, resumed_on)
    assert db.balance(account, "credits").available == 0
    for _ in range(2):
        db.resume_subscription(name("sub"))
        assert db.balance(account, "credits").available == Decimal(100)
        db.pause_subscription(name("sub"))
    # Over two edges: what the first of them would have given has expired by the second.
    db.advance_clock(account, datetime(2026, 6, 2, tzinfo=UTC))
    db.resume_subscription(name("sub"))
    assert db.balance(account, "credits").available == Decimal(100)
    db.advance_clock(account, datetime(2027, 1, 30, tzinfo=UTC))
    assert db.balance(account, "credits").available == Decimal(100)
    assert len(db.grants(account)) == 11
    assert [each.due for each in db.invoices(account)] == [Money(1200, "USD")]


def test_paused_past_the_period_begins_a_new_one_when_resumed(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.pause_subscription(name("sub"))
    later = datetime(2026, 5, 10, tzinfo=UTC)
    db.advance_clock(account, later)
    assert (len(db.invoices(account)), db.balance(account, "credits").available) == (1, 0)
    resumed = db.resume_subscription(name("sub"))
    assert resumed.billing.start == later
    assert len(db.invoices(account)) == 2
    assert db.balance(account, "credits").available == Decimal(1000)
    db.advance_clock(account, datetime(2026, 6, 10, tzinfo=UTC))
    assert len(db.invoices(account)) == 3


@pytest.mark.parametrize("rhythm", ["monthly", "yearly"])
def test_what_was_planned_for_the_end_of_a_period_begins_when_a_pause_over_it_ends(
    db: Database, account: str, name: Name, rhythm: str
) -> None:
    """From 100 to 10: resumed ten days after the edge, the new period costs 10 and has its credits."""
    published(db, name("large"), fee="100")
    published(db, name("small"), fee="10", credits="50", billing_period=rhythm)
    db.subscribe(account, name("large"), subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    db.change_plan(name("sub"), name("small"), change_id="down", when="period_end")
    db.pause_subscription(name("sub"))
    later = FEBRUARY_END + timedelta(days=10)
    db.advance_clock(account, later)
    resumed = db.resume_subscription(name("sub"))
    assert (resumed.plan_id, resumed.planned_change) == (name("small"), None)
    assert resumed.billing.start == later
    assert [each.due for each in db.invoices(account)] == [Money(10_000, "USD"), Money(1_000, "USD")]
    assert db.balance(account, "credits").available == Decimal(50)
    told = [each.data["change_id"] for each in db.notices(account, kinds=["subscription.changed"]).notices]
    assert told == ["down"]


@pytest.mark.behaviour("S0-22")
@pytest.mark.parametrize("overage", [False, True])
def test_a_period_that_ended_in_a_pause_owes_what_it_owes(
    db: Database, account: str, name: Name, overage: bool
) -> None:
    """Paused over the edge for three days: its minimum and its usage past zero are on the next invoice."""
    prices = [{"currency": "USD", "model": "per_unit", "amount": "1"}]
    priced: dict[str, Any] = {"overage": {"prices": prices}, "at_zero": {"kind": "overage"}}
    minimum = [{"currency": "USD", "amount": "100"}]
    published(db, name("plan"), credits="10", minimum_spend=minimum, **(priced if overage else {}))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.record(account, "calls", quantity=10, event_id="e")
    db.advance_clock(account, FEBRUARY_END - timedelta(days=1))
    db.pause_subscription(name("sub"))
    db.advance_clock(account, FEBRUARY_END + timedelta(days=2))
    db.resume_subscription(name("sub"))
    last = db.invoices(account)[-1]
    assert last.state == "paid"
    owed = {"overage": 1000, "minimum_spend": 7000} if overage else {"minimum_spend": 8000}
    assert {line.kind: line.amount.minor for line in last.lines} == {"base_fee": 2000, **owed}
    db.advance_clock(account, MARCH_END)
    assert len(db.invoices(account)) == 2, "billed once"


def _cancelled_at_its_edge_and_paused(db: Database, account: str, sub: str) -> None:
    db.cancel_subscription(sub)
    db.pause_subscription(sub)
    db.advance_clock(account, MARCH_END)


def _paused_and_cancelled(db: Database, account: str, sub: str) -> None:
    db.pause_subscription(sub)
    db.cancel_subscription(sub, when="now")


def _paused_and_cancelled_after_its_edge(db: Database, account: str, sub: str) -> None:
    db.pause_subscription(sub)
    db.advance_clock(account, FEBRUARY_END + timedelta(days=2))
    db.cancel_subscription(sub)


def _paused_and_closed(db: Database, account: str, sub: str) -> None:
    db.pause_subscription(sub)
    db.close_account(account, confirm=True)


def _past_due_and_cancelled(db: Database, account: str, sub: str) -> None:
    plan = db.subscription(sub).plan_id
    db.change_plan(sub, plan, change_id="card", payment_method="test_decline", when="period_end")
    db.advance_clock(account, FEBRUARY_END + timedelta(days=2))
    assert db.subscription(sub).state == "past_due"
    db.cancel_subscription(sub, when="now")


@pytest.mark.behaviour("S0-22")
@pytest.mark.parametrize(
    ("leave", "true_ups"),
    [
        (_cancelled_at_its_edge_and_paused, 1),
        (_paused_and_cancelled, 1),
        (_paused_and_cancelled_after_its_edge, 1),
        (_paused_and_closed, 1),
        # One with the renewal, one for the period that nobody paid for.
        (_past_due_and_cancelled, 2),
    ],
)
def test_a_subscription_that_ends_out_of_a_pause_or_past_due_owes_its_minimum(
    db: Database, account: str, name: Name, leave: Callable[[Database, str, str], None], true_ups: int
) -> None:
    """A floor of 100 over a fee of 20: 80 more, as of one that ends while it is active."""
    minimum = [{"currency": "USD", "amount": "100"}]
    published(db, name("plan"), credits="10", minimum_spend=minimum)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    leave(db, account, name("sub"))
    assert db.subscription(name("sub")).state == "ended"
    lines = [line for invoice in db.invoices(account) for line in invoice.lines]
    assert [line.amount for line in lines if line.kind == "minimum_spend"] == [Money(8000, "USD")] * true_ups


def test_a_trial_that_is_cancelled_owes_no_minimum(db: Database, account: str, name: Name) -> None:
    minimum = [{"currency": "USD", "amount": "100"}]
    published(db, name("plan"), credits="10", minimum_spend=minimum, trial={"days": 30})
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    db.cancel_subscription(name("sub"), when="now")
    assert not db.invoices(account)


def test_what_is_cancelled_ends_though_it_is_paused(db: Database, account: str, name: Name) -> None:
    """Ended at the edge that was said; it cannot be resumed into a period that nobody wanted."""
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    assert db.cancel_subscription(name("sub")).ends_at == FEBRUARY_END
    db.pause_subscription(name("sub"))
    db.advance_clock(account, MARCH_END)
    ended = db.subscription(name("sub"))
    assert (ended.state, ended.ended_at) == ("ended", FEBRUARY_END)
    with pytest.raises(drawdown.PreconditionError):
        db.resume_subscription(name("sub"))
    assert len(db.invoices(account)) == 1


def test_what_ended_stays_ended(db: Database, account: str, name: Name) -> None:
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.cancel_subscription(name("sub"), when="now")
    for call in (db.pause_subscription, db.resume_subscription):
        with pytest.raises(drawdown.PreconditionError):
            call(name("sub"))
    with pytest.raises(drawdown.PreconditionError):
        db.change_plan(name("sub"), name("plan"), change_id="c")
    with pytest.raises(drawdown.NotFoundError):
        db.cancel_subscription("nothing")


@pytest.mark.parametrize(
    ("rules", "rolled", "promotional"),
    [
        ({"fraction": "0.5"}, "300", "0"),
        ({"amount": "100"}, "100", "0"),
        ({"fraction": "0.5", "amount": "250"}, "250", "0"),
        ({"fraction": "0.1", "amount": "250"}, "60", "0"),
        ({"amount": "700"}, "600", "0"),
        ({"amount": "700", "min": "650"}, "600", "50"),
        ({"fraction": "0"}, "0", "0"),
    ],
    ids=str,
)
def test_a_remainder_rolls_within_its_caps(
    db: Database, account: str, name: Name, rules: dict[str, str], rolled: str, promotional: str
) -> None:
    """600 of 1,000 are left at the end of February."""
    charge: dict[str, Any] = {
        "credit_type": "credits",
        "amount": "1000",
        "cadence": "monthly",
        "prices": [{"currency": "USD", "model": "per_unit", "amount": "0.01"}],
        "rollover": rules,
    }
    published(db, name("plan"), credits=charge)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.record(account, "calls", quantity=200, time=START)
    db.advance_clock(account, FEBRUARY_END)
    live = [each for each in db.grants(account) if each.state == "active"]
    assert sum(each.amount for each in live) == Decimal(1000) + Decimal(rolled) + Decimal(promotional)
    moved = [each for each in live if each.source == "rollover" and each.category == "paid"]
    assert sum(each.amount for each in moved) == Decimal(rolled)
    assert sum(each.cost_minor for each in moved) == Decimal(rolled)
    assert sum(each.amount for each in live if each.category == "promotional") == Decimal(promotional)
    assert all(each.expires_at == MARCH_END for each in live)
    assert db.verify(account)


def test_the_same_credits_roll_so_many_times(db: Database, account: str, name: Name) -> None:
    charge = {
        "credit_type": "credits",
        "amount": "100",
        "cadence": "monthly",
        "rollover": {"amount": "1000", "times": 1},
    }
    published(db, name("plan"), credits=charge)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.advance_clock(account, FEBRUARY_END)
    assert db.balance(account, "credits").available == Decimal(200)
    db.advance_clock(account, MARCH_END)
    assert db.balance(account, "credits").available == Decimal(200)
    assert db.verify(account)


def test_what_rolls_on_and_on_never_exceeds_the_cap(db: Database, account: str, name: Name) -> None:
    """100 a month, nothing used, at most 50 roll: 150 in every later month, not 50 more each time."""
    charge = {
        "credit_type": "credits",
        "amount": "100",
        "cadence": "monthly",
        "rollover": {"amount": "50"},
    }
    published(db, name("plan"), credits=charge)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    for edge in (FEBRUARY_END, MARCH_END, datetime(2026, 4, 30, tzinfo=UTC)):
        db.advance_clock(account, edge)
        assert db.balance(account, "credits").available == Decimal(150)
    assert db.verify(account)


@pytest.mark.parametrize("cap", ["amount", "min"])
def test_a_cap_that_the_credit_type_cannot_say_is_refused(db: Database, name: Name, cap: str) -> None:
    """Credits without decimals, of which 10.5 would roll: the engine would refuse each rollover."""
    db.create_credit_type(name("whole"), scale=0)
    charge = {
        "credit_type": name("whole"),
        "amount": "40",
        "cadence": "monthly",
        "rollover": {cap: "10.5"},
    }
    with pytest.raises(drawdown.InvalidRequestError) as raised:
        published(db, name("plan"), credits=charge, rates=[])
    assert raised.value.field == f"credits.rollover.{cap}"


def test_halves_that_round_away_take_nothing_of_the_cap(db: Database, account: str, name: Name) -> None:
    """Half of what is left rolls, 10 at most, in whole credits: of 1 that is left nothing."""
    db.create_credit_type(name("whole"), scale=0)
    charge = {
        "credit_type": name("whole"),
        "amount": "40",
        "cadence": "monthly",
        "rollover": {"fraction": "0.5", "amount": "10"},
    }
    published(db, name("plan"), credits=charge, rates=[])
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    for edge, used, rolled in ((FEBRUARY_END, "37", 2), (MARCH_END, "1", 10), (APRIL_END, "49", 0)):
        db.record(account, credit_type=name("whole"), credits=used, event_id=f"{edge:%m}")
        db.advance_clock(account, edge)
        assert db.balance(account, name("whole")).available == Decimal(40 + rolled), edge
    assert db.verify(account)


def test_a_minimum_is_made_up_once_for_all_that_rolls(db: Database, account: str, name: Name) -> None:
    """30 left: 70 are added to make 100. A month later 100, 70 and 30 roll, which is enough: nothing is
    added. Used up to 20 of them, 80 are."""
    charge = {
        "credit_type": "credits",
        "amount": "100",
        "cadence": "monthly",
        "rollover": {"amount": "1000", "min": "100"},
    }
    published(db, name("plan"), credits=charge)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.record(account, "calls", quantity=35, event_id="70", time=START)
    db.advance_clock(account, FEBRUARY_END)
    assert db.balance(account, "credits").available == Decimal(200)
    db.advance_clock(account, MARCH_END)
    assert db.balance(account, "credits").available == Decimal(300)
    db.record(account, "calls", quantity=140, event_id="280")
    db.advance_clock(account, datetime(2026, 4, 30, tzinfo=UTC))
    assert db.balance(account, "credits").available == Decimal(200)
    extras = [each for each in db.grants(account) if "roll.min" in each.grant_id and each.state == "active"]
    assert [(each.amount, each.category, each.cost_minor) for each in extras] == [(80, "promotional", 0)]
    assert db.verify(account)
