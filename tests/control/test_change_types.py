"""Change of plan to another credit type: nothing is carried, each type counts for itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase

from .conftest import START
from .plans import published
from .test_changes import EDGE, MIDDLE

Name = Callable[[str], str]
Amounts = dict[str, Decimal]


@pytest.fixture
def small(db: Database, name: Name) -> str:
    """100 credits."""
    return published(db, name("small"), credits="100", fee="10").plan_id


@pytest.fixture
def minutes(db: Database, name: Name) -> str:
    """7 minutes, for as much."""
    return published(db, name("minutes"), credits=monthly("7"), fee="10", rates=[]).plan_id


def monthly(amount: str) -> dict[str, Any]:
    return {"credit_type": "minutes", "amount": amount, "cadence": "monthly"}


def use(db: Database, account: str, credit_type: str, credits: str, event_id: str) -> None:
    used = db.record(account, credit_type=credit_type, credits=credits, event_id=event_id, time=START)
    assert used.status == "OK"


def available(db: Database, account: str) -> Amounts:
    """What can be spent, by credit type."""
    found: Amounts = {}
    for each in db.grants(account):
        if each.state == "active":
            found[each.credit_type] = found.get(each.credit_type, Decimal(0)) + each.remaining - each.held
    return found


@pytest.mark.behaviour("S0-34")
@pytest.mark.parametrize("used", ["0", "60", "100"])
def test_a_change_to_another_credit_type_voids_and_grants_in_full(
    db: Database, account: str, name: Name, small: str, minutes: str, used: str
) -> None:
    """The credits are void whatever was used of them, and 7 minutes are there at once, as previewed."""
    db.subscribe(account, small, subscription_id=name("sub"))
    (old,) = db.grants(account)
    use(db, account, "credits", used, "before")
    db.create_grant(account, "credits", "30", grant_id="bought", source="purchase")
    preview = db.preview_change(name("sub"), minutes)
    assert (preview.grants_voided, preview.credits_granted) == ((old.grant_id,), Decimal(7))
    assert preview.credits_forfeited == Decimal(100) - Decimal(used)
    assert available(db, account).get("minutes") is None
    for _ in range(2):
        db.change_plan(name("sub"), minutes, change_id="other")
    assert available(db, account) == {"credits": Decimal(30), "minutes": Decimal(7)}
    (new,) = db.grants(account, "minutes")
    assert (new.amount, new.effective_at, new.expires_at) == (Decimal(7), START, EDGE)
    assert db.verify(account)
    db.advance_clock(account, EDGE)
    assert available(db, account) == {"credits": Decimal(30), "minutes": Decimal(7)}


def test_to_another_type_and_back_gives_no_more_than_the_best_plan_of_each(
    db: Database, account: str, name: Name, small: str, minutes: str
) -> None:
    """Using what there is in six turns: 100 credits and 12 minutes in all, the most that one plan gives."""
    more = published(db, name("more"), credits=monthly("12"), fee="10", rates=[]).plan_id
    spent = {"credits": Decimal(0), "minutes": Decimal(0)}
    db.subscribe(account, small, subscription_id=name("sub"))
    for turn, plan in enumerate((minutes, small, more, small, minutes, more)):
        for credit_type, free in available(db, account).items():
            part = free if turn > 2 else (free / 2).quantize(Decimal(1))
            use(db, account, credit_type, str(part), f"{turn}-{credit_type}")
            spent[credit_type] += part
        preview = db.preview_change(name("sub"), plan)
        db.change_plan(name("sub"), plan, change_id=f"{turn}")
        now = available(db, account)
        assert sum(now.values()) == preview.credits_granted
        assert spent["credits"] + now.get("credits", 0) <= Decimal(100)
        assert spent["minutes"] + now.get("minutes", 0) <= Decimal(12)
    assert spent == {"credits": Decimal(100), "minutes": Decimal(12)}
    assert available(db, account) == {}
    assert db.verify(account)


def test_what_a_hold_has_of_the_old_type_stays_with_it(
    db: Database, account: str, name: Name, small: str, minutes: str
) -> None:
    """40 of 100 are held; they are settled after the change, and what is not used comes back to nobody."""
    db.subscribe(account, small, subscription_id=name("sub"))
    hold = db.reserve(account, credit_type="credits", credits="40", reservation_id=name("hold"), ttl=600)
    assert hold.status == "OK"
    db.change_plan(name("sub"), minutes, change_id="other")
    assert available(db, account) == {"minutes": Decimal(7)}
    db.settle(account, name("hold"), credits="25")
    assert available(db, account) == {"minutes": Decimal(7)}
    db.change_plan(name("sub"), small, change_id="back")
    assert available(db, account) == {"credits": Decimal(75)}
    assert db.verify(account)


def test_prorate_to_another_type_gives_the_share_of_what_is_left(
    db: Database, account: str, name: Name, small: str, minutes: str
) -> None:
    """Half of the 28 days is left: 3.5 minutes; back after another quarter, 75 credits less 60 used."""
    db.subscribe(account, small, subscription_id=name("sub"))
    use(db, account, "credits", "60", "before")
    db.advance_clock(account, MIDDLE)
    preview = db.preview_change(name("sub"), minutes, policy="prorate")
    assert (preview.credits_forfeited, preview.credits_granted) == (Decimal(40), Decimal("3.5"))
    db.change_plan(name("sub"), minutes, change_id="other", policy="prorate")
    assert available(db, account) == {"minutes": Decimal("3.5")}
    db.advance_clock(account, MIDDLE + timedelta(days=7))
    db.change_plan(name("sub"), small, change_id="back", policy="prorate")
    assert available(db, account) == {"credits": Decimal(15)}
    assert db.verify(account)


def test_keep_until_expiry_adds_all_of_another_type(
    db: Database, account: str, name: Name, small: str, minutes: str
) -> None:
    """100 credits stay and 7 minutes come; back on 100 nothing more. Then all of both types is replaced."""
    db.subscribe(account, small, subscription_id=name("sub"))
    preview = db.preview_change(name("sub"), minutes, policy="keep_until_expiry")
    assert (preview.grants_voided, preview.credits_granted) == ((), Decimal(7))
    db.change_plan(name("sub"), minutes, change_id="other", policy="keep_until_expiry")
    assert available(db, account) == {"credits": Decimal(100), "minutes": Decimal(7)}
    db.change_plan(name("sub"), small, change_id="back", policy="keep_until_expiry")
    assert available(db, account) == {"credits": Decimal(100), "minutes": Decimal(7)}
    use(db, account, "credits", "10", "between")
    db.change_plan(name("sub"), small, change_id="replace")
    assert available(db, account) == {"credits": Decimal(90)}
    assert db.verify(account)


def test_keep_until_expiry_has_nothing_to_keep_of_a_type_that_was_replaced(
    db: Database, account: str, name: Name, small: str, minutes: str
) -> None:
    """60 of 100 used, voided for minutes: back with these kept, 40 come, and no more when asked again."""
    db.subscribe(account, small, subscription_id=name("sub"))
    use(db, account, "credits", "60", "before")
    db.change_plan(name("sub"), minutes, change_id="other")
    preview = db.preview_change(name("sub"), small, policy="keep_until_expiry")
    assert (preview.grants_voided, preview.credits_granted) == ((), Decimal(40))
    for turn in range(2):
        db.change_plan(name("sub"), small, change_id=f"back-{turn}", policy="keep_until_expiry")
        assert available(db, account) == {"credits": Decimal(40), "minutes": Decimal(7)}
    assert db.verify(account)


def test_segments_of_before_count_in_the_type_of_their_plan(embedded: Database, name: Name) -> None:
    """Rows of before say no type: 100 credits of that kind are still no minutes, and still 100 credits."""
    embedded.put_customer(name("customer"), payment_method="test_ok")
    embedded.create_account(name("account"), customer_id=name("customer"), test_clock=START)
    small = published(embedded, name("small"), credits="100", fee="10").plan_id
    minutes = published(embedded, name("minutes"), credits=monthly("7"), fee="10", rates=[]).plan_id
    embedded.subscribe(name("account"), small, subscription_id=name("sub"))
    assert isinstance(embedded, EmbeddedDatabase)
    with embedded._control_plane().sql.transaction() as work:
        stored = work.subscription(name("sub"))
        unnamed = tuple(msgspec.structs.replace(each, credit_type="") for each in stored.segments)
        work.subscriptions.put(msgspec.structs.replace(stored, segments=unnamed))
    for change_id, plan in (("other", minutes), ("back", small)):
        embedded.change_plan(name("sub"), plan, change_id=change_id, policy="keep_until_expiry")
        assert available(embedded, name("account")) == {"credits": Decimal(100), "minutes": Decimal(7)}


def test_what_the_engine_refuses_is_counted_and_logged(
    embedded: Database, name: Name, caplog: pytest.LogCaptureFixture
) -> None:
    """The pool is full to the brim: the new period's credits do not fit, and an operator can see it."""
    assert isinstance(embedded, EmbeddedDatabase)
    embedded.put_customer(name("customer"), payment_method="test_ok")
    embedded.create_account(name("account"), customer_id=name("customer"), test_clock=START)
    embedded.create_grant(name("account"), "credits", "9223372036", grant_id="brim")
    plan = published(embedded, name("plan"), credits="100", fee="10").plan_id
    before = embedded._control_plane().stats()["commands_refused_total"]
    embedded.subscribe(name("account"), plan, subscription_id=name("sub"))
    told = [each.__dict__["outcomes"] for each in caplog.records if "refused a command" in each.message]
    assert any("OVERFLOW" in each for each in told), told
    assert embedded._control_plane().stats()["commands_refused_total"] == before + len(told)


def test_at_the_end_of_the_period_the_next_one_gives_the_other_type(
    db: Database, account: str, name: Name, minutes: str
) -> None:
    """Credits that live for three months roll on; the minutes begin with the new period."""
    rolling = {"credit_type": "credits", "amount": "100", "cadence": "monthly", "lifetime": {"count": 3}}
    small = published(db, name("rolling"), credits=rolling, fee="10").plan_id
    db.subscribe(account, small, subscription_id=name("sub"))
    db.change_plan(name("sub"), minutes, change_id="later", when="period_end")
    db.advance_clock(account, EDGE)
    assert available(db, account) == {"credits": Decimal(100), "minutes": Decimal(7)}


def test_a_yearly_plan_of_another_type_begins_in_full(
    db: Database, account: str, name: Name, small: str
) -> None:
    """Another rhythm and another type: a new period with its full minutes, and the next at its edge."""
    yearly = published(
        db, name("yearly"), billing_period="yearly", credits=monthly("9"), fee="90", rates=[]
    ).plan_id
    db.subscribe(account, small, subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    db.change_plan(name("sub"), yearly, change_id="up")
    assert available(db, account) == {"minutes": Decimal(9)}
    db.advance_clock(account, datetime(2026, 3, 14, tzinfo=START.tzinfo))
    assert available(db, account) == {"minutes": Decimal(9)}
