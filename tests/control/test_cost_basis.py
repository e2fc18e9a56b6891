"""What a grant cost is what was paid for it: nothing is paid out, or recognised, beyond what came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from drawdown.catalog.plan import CHANGE_POLICIES
from drawdown.client.interface import Database
from drawdown.model.money import Money, total

from .conftest import START
from .plans import published

Name = Callable[[str], str]
MIDDLE = START + timedelta(days=14)


def usd(amount: str) -> Money:
    return Money(int(Decimal(amount) * 100), "USD")


def priced(db: Database, plan_id: str, credits: str, price: str, **settings: Any) -> str:
    """A plan without a fee: so many credits a month at so much."""
    charge = {
        "credit_type": "credits",
        "amount": credits,
        "cadence": "monthly",
        "prices": [{"currency": "USD", "amount": price}],
    }
    return published(db, plan_id, base_fee=[], credits=charge, **settings).plan_id


def paid(db: Database, account: str) -> Money:
    """What the customer gave."""
    return total([each.due for each in db.invoices(account) if each.due and each.state == "paid"], "USD")


def paid_out(db: Database, account: str) -> Money:
    """What is owed when the account is closed now."""
    return total(db.close_account(account, remainder="pay_out", confirm=True).payouts, "USD")


def use(db: Database, account: str, credits: str) -> None:
    assert db.record(account, credit_type="credits", credits=credits, event_id=f"use-{credits}")


@pytest.mark.parametrize(("proration", "credits", "cost"), [("none", 3100, "62"), ("first", 100, "2")])
def test_a_short_first_cadence_costs_its_share(
    db: Database, account: str, name: Name, proration: str, credits: int, cost: str
) -> None:
    """The last day of January; the next cadence is whole again."""
    settings = {"anchor": "first_of_month", "proration": proration}
    db.subscribe(account, priced(db, name("plan"), "3100", "62", **settings), subscription_id=name("sub"))
    (grant,) = db.grants(account)
    assert (grant.amount, grant.cost_minor, paid(db, account)) == (credits, usd(cost).minor, usd(cost))
    db.advance_clock(account, datetime(2026, 2, 1, tzinfo=UTC))
    (whole,) = [each for each in db.grants(account) if each.state == "active"]
    assert (whole.amount, whole.cost_minor) == (3100, 6_200)
    assert paid_out(db, account) == usd("62")


def test_a_short_first_cadence_is_paid_out_as_it_was_paid(db: Database, account: str, name: Name) -> None:
    settings = {"anchor": "first_of_month", "proration": "first"}
    db.subscribe(account, priced(db, name("plan"), "3100", "62", **settings), subscription_id=name("sub"))
    use(db, account, "50")
    assert paid_out(db, account) == usd("1")


@pytest.mark.parametrize(("adjusted", "left"), [("12", "3"), ("10", "1"), ("9.5", "0.5")])
def test_a_delivery_that_is_adjusted_costs_what_was_paid_for_the_rest(
    db: Database, account: str, name: Name, adjusted: str, left: str
) -> None:
    """10 for 5.00, of which 9 are used: 0.50 of it is left, whatever is changed by hand, and how often."""
    prices = [{"currency": "USD", "amount": "5"}]
    db.create_pack(name("pack"), name="Ten", credit_type="credits", amount="10", prices=prices)
    plan = published(db, name("plan"), type="free", base_fee=[], credits=None, rates=[]).plan_id
    db.subscribe(account, plan, subscription_id=name("sub"))
    db.add_service(name("sub"), name("pack"), service_id="ten", schedule="one_off")
    use(db, account, "9")
    for amount in ("11", adjusted):
        db.adjust_delivery(name("sub"), "ten", 0, amount)
    assert db.balance(account, "credits").available == Decimal(left)
    assert (paid(db, account), paid_out(db, account)) == (usd("5"), usd("0.50"))


def changed(
    db: Database, account: str, name: Name, settings: dict[str, Any], *, middle: bool = False
) -> None:
    """From 1,000 for 100.00, of which 900 are used, to 2,000 for 200.00."""
    small = priced(db, name("small"), "1000", "100", **settings)
    large = priced(db, name("large"), "2000", "200", **settings)
    db.subscribe(account, small, subscription_id=name("sub"))
    use(db, account, "900")
    if middle:
        db.advance_clock(account, MIDDLE)
    db.change_plan(name("sub"), large, change_id="up")


@pytest.mark.parametrize("policy", CHANGE_POLICIES)
def test_what_was_used_before_a_change_is_not_paid_out(
    db: Database, account: str, name: Name, policy: str
) -> None:
    """200.00 were paid for 2,000, of which 900 are used."""
    changed(db, account, name, {"change_policy": policy})
    assert db.balance(account, "credits").available == 1100
    assert (paid(db, account), paid_out(db, account)) == (usd("200"), usd("110"))


@pytest.mark.parametrize(
    ("policy", "left"), [("void_replace", 1100), ("keep_until_expiry", 1100), ("prorate", 600)]
)
def test_a_change_in_the_middle_costs_what_it_charged(
    db: Database, account: str, name: Name, policy: str, left: int
) -> None:
    """10.00 are left of the first 100.00, and 50.00 were paid for the rest of the period."""
    changed(db, account, name, {"change_policy": policy, "proration": "first"}, middle=True)
    assert db.balance(account, "credits").available == left
    assert (paid(db, account), paid_out(db, account)) == (usd("150"), usd("60"))


@pytest.mark.parametrize("policy", CHANGE_POLICIES)
@pytest.mark.parametrize("use_between", ["", "500"])
def test_to_and_fro_nothing_is_paid_out_beyond_what_came(
    db: Database, account: str, name: Name, policy: str, use_between: str
) -> None:
    """All of 200.00 for 2,000 unused, and a quarter less where a quarter is used."""
    small = priced(db, name("small"), "1000", "100", change_policy=policy)
    large = priced(db, name("large"), "2000", "200", change_policy=policy)
    db.subscribe(account, small, subscription_id=name("sub"))
    for turn, plan in enumerate((large, small, large, small, large)):
        db.change_plan(name("sub"), plan, change_id=f"{turn}")
        if turn == 1 and use_between:
            use(db, account, use_between)
    used = int(use_between or 0)
    out = paid_out(db, account)
    if policy == "void_replace":
        assert out == usd("150" if used else "200")
    assert (paid(db, account), out <= usd("150" if used else "200")) == (usd("200"), True)


def test_a_plan_of_another_type_costs_its_own_price(db: Database, account: str, name: Name) -> None:
    """100.00 for 1,000 credits, then as many minutes for as much: nothing more is charged."""
    credits = priced(db, name("credits"), "1000", "100")
    charge = {
        "credit_type": "minutes",
        "amount": "500",
        "cadence": "monthly",
        "prices": [{"currency": "USD", "amount": "100"}],
    }
    minutes = published(db, name("minutes"), base_fee=[], credits=charge).plan_id
    db.subscribe(account, credits, subscription_id=name("sub"))
    db.change_plan(name("sub"), minutes, change_id="to")
    assert (paid(db, account), paid_out(db, account)) == (usd("100"), usd("100"))


def test_a_period_that_begins_with_a_change_costs_its_own_price(
    db: Database, account: str, name: Name
) -> None:
    """900 of 1,000 for 100.00 are used; then a year for 1,200.00, of which a month is there."""
    small = priced(db, name("small"), "1000", "100")
    year = priced(db, name("year"), "1000", "100", billing_period="yearly")
    db.subscribe(account, small, subscription_id=name("sub"))
    use(db, account, "900")
    db.change_plan(name("sub"), year, change_id="to")
    assert (paid(db, account), paid_out(db, account)) == (usd("1300"), usd("100"))


def promotion(db: Database, account: str, name: Name, amount: int) -> None:
    db.create_invoice_credit(account, name(f"off-{amount}"), amount=amount, currency="USD", name="Welcome")


@pytest.mark.parametrize(("off", "cost"), [(100, "0"), (40, "60")])
def test_what_promotional_money_paid_of_a_plan_is_not_paid_out(
    db: Database, account: str, name: Name, off: int, cost: str
) -> None:
    """As of a purchase: the credits cost what they were sold for. They stay paid ones, first after gifts."""
    promotion(db, account, name, off)
    db.subscribe(account, priced(db, name("plan"), "1000", "100"), subscription_id=name("sub"))
    (grant,) = db.grants(account)
    assert (grant.cost_minor, grant.category) == (usd(cost).minor, "paid")
    assert (paid(db, account), paid_out(db, account)) == (usd(cost), usd(cost))


def test_a_renewal_that_promotional_money_pays_costs_nothing(db: Database, account: str, name: Name) -> None:
    db.subscribe(account, priced(db, name("plan"), "1000", "100"), subscription_id=name("sub"))
    promotion(db, account, name, 75)
    db.advance_clock(account, datetime(2026, 2, 28, tzinfo=UTC))
    (grant,) = [each for each in db.grants(account) if each.state == "active"]
    assert grant.cost_minor == 2_500
    assert paid_out(db, account) == usd("25")


@pytest.mark.parametrize("policy", CHANGE_POLICIES)
def test_a_change_that_promotional_money_pays_costs_what_was_paid_before(
    db: Database, account: str, name: Name, policy: str
) -> None:
    small = priced(db, name("small"), "1000", "100", change_policy=policy)
    large = priced(db, name("large"), "2000", "200", change_policy=policy)
    db.subscribe(account, small, subscription_id=name("sub"))
    promotion(db, account, name, 100)
    db.change_plan(name("sub"), large, change_id="up")
    assert (paid(db, account), paid_out(db, account)) == (usd("100"), usd("100"))


def test_a_year_that_promotional_money_pays_in_part_costs_the_rest(
    db: Database, account: str, name: Name
) -> None:
    """900.00 of 1,200.00 are paid: 75.00 a month, after a change and after a renewal of the month."""
    year = priced(db, name("year"), "1000", "100", billing_period="yearly")
    published(db, name("free"), type="free", base_fee=[], credits="5")
    db.subscribe(account, name("free"), subscription_id=name("sub"))
    promotion(db, account, name, 300)
    db.change_plan(name("sub"), year, change_id="to")
    costs = [each.cost_minor for each in db.grants(account) if each.state == "active"]
    db.advance_clock(account, datetime(2026, 3, 1, tzinfo=UTC))
    costs += [each.cost_minor for each in db.grants(account) if each.state == "active"]
    assert (paid(db, account), costs) == (usd("900"), [7_500, 7_500])


def test_a_delivery_that_promotional_money_pays_costs_nothing(db: Database, account: str, name: Name) -> None:
    prices = [{"currency": "USD", "amount": "5"}]
    db.create_pack(name("pack"), name="Ten", credit_type="credits", amount="10", prices=prices)
    plan = published(db, name("plan"), type="free", base_fee=[], credits=None, rates=[]).plan_id
    db.subscribe(account, plan, subscription_id=name("sub"))
    promotion(db, account, name, 4)
    db.add_service(name("sub"), name("pack"), service_id="ten", schedule="one_off")
    assert (paid(db, account), paid_out(db, account)) == (usd("1"), usd("1"))


def test_what_went_back_while_the_credits_stay_is_not_paid_out_again(
    db: Database, account: str, name: Name
) -> None:
    """Half of 200.00 is given back with the unused time; of the credits, all unused, the other half."""
    plan = priced(db, name("plan"), "2000", "200", proration="both")
    db.subscribe(account, plan, subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    db.cancel_subscription(name("sub"), when="now", keep_credits=True)
    assert db.balance(account, "credits").available == 2000
    assert (paid(db, account), paid_out(db, account)) == (usd("200"), usd("100"))


def test_what_a_smaller_plan_gave_back_is_not_paid_out_again(db: Database, account: str, name: Name) -> None:
    """The large plan's credits stay to their end, and 50.00 of 200.00 come off the next invoice."""
    settings = {"proration": "first", "change_policy": "keep_until_expiry"}
    small = priced(db, name("small"), "1000", "100", **settings)
    db.subscribe(account, priced(db, name("large"), "2000", "200", **settings), subscription_id=name("sub"))
    db.advance_clock(account, MIDDLE)
    db.change_plan(name("sub"), small, change_id="down")
    assert (paid(db, account), paid_out(db, account)) == (usd("200"), usd("150"))


def test_what_a_credit_note_took_back_is_not_paid_out_again(db: Database, account: str, name: Name) -> None:
    """80.00 of 100.00 for January go back by a note, the credits stay; February is paid in full."""
    charge = {
        "credit_type": "credits",
        "amount": "1000",
        "cadence": "monthly",
        "lifetime": {"count": 2, "unit": "month"},
        "prices": [{"currency": "USD", "amount": "100"}],
    }
    plan = published(db, name("plan"), base_fee=[], credits=charge).plan_id
    db.subscribe(account, plan, subscription_id=name("sub"))
    (invoice,) = db.invoices(account)
    db.create_credit_note(name("note"), invoice.invoice_id, invoice.lines[0].line_id, amount=usd("80"))
    db.advance_clock(account, MIDDLE + timedelta(days=14))
    assert db.balance(account, "credits").available == 2000
    assert paid_out(db, account) == usd("120")


def test_what_was_paid_elsewhere_counts_as_paid(db: Database, account: str, name: Name) -> None:
    """400 of 1,000 for 100.00 are brought along; then 100.00 more for the large plan."""
    row = {
        "kind": "subscription",
        "subscription_id": name("sub"),
        "account": account,
        "plan_id": priced(db, name("small"), "1000", "100"),
        "started_at": START.isoformat(),
        "credits_left": "400",
    }
    assert db.import_opening([row]).applied
    large = priced(db, name("large"), "2000", "200")
    db.change_plan(name("sub"), large, change_id="up")
    assert (paid(db, account), paid_out(db, account)) == (usd("100"), usd("140"))
