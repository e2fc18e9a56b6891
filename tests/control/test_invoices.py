"""Invoices: credits off them, what is owed behind, notes, numbers, and the page a customer sees."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from drawdown.billing.invoice import Invoice
from drawdown.client.interface import Database
from drawdown.errors import AlreadyExistsError, InvalidRequestError, NotFoundError, PreconditionError
from drawdown.model.money import Money, money_from

from .plans import published

Name = Callable[[str], str]
FEBRUARY_END = datetime(2026, 2, 28, tzinfo=UTC)
MARCH_END = datetime(2026, 3, 31, tzinfo=UTC)
APRIL_END = datetime(2026, 4, 30, tzinfo=UTC)
GRACE = timedelta(hours=1)


def usd(amount: str | int) -> Money:
    return money_from(amount, "USD")


def subscribed(db: Database, account: str, name: Name, **settings: Any) -> None:
    plan = published(db, name("plan"), **settings)
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))


def overage_plan(price: str = "0.10", **settings: Any) -> dict[str, Any]:
    """100 credits a month for 20, and usage past zero at a price per credit."""
    prices = [{"currency": "USD", "model": "per_unit", "amount": price}]
    return {"credits": "100", "overage": {"prices": prices}, "at_zero": {"kind": "overage"}, **settings}


def credit(db: Database, account: str, credit_id: str, amount: str, **settings: Any) -> Any:
    return db.create_invoice_credit(
        account, credit_id, **{"amount": amount, "currency": "USD", "name": "Welcome", **settings}
    )


def newest(db: Database, account: str) -> Invoice:
    return db.invoices(account)[-1]


def lines(invoice: Invoice) -> dict[str, str]:
    return {line.kind: str(line.amount.decimal()) for line in invoice.lines}


@pytest.mark.behaviour("S0-6", "S0-17", "S3-7", "S3-10")
def test_usage_past_zero_is_priced_on_the_next_invoice(db: Database, account: str, name: Name) -> None:
    """100 credits and 37 past them at 0.10: 3.70 beside the fee; to the unit, and once."""
    subscribed(db, account, name, **overage_plan())
    db.record(account, "calls", quantity=68, event_id="e")
    assert db.balance(account, "credits").overage == Decimal(36)
    assert lines(db.preview_invoice(account)) == {"overage": "3.60"}
    db.record(account, credit_type="credits", credits="1", event_id="f")
    db.advance_clock(account, FEBRUARY_END)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "3.70"}
    db.advance_clock(account, MARCH_END)
    assert lines(newest(db, account)) == {"base_fee": "20.00"}


def test_a_preview_is_of_one_currency_as_invoices_are(db: Database, account: str, name: Name) -> None:
    """A subscription in EUR under a customer in USD; beside one in USD it has an invoice of its own."""
    for plan, currency, credit_type in (("euros", "EUR", "credits"), ("dollars", "USD", "minutes")):
        prices = [{"currency": currency, "model": "per_unit", "amount": "1"}]
        published(
            db,
            name(plan),
            base_fee=[{"currency": currency, "amount": "20"}],
            credits={"credit_type": credit_type, "amount": "10", "cadence": "monthly"},
            rates=[],
            overage={"prices": prices},
            at_zero={"kind": "overage"},
        )
        db.subscribe(account, name(plan), subscription_id=name(f"in-{plan}"), currency=currency)
    db.record(account, credit_type="credits", credits="15", event_id="five-past")
    preview = db.preview_invoice(account)
    assert (preview.currency, lines(preview)) == ("EUR", {"overage": "5.00"})
    assert preview.due == money_from(5, "EUR")
    db.record(account, credit_type="minutes", credits="12", event_id="two-past")
    preview = db.preview_invoice(account)
    assert (preview.currency, lines(preview)) == ("USD", {"overage": "2.00"})
    db.advance_clock(account, FEBRUARY_END)
    found = {each.currency: lines(each) for each in db.invoices(account)[-2:]}
    assert found == {
        "EUR": {"base_fee": "20.00", "overage": "5.00"},
        "USD": {"base_fee": "20.00", "overage": "2.00"},
    }


@pytest.mark.behaviour("S0-7")
@pytest.mark.parametrize("has_overage", [False, True])
@pytest.mark.parametrize("has_top_up", [False, True])
def test_top_up_and_overage_are_two_switches(
    db: Database, account: str, name: Name, has_overage: bool, has_top_up: bool
) -> None:
    """Neither: refused at zero. Each alone and both behave as their own."""
    settings: dict[str, Any] = overage_plan() if has_overage else {"credits": "100"}
    if has_top_up:
        prices = [{"currency": "USD", "model": "per_unit", "amount": "1"}]
        settings["top_up"] = {"prices": prices}
    subscribed(db, account, name, **settings)
    db.record(account, credit_type="credits", credits="100", event_id="all")
    past = db.record(account, credit_type="credits", credits="1", event_id="past")
    assert past.status == ("OK" if has_overage else "INSUFFICIENT")
    if has_top_up:
        assert db.top_up(account, "credits", "5", purchase_id=name("t")).state == "granted"
        assert db.record(account, credit_type="credits", credits="5", event_id="topped").status == "OK"
    else:
        with pytest.raises(PreconditionError):
            db.top_up(account, "credits", "5", purchase_id=name("t"))


@pytest.mark.behaviour("S0-22")
def test_minimum_spend_is_a_visible_true_up(db: Database, account: str, name: Name) -> None:
    """A floor of 50 over a fee of 20: 30 more, on a line of its own; nothing above the floor."""
    floor = {"minimum_spend": [{"currency": "USD", "amount": "50"}]}
    subscribed(db, account, name, **overage_plan("1", **floor))
    db.advance_clock(account, FEBRUARY_END)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "minimum_spend": "30.00"}
    db.record(account, credit_type="credits", credits="110", event_id="ten-past")
    db.advance_clock(account, MARCH_END)
    assert lines(newest(db, account)) == {
        "base_fee": "20.00",
        "overage": "10.00",
        "minimum_spend": "20.00",
    }
    db.record(account, credit_type="credits", credits="150", event_id="fifty-past")
    db.advance_clock(account, APRIL_END)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "50.00"}


@pytest.mark.behaviour("S0-22")
def test_whatever_the_period_was_charged_with_counts_towards_the_minimum(
    db: Database, account: str, name: Name
) -> None:
    """A floor of 100: fee 20 and a pack of 60 leave 20. After a change from a fee of 130 to 20, nothing."""
    floor = {"minimum_spend": [{"currency": "USD", "amount": "100"}]}
    db.create_pack(
        name("pack"),
        name="Ten",
        amount="10",
        prices=[{"currency": "USD", "amount": "60", "model": "per_unit"}],
    )
    published(db, name("large"), fee="130", **floor)
    subscribed(db, account, name, **floor)
    db.add_service(name("sub"), name("pack"), service_id="ten")
    db.advance_clock(account, FEBRUARY_END)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "minimum_spend": "20.00"}
    db.change_plan(name("sub"), name("large"), change_id="up")
    db.change_plan(name("sub"), name("plan"), change_id="down")
    db.advance_clock(account, MARCH_END)
    assert lines(newest(db, account)) == {"base_fee": "20.00"}


@pytest.mark.behaviour("S1-3", "S1-4", "S1-16", "S1-23", "S1-26", "S1-1")
def test_a_credit_comes_off_the_next_invoices_until_it_is_used_up(
    db: Database, account: str, name: Name
) -> None:
    """50 off invoices of 20: 20, 20, then 10; never below zero, and gross, credit and net are shown."""
    credit(db, account, name("c"), "50", reason="referral")
    subscribed(db, account, name, credits="100")
    dues = [newest(db, account)]
    for end in (FEBRUARY_END, MARCH_END, APRIL_END):
        db.advance_clock(account, end)
        dues.append(newest(db, account))
    assert [str(each.due) for each in dues] == ["0.00 USD", "0.00 USD", "10.00 USD", "20.00 USD"]
    third = dues[2].totals
    assert third is not None
    assert (third.gross, third.credited, third.total) == (usd(20), usd(10), usd(10))
    (used,) = db.invoice_credits(account)
    assert (used.applied, used.remaining) == (usd(50), usd(0))


@pytest.mark.behaviour("S1-5", "S1-6", "S1-14", "S1-17", "S1-21", "S1-22")
def test_worked_example_scoped_and_capped_by_its_lines(db: Database, account: str, name: Name) -> None:
    """Fee 20 and overage 80: 50 off usage meters leaves 50; beside it 5 off the whole invoice."""
    subscribed(db, account, name, **overage_plan("1"))
    credit(db, account, name("usage"), "50", scope={"classes": ["usage_meters"]}, priority=1)
    db.record(account, credit_type="credits", credits="180", event_id="e")
    preview = db.preview_invoice(account)
    assert (preview.totals.credited if preview.totals else None) == usd(50)
    db.advance_clock(account, FEBRUARY_END)
    assert newest(db, account).due == usd(50)
    credit(db, account, name("line"), "50", scope={"lines": ["credits"]}, priority=1)
    credit(db, account, name("whole"), "5", priority=2)
    db.record(account, credit_type="credits", credits="130", event_id="f")
    db.advance_clock(account, MARCH_END + GRACE)
    invoice = newest(db, account)
    assert lines(invoice) == {"base_fee": "20.00", "overage": "30.00"}
    applied = {each.credit_id: str(each.amount) for each in invoice.applications}
    assert applied == {name("line"): "30.00 USD", name("whole"): "5.00 USD"}
    assert invoice.due == usd(15)
    left = {each.credit_id: each.remaining for each in db.invoice_credits(account)}
    assert left[name("line")] == usd(20)


@pytest.mark.behaviour("S1-10", "S1-24", "S1-25")
def test_expiry_is_judged_at_the_periods_last_instant(db: Database, account: str, name: Name) -> None:
    """Added in the open period it counts for it; expired at its end it does not."""
    subscribed(db, account, name, credits="100")
    db.advance_clock(account, FEBRUARY_END - timedelta(days=1))
    credit(db, account, name("gone"), "5", expires_at=FEBRUARY_END - timedelta(seconds=1))
    credit(db, account, name("good"), "7", expires_at=FEBRUARY_END, reason="referral")
    db.advance_clock(account, FEBRUARY_END)
    invoice = newest(db, account)
    assert [each.credit_id for each in invoice.applications] == [name("good")]
    assert "Welcome (referral)" in db.render_invoice(invoice.invoice_id).decode()


@pytest.mark.behaviour("S1-7", "S1-8", "S1-15", "S1-18", "S1-19", "S1-20")
def test_credits_are_immutable_voidable_and_the_accounts_own(db: Database, account: str, name: Name) -> None:
    credit(db, account, name("c"), "50")
    assert credit(db, account, name("c"), "50").amount == usd(50)
    with pytest.raises(AlreadyExistsError):
        credit(db, account, name("c"), "60")
    db.create_account(
        name("other"), customer_id=name("customer"), test_clock=datetime(2026, 1, 31, tzinfo=UTC)
    )
    assert db.invoice_credits(name("other")) == ()
    subscribed(db, account, name, credits="100")
    with pytest.raises(InvalidRequestError) as raised:
        db.void_invoice_credit(name("c"))
    assert raised.value.field == "confirm"
    gone = db.void_invoice_credit(name("c"), confirm=True)
    assert (gone.applied, gone.forfeited, gone.remaining) == (usd(20), usd(30), usd(0))
    assert db.void_invoice_credit(name("c"), confirm=True) == gone
    db.advance_clock(account, FEBRUARY_END)
    assert newest(db, account).due == usd(20)


@pytest.mark.behaviour("S1-2", "S1-9", "S1-11", "S1-12")
def test_what_a_credit_must_have(db: Database, account: str, name: Name) -> None:
    sold = credit(db, account, name("sold"), "100", paid={"minor": 8_000, "currency": "USD"})
    assert (sold.amount, sold.paid) == (usd(100), usd(80))
    for wrong, field in (
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"name": ""}, "name"),
        ({"priority": 0}, "priority"),
        ({"priority": 101}, "priority"),
        ({"scope": {"classes": ["everything"]}}, "scope.classes"),
    ):
        with pytest.raises(InvalidRequestError) as raised:
            credit(db, account, name("bad"), **{"amount": "1", **wrong})
        assert raised.value.field == field
    credit(db, account, name("first"), "15", priority=1)
    subscribed(db, account, name, credits="100")
    applied = [(each.credit_id, each.amount) for each in newest(db, account).applications]
    assert applied == [(name("first"), usd(15)), (name("sold"), usd(5))]
    assert [each.credit_id for each in db.invoice_credits(account)] == [name("first"), name("sold")]


@pytest.mark.behaviour("S4-26")
def test_a_credit_note_takes_back_money_and_unspent_credits(db: Database, account: str, name: Name) -> None:
    subscribed(db, account, name, credits="100")
    db.record(account, credit_type="credits", credits="30", event_id="e")
    (grant,) = db.grants(account, "credits")
    invoice = newest(db, account)
    line = invoice.lines[0]
    for _ in range(2):
        note = db.create_credit_note(
            name("note"),
            invoice.invoice_id,
            line.line_id,
            amount=usd(15),
            grant_id=grant.grant_id,
            reason="allocated twice",
        )
    assert (note.corrects, note.lines[0].amount, note.number[:3]) == (invoice.invoice_id, usd(-15), "TC-")
    (withdrawn,) = db.grants(account, "credits")
    assert (withdrawn.state, withdrawn.voided, withdrawn.burned) == ("voided", Decimal(70), Decimal(30))
    assert db.invoice(invoice.invoice_id) == invoice, "a final invoice changed"
    with pytest.raises(InvalidRequestError):
        db.create_credit_note(name("more"), invoice.invoice_id, line.line_id, amount=usd("5.01"))
    db.advance_clock(account, FEBRUARY_END)
    following = newest(db, account)
    assert following.totals is not None
    assert (following.totals.balance_used, following.due) == (usd(15), usd(5))
    assert b"Credit note" in db.render_invoice(name("note"))


@pytest.mark.behaviour("S4-26")
def test_a_note_over_a_part_withdraws_that_part_of_what_is_unspent(
    db: Database, account: str, name: Name
) -> None:
    """100 for 60, 30 used. Half taken back: 50 go, 20 stay. A quarter more (of the 50 left, half): 20 go, as
    only those are unspent."""
    db.create_pack(name("pack"), name="P", amount="100", prices=[{"currency": "USD", "amount": "60"}])
    subscribed(db, account, name, credits=None, type="custom", base_fee=[])
    db.add_service(name("sub"), name("pack"), service_id="p")
    db.record(account, credit_type="credits", credits="30", event_id="e")
    invoice = newest(db, account)
    (grant,) = db.grants(account)
    for _ in range(2):
        db.create_credit_note(
            name("half"),
            invoice.invoice_id,
            invoice.lines[0].line_id,
            amount=usd(30),
            grant_id=grant.grant_id,
        )
    old, rest = db.grants(account)
    assert (old.state, old.burned, old.voided, old.moved) == ("voided", 30, 50, 20)
    assert (rest.amount, rest.cost_minor, rest.priority) == (20, 1_200, grant.priority)
    assert db.balance(account, "credits").available == 20
    db.create_credit_note(
        name("more"), invoice.invoice_id, invoice.lines[0].line_id, amount=usd(15), grant_id=rest.grant_id
    )
    assert db.balance(account, "credits").available == 0
    assert db.verify(account)


def test_what_a_note_left_of_a_plans_grant_is_the_plans(db: Database, account: str, name: Name) -> None:
    """Half of 100 withdrawn; cancelled at once, the other half is void too."""
    subscribed(db, account, name, credits="100")
    invoice = newest(db, account)
    (grant,) = db.grants(account)
    db.create_credit_note(
        name("note"), invoice.invoice_id, invoice.lines[0].line_id, amount=usd(10), grant_id=grant.grant_id
    )
    assert db.balance(account, "credits").available == 50
    db.cancel_subscription(name("sub"), when="now")
    assert db.balance(account, "credits").available == 0


@pytest.mark.behaviour("S1-23")
def test_a_void_invoice_used_nothing_up(db: Database, account: str, name: Name) -> None:
    """5 of an invoice credit are on an invoice that is given up; the credit is whole again."""
    db.put_customer(name("customer"), payment_method="test_decline")
    credit(db, account, name("c"), "5")
    subscribed(db, account, name, credits="100")
    invoice = newest(db, account)
    assert (invoice.due, db.invoice_credits(account)[0].remaining) == (usd(15), usd(0))
    db.close_invoice(invoice.invoice_id, "uncollectible")
    assert db.invoice_credits(account)[0].remaining == usd(0)
    for _ in range(2):
        db.close_invoice(invoice.invoice_id, "void")
        assert db.invoice_credits(account)[0].remaining == usd(5)


@pytest.mark.behaviour("S1-10")
def test_where_no_period_ends_a_credit_is_judged_at_issue(db: Database, account: str, name: Name) -> None:
    """Expired in the instant of the first invoice and of a change's: not applied."""
    start = db.account(account).test_clock
    credit(db, account, name("c"), "5", expires_at=start)
    subscribed(db, account, name, credits="100")
    published(db, name("more"), fee="50")
    db.change_plan(name("sub"), name("more"), change_id="up")
    assert [(each.due, each.applications) for each in db.invoices(account)] == [(usd(20), ()), (usd(30), ())]


@pytest.mark.behaviour("S2-24", "S2-23")
def test_a_zero_invoice_is_issued_and_never_charged(db: Database, account: str, name: Name) -> None:
    # A charge, even of nothing, would fail.
    db.put_customer(name("customer"), payment_method="test_decline")
    subscribed(db, account, name, base_fee=[], type="free", credits="1")
    db.advance_clock(account, FEBRUARY_END)
    issued = db.invoices(account)
    assert [(each.state, each.due) for each in issued] == [("paid", usd(0))] * 2
    assert all(each.number for each in issued)
    assert db.purchases(account) == ()


def test_numbers_have_no_gaps_and_pages_say_what_the_json_says(
    db: Database, account: str, name: Name
) -> None:
    subscribed(db, account, name, **overage_plan())
    db.record(account, credit_type="credits", credits="112.5", event_id="e")
    db.advance_clock(account, MARCH_END + GRACE)
    own = [int(each.number.rpartition("-")[2]) for each in db.invoices(account)]
    assert own == list(range(own[0], own[0] + 3))
    arrears = db.invoices(account)[1]
    html = db.render_invoice(arrears.invoice_id).decode()
    for line in arrears.lines:
        assert f"${line.amount.decimal()}" in html
    assert arrears.number in html and str(arrears.due.decimal() if arrears.due else "") in html
    assert db.render_invoice(arrears.invoice_id, "pdf").startswith(b"%PDF-")
    german = db.render_invoice(arrears.invoice_id, locale="de").decode()
    assert "20,00" in german
    for wrong in ({"format": "doc"}, {"locale": "nowhere"}):
        with pytest.raises(InvalidRequestError):
            db.render_invoice(arrears.invoice_id, **wrong)


def test_an_invoice_nobody_pays(db: Database, account: str, name: Name) -> None:
    """Declined: final and unpaid; given up, nothing of it is released; a paid one cannot be given up."""
    db.put_customer(name("customer"), payment_method="test_decline")
    subscribed(db, account, name, credits="100")
    invoice = newest(db, account)
    assert (invoice.state, invoice.payment_failure) == ("finalized", "card_declined")
    assert db.close_invoice(invoice.invoice_id, "uncollectible").state == "uncollectible"
    assert db.mark_invoice_paid(invoice.invoice_id).state == "paid"
    with pytest.raises(PreconditionError):
        db.close_invoice(invoice.invoice_id, "void")
    with pytest.raises(InvalidRequestError):
        db.close_invoice(invoice.invoice_id, "lost")
    with pytest.raises(NotFoundError):
        db.close_invoice("nothing", "void")


def test_the_last_invoice_of_a_subscription_has_what_is_still_owed(
    db: Database, account: str, name: Name
) -> None:
    subscribed(db, account, name, **overage_plan("1"))
    db.record(account, credit_type="credits", credits="104", event_id="e")
    db.cancel_subscription(name("sub"), when="period_end")
    db.advance_clock(account, MARCH_END)
    assert [lines(each) for each in db.invoices(account)] == [{"base_fee": "20.00"}, {"overage": "4.00"}]
