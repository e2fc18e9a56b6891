"""Late usage: inside the grace it joins the invoice of its period, later it is an adjustment on the next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.errors import PreconditionError
from drawdown.payments import ScriptedProvider

from .conftest import SMALL, START, prepare
from .plans import published
from .test_invoices import (
    APRIL_END,
    FEBRUARY_END,
    GRACE,
    MARCH_END,
    credit,
    lines,
    newest,
    overage_plan,
    subscribed,
    usd,
)

Name = Callable[[str], str]
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def use(db: Database, account: str, credits: str, event_id: str, **more: Any) -> None:
    assert (
        db.record(account, credit_type="credits", credits=credits, event_id=event_id, **more).status == "OK"
    )


@pytest.mark.behaviour("S3-11")
def test_what_is_due_in_advance_waits_for_nothing(db: Database, account: str, name: Name) -> None:
    """At the boundary the fee is paid and the credits are there; the invoice is a draft without a number."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "110", "ten-past")
    db.advance_clock(account, FEBRUARY_END)
    draft = newest(db, account)
    assert (draft.state, draft.number, draft.closes_at) == ("draft", "", FEBRUARY_END + GRACE)
    assert (draft.advance, draft.advance_state) == (usd(20), "paid")
    assert lines(draft) == {"base_fee": "20.00", "overage": "10.00"}
    assert draft.due == usd(30)
    assert db.balance(account, "credits").available == Decimal(100)
    db.advance_clock(account, FEBRUARY_END + GRACE - SECOND)
    assert newest(db, account).state == "draft"
    db.advance_clock(account, FEBRUARY_END + GRACE)
    final = newest(db, account)
    assert (final.state, final.paid, final.paid_at) == ("paid", usd(30), FEBRUARY_END + GRACE)
    assert final.number and final.closes_at is None


def test_the_provider_is_asked_for_both_parts_once(tmp_path: Path) -> None:
    """20.00 of the first month, 20.00 in advance and 10.00 behind; nothing is asked for twice."""
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        prepare(db)
        db.put_customer("c", payment_method="test_ok")
        db.create_account("acme", customer_id="c", test_clock=START)
        published(db, "plan", **overage_plan("1"))
        db.subscribe("acme", "plan", subscription_id="s")
        use(db, "acme", "110", "ten-past")
        db.advance_clock("acme", FEBRUARY_END + GRACE)
        provider = db.payment_provider()
        assert isinstance(provider, ScriptedProvider)
        assert [each.amount for each in provider.charges()] == [usd(20), usd(20), usd(10)]


@pytest.mark.behaviour("S0-6")
def test_late_usage_inside_the_grace_joins_its_period(db: Database, account: str, name: Name) -> None:
    """Ten past zero in time and seven more an hour less a second late: 17.00, on one invoice of February."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "110", "in-time")
    db.advance_clock(account, FEBRUARY_END + GRACE - SECOND)
    use(db, account, "100", "all-of-march")
    use(db, account, "7", "late", time=FEBRUARY_END - MINUTE)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "17.00"}
    db.advance_clock(account, FEBRUARY_END + GRACE)
    invoice = newest(db, account)
    assert lines(invoice) == {"base_fee": "20.00", "overage": "17.00"}
    (overage,) = (line for line in invoice.lines if line.kind == "overage")
    assert overage.period is not None
    assert (overage.period.start, overage.period.end) == (START, FEBRUARY_END)
    assert invoice.state == "paid" and len(db.invoices(account)) == 2
    db.advance_clock(account, MARCH_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00"}


@pytest.mark.behaviour("S0-6")
def test_usage_of_the_next_period_does_not_join(db: Database, account: str, name: Name) -> None:
    """What is used behind the boundary inside the grace is the next period's."""
    subscribed(db, account, name, **overage_plan("1"))
    db.advance_clock(account, FEBRUARY_END + MINUTE)
    use(db, account, "103", "in-march")
    assert lines(db.preview_invoice(account)) == {"overage": "3.00"}
    db.advance_clock(account, FEBRUARY_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00"}
    db.advance_clock(account, MARCH_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "3.00"}


@pytest.mark.behaviour("S0-6")
def test_later_it_is_an_adjustment_that_names_its_period(db: Database, account: str, name: Name) -> None:
    """Two days late: on March's invoice, as February's, beside what March itself owes."""
    subscribed(db, account, name, **overage_plan("1"))
    db.advance_clock(account, FEBRUARY_END + GRACE)
    before = newest(db, account)
    use(db, account, "100", "all-of-march", time=FEBRUARY_END + GRACE)
    db.advance_clock(account, FEBRUARY_END + timedelta(days=2))
    use(db, account, "4", "late", time=FEBRUARY_END - MINUTE)
    use(db, account, "9", "march")
    assert lines(db.preview_invoice(account)) == {"adjustment": "4.00", "overage": "9.00"}
    db.advance_clock(account, MARCH_END + GRACE)
    invoice = newest(db, account)
    assert lines(invoice) == {"base_fee": "20.00", "overage": "9.00", "adjustment": "4.00"}
    (late,) = (line for line in invoice.lines if line.kind == "adjustment")
    assert late.period is not None
    assert (late.period.start, late.period.end) == (START, FEBRUARY_END)
    assert (late.quantity, late.reference) == (Decimal(4), "credits")
    assert db.invoice(before.invoice_id) == before
    db.advance_clock(account, APRIL_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00"}


def test_a_correction_of_a_closed_period_is_an_adjustment_too(db: Database, account: str, name: Name) -> None:
    """Thirty past zero were billed, 14 of which stay: 16.00 come off March's invoice."""
    subscribed(db, account, name, **overage_plan("1"))
    assert db.record(account, "calls", quantity=65, event_id="e").status == "OK"
    db.advance_clock(account, FEBRUARY_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "30.00"}
    db.correct(account, "e", quantity=57, correction_id="half")
    db.advance_clock(account, MARCH_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "adjustment": "-16.00"}
    assert newest(db, account).paid == usd(4)


def test_what_was_paid_too_much_in_advance_is_the_accounts(db: Database, account: str, name: Name) -> None:
    """February's thirty are taken back altogether: March comes to -10, and 20 were paid: 30 off April."""
    subscribed(db, account, name, **overage_plan("1"))
    assert db.record(account, "calls", quantity=65, event_id="e").status == "OK"
    db.advance_clock(account, FEBRUARY_END + GRACE)
    db.correct(account, "e", cancel=True, correction_id="none")
    db.advance_clock(account, MARCH_END + GRACE)
    march = newest(db, account)
    assert march.totals is not None
    assert (march.totals.total, march.due, march.state) == (-usd(10), usd(0), "paid")
    db.advance_clock(account, APRIL_END + GRACE)
    april = newest(db, account)
    assert april.totals is not None
    assert (april.totals.balance_used, april.due) == (usd(20), usd(0))


def test_late_usage_below_the_minimum_was_paid_for_already(db: Database, account: str, name: Name) -> None:
    """A floor of 50: the true-up of 30 covers late usage of 12; of 35 only what is above the floor is due."""
    floor = {"minimum_spend": [{"currency": "USD", "amount": "50"}]}
    subscribed(db, account, name, **overage_plan("1", **floor))
    use(db, account, "100", "all")
    db.advance_clock(account, FEBRUARY_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "minimum_spend": "30.00"}
    use(db, account, "100", "all-of-march")
    db.advance_clock(account, FEBRUARY_END + timedelta(days=2))
    use(db, account, "12", "late", time=FEBRUARY_END - MINUTE)
    db.advance_clock(account, MARCH_END + GRACE)
    assert lines(newest(db, account)) == {
        "base_fee": "20.00",
        "adjustment": "0.00",
        "minimum_spend": "30.00",
    }
    use(db, account, "100", "all-of-april")
    db.advance_clock(account, MARCH_END + timedelta(days=2))
    use(db, account, "35", "late-again", time=MARCH_END - MINUTE)
    db.advance_clock(account, APRIL_END + GRACE)
    assert lines(newest(db, account))["adjustment"] == "5.00"


def test_an_adjustment_has_the_price_of_its_period(db: Database, account: str, name: Name) -> None:
    """February at 1.00 a credit; from the boundary on another plan at 3.00, which prices its own usage."""
    subscribed(db, account, name, **overage_plan("1"))
    published(db, name("dear"), **overage_plan("3"))
    db.change_plan(name("sub"), name("dear"), change_id="up", when="period_end")
    use(db, account, "100", "all")
    db.advance_clock(account, FEBRUARY_END + GRACE - SECOND)
    use(db, account, "100", "all-of-march")
    use(db, account, "2", "in-grace", time=FEBRUARY_END - MINUTE)
    db.advance_clock(account, FEBRUARY_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "2.00"}
    use(db, account, "5", "late", time=FEBRUARY_END - MINUTE)
    use(db, account, "1", "march")
    db.advance_clock(account, MARCH_END + GRACE)
    assert lines(newest(db, account)) == {"base_fee": "20.00", "overage": "3.00", "adjustment": "5.00"}


def test_without_usage_priced_behind_nothing_waits(db: Database, account: str, name: Name) -> None:
    """A fee and a minimum: final at the boundary, as nothing that comes late could change it."""
    subscribed(db, account, name, credits="100", minimum_spend=[{"currency": "USD", "amount": "50"}])
    db.advance_clock(account, FEBRUARY_END)
    invoice = newest(db, account)
    assert (invoice.state, invoice.advance, lines(invoice)) == (
        "paid",
        None,
        {"base_fee": "20.00", "minimum_spend": "30.00"},
    )


def test_an_ended_subscription_waits_for_its_last_usage(db: Database, account: str, name: Name) -> None:
    """Cancelled at once, 8 past zero: a draft until its grace is over."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "108", "e")
    db.cancel_subscription(name("sub"), when="now")
    draft = newest(db, account)
    assert (draft.state, lines(draft)) == ("draft", {"overage": "8.00"})
    db.advance_clock(account, START + GRACE)
    assert (newest(db, account).state, newest(db, account).paid) == ("paid", usd(8))


def test_an_ended_subscription_that_owes_nothing_has_no_last_invoice(
    db: Database, account: str, name: Name
) -> None:
    subscribed(db, account, name, **overage_plan("1"))
    db.cancel_subscription(name("sub"), when="now")
    db.advance_clock(account, START + GRACE)
    assert len(db.invoices(account)) == 1


def test_usage_settled_after_closing_is_on_the_last_invoice(db: Database, account: str, name: Name) -> None:
    """A hold that was open when the account closed settles past zero: the last invoice has it."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "100", "all")
    hold = db.reserve(account, credit_type="credits", credits="6", reservation_id=name("hold"), ttl=600)
    db.close_account(account, remainder="forfeit", confirm=True)
    hold.settle(credits="5")
    db.advance_clock(account, START + GRACE)
    assert lines(newest(db, account)) == {"overage": "5.00"}


def test_a_credit_made_in_the_grace_is_not_of_the_period(db: Database, account: str, name: Name) -> None:
    """One from February comes off fee and overage; one made when the period was over waits for March."""
    subscribed(db, account, name, **overage_plan("1"))
    db.advance_clock(account, FEBRUARY_END - MINUTE)
    use(db, account, "110", "ten-past")
    credit(db, account, name("old"), "25")
    db.advance_clock(account, FEBRUARY_END + MINUTE)
    assert newest(db, account).advance == usd(0)
    credit(db, account, name("new"), "25")
    db.advance_clock(account, FEBRUARY_END + GRACE)
    assert newest(db, account).due == usd(5)
    assert [str(each.remaining) for each in db.invoice_credits(account)] == ["0.00 USD", "25.00 USD"]


def test_an_advance_that_fails_is_asked_for_with_the_rest(db: Database, name: Name) -> None:
    """A card that declines: the credits wait, nothing is on two invoices, and the final one asks for all."""
    db.put_customer(name("customer"), payment_method="test_ok")
    db.create_account(name("acme"), customer_id=name("customer"), test_clock=START)
    plan = published(db, name("plan"), **overage_plan("1"))
    db.subscribe(name("acme"), plan.plan_id, subscription_id=name("sub"))
    declines = {"payment_method": "test_decline", "when": "period_end"}
    db.change_plan(name("sub"), plan.plan_id, change_id="card", **declines)
    use(db, name("acme"), "110", "ten-past")
    db.advance_clock(name("acme"), FEBRUARY_END)
    draft = newest(db, name("acme"))
    assert (draft.state, draft.advance_state) == ("draft", "failed")
    assert draft.payment_failure
    assert db.balance(name("acme"), "credits").available == 0
    db.advance_clock(name("acme"), FEBRUARY_END + GRACE)
    final = newest(db, name("acme"))
    assert (final.state, final.rest, final.paid) == ("finalized", usd(30), None)
    db.mark_invoice_paid(final.invoice_id)
    assert newest(db, name("acme")).state == "paid"
    assert db.balance(name("acme"), "credits").available == 100


def test_an_advance_paid_by_hand_releases_the_credits(tmp_path: Path) -> None:
    """Without a provider an operator marks the draft paid; the rest is asked for when it is final."""
    with drawdown.open(tmp_path / "data", **{**SMALL, "payments": "manual"}) as db:
        prepare(db)
        db.put_customer("c", payment_method="bank")
        db.create_account("acme", customer_id="c", test_clock=START)
        published(db, "plan", **overage_plan("1"))
        db.subscribe("acme", "plan", subscription_id="s")
        db.mark_invoice_paid(newest(db, "acme").invoice_id)
        use(db, "acme", "110", "ten-past")
        db.advance_clock("acme", FEBRUARY_END)
        draft = newest(db, "acme")
        assert (draft.state, draft.advance_state) == ("draft", "asked")
        assert db.balance("acme", "credits").available == 0
        paid = db.mark_invoice_paid(draft.invoice_id)
        assert (paid.state, paid.advance_state) == ("draft", "paid")
        assert db.balance("acme", "credits").available == 100
        with pytest.raises(PreconditionError) as raised:
            db.close_invoice(draft.invoice_id, state="void")
        assert raised.value.reason == "INVOICE_PAID_IN_ADVANCE"
        db.advance_clock("acme", FEBRUARY_END + GRACE)
        final = newest(db, "acme")
        assert (final.state, final.due, final.rest) == ("finalized", usd(30), usd(10))
        page = db.render_invoice(final.invoice_id).decode()
        assert "Paid in advance" in page and "-$20.00" in page and "$10.00" in page
        assert db.mark_invoice_paid(final.invoice_id).state == "paid"


def test_one_that_needs_approval_closes_and_waits_for_it(db: Database, account: str, name: Name) -> None:
    """Approved inside the grace its credits are there at once; not approved it has its usage and waits."""
    subscribed(db, account, name, **overage_plan("1", release="on_approval"))
    db.approve_invoice(newest(db, account).invoice_id)
    use(db, account, "110", "ten-past")
    db.advance_clock(account, FEBRUARY_END)
    assert db.balance(account, "credits").available == 0
    approved = db.approve_invoice(newest(db, account).invoice_id)
    assert (approved.state, approved.advance_state) == ("approved", "paid")
    assert db.balance(account, "credits").available == 100
    db.advance_clock(account, FEBRUARY_END + GRACE)
    assert newest(db, account).paid == usd(30)
    db.advance_clock(account, MARCH_END + GRACE)
    waiting = newest(db, account)
    assert (waiting.state, waiting.closes_at, lines(waiting)) == ("draft", None, {"base_fee": "20.00"})
    db.approve_invoice(waiting.invoice_id)
    assert newest(db, account).paid == usd(20)


@pytest.mark.parametrize(("grace_s", "in_time"), [(0, False), (7 * 86_400, True)])
def test_the_grace_is_a_setting(tmp_path: Path, grace_s: int, in_time: bool) -> None:
    """0: final at the boundary, and everything later is an adjustment; a week: five days late is in time."""
    with drawdown.open(tmp_path / "data", **SMALL, invoice_grace_s=grace_s) as db:
        prepare(db)
        db.put_customer("c", payment_method="test_ok")
        db.create_account("acme", customer_id="c", test_clock=START)
        published(db, "plan", **overage_plan("1"))
        db.subscribe("acme", "plan", subscription_id="s")
        use(db, "acme", "103", "in-time")
        db.advance_clock("acme", FEBRUARY_END)
        assert newest(db, "acme").state == ("draft" if in_time else "paid")
        db.advance_clock("acme", FEBRUARY_END + timedelta(days=5))
        use(db, "acme", "100", "all-of-march")
        use(db, "acme", "4", "late", time=FEBRUARY_END - MINUTE)
        db.advance_clock("acme", FEBRUARY_END + timedelta(days=7))
        february = newest(db, "acme")
        assert lines(february) == {"base_fee": "20.00", "overage": "7.00" if in_time else "3.00"}
        db.advance_clock("acme", MARCH_END + timedelta(days=7))
        march = {"base_fee": "20.00"} if in_time else {"base_fee": "20.00", "adjustment": "4.00"}
        assert lines(newest(db, "acme")) == march


def test_a_server_that_was_away_closes_in_order(tmp_path: Path) -> None:
    """Two boundaries and their graces in one leap: each invoice has its own month's usage."""
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        prepare(db)
        db.put_customer("c", payment_method="test_ok")
        db.create_account("acme", customer_id="c", test_clock=START)
        published(db, "plan", **overage_plan("1"))
        db.subscribe("acme", "plan", subscription_id="s")
        use(db, "acme", "101", "february")
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        db.advance_clock("acme", APRIL_END)
        states = [(each.state, lines(each)) for each in db.invoices("acme")]
    fee = {"base_fee": "20.00"}
    assert states == [
        ("paid", fee),
        ("paid", {**fee, "overage": "1.00"}),
        ("paid", fee),
        ("draft", fee),
    ]


def test_a_draft_says_that_it_is_one(db: Database, account: str, name: Name) -> None:
    """The page has no number yet, and says until when usage joins."""
    subscribed(db, account, name, **overage_plan("1"))
    use(db, account, "110", "ten-past")
    db.advance_clock(account, FEBRUARY_END)
    page = db.render_invoice(newest(db, account).invoice_id).decode()
    assert "Draft invoice" in page and "Feb 28, 2026, 1:00" in page and "$30.00" in page
    assert db.render_invoice(newest(db, account).invoice_id, "pdf").startswith(b"%PDF-")


def invoice_notices(db: Database, account: str) -> list[str]:
    return [
        each.kind
        for each in db.notices(account=account).notices
        if each.kind.startswith(("invoice.", "payment."))
    ]


def test_what_becomes_of_a_draft_is_told(db: Database, account: str, name: Name) -> None:
    subscribed(db, account, name, **overage_plan("1"))
    before = len(invoice_notices(db, account))
    db.advance_clock(account, FEBRUARY_END)
    assert invoice_notices(db, account)[before:] == ["invoice.created", "payment.succeeded"]
    db.advance_clock(account, FEBRUARY_END + GRACE)
    assert invoice_notices(db, account)[before + 2 :] == ["invoice.finalized", "invoice.paid"]
