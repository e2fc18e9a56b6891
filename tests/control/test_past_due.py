"""A renewal that is declined: past due, tried again on schedule, settled at once, or given up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.billing.invoice import Invoice
from drawdown.billing.retrying import attempt_key, attempt_of, next_retry, retries_from
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase
from drawdown.errors import PreconditionError
from drawdown.model.money import Money, money_from
from drawdown.payments import ChargeState, ScriptedProvider

from .conftest import SMALL, START, prepare
from .plans import published

Name = Callable[[str], str]
EDGE = datetime(2026, 2, 28, tzinfo=UTC)
NEXT_EDGE = datetime(2026, 3, 31, tzinfo=UTC)
DAY = timedelta(days=1)


def usd(amount: str | int) -> Money:
    return money_from(amount, "USD")


def declining(db: Database, account: str, name: Name, method: str = "test_decline", **settings: Any) -> str:
    """A subscription whose first period is paid and whose card fails from then on; answers its id."""
    plan = published(db, name("plan"), **{"credits": "100", **settings})
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    card = {"payment_method": method, "when": "period_end"}
    db.change_plan(name("sub"), plan.plan_id, change_id="card", **card)
    return name("sub")


def told(db: Database, account: str) -> list[str]:
    rooms = ("subscription", "payment", "invoice")
    return [each.kind for each in db.notices(account).notices if each.kind.partition(".")[0] in rooms]


def available(db: Database, account: str) -> Decimal:
    return db.balance(account, "credits").available


def newest(db: Database, account: str) -> Invoice:
    return db.invoices(account)[-1]


def provider_of(db: Database) -> ScriptedProvider:
    assert isinstance(db, EmbeddedDatabase)
    provider = db.payment_provider()
    assert isinstance(provider, ScriptedProvider)
    return provider


def own(tmp_path: Path, db_url: str, **settings: Any) -> EmbeddedDatabase:
    """A database of the test's own, with an account whose customer has a card."""
    db = drawdown.open(tmp_path / "data", db=db_url, **{**SMALL, **settings})
    assert isinstance(db, EmbeddedDatabase)
    prepare(db)
    db.put_customer("c", payment_method="test_ok")
    db.create_account("acme", customer_id="c", test_clock=START)
    return db


def as_is(stem: str) -> str:
    return stem


@pytest.mark.behaviour("S3-1", "S2-13")
def test_a_declined_renewal_is_past_due_tried_again_and_given_up(
    db: Database, account: str, name: Name
) -> None:
    """1, 3, 5 and 7 days after; then uncollectible, and the subscription ends. What was bought stays."""
    sub = declining(db, account, name)
    db.create_grant(account, "credits", "7", grant_id="bought", source="purchase")
    db.advance_clock(account, EDGE)
    found = db.subscription(sub)
    unpaid = newest(db, account)
    assert (found.state, found.unpaid_invoice_id, found.past_due_since) == (
        "past_due",
        unpaid.invoice_id,
        EDGE,
    )
    assert (unpaid.state, unpaid.attempts, unpaid.retry_at) == ("finalized", 1, EDGE + DAY)
    assert available(db, account) == 7
    for days, attempts in ((1, 2), (2, 2), (3, 3), (5, 4)):
        db.advance_clock(account, EDGE + days * DAY)
        assert newest(db, account).attempts == attempts
    assert db.subscription(sub).state == "past_due"
    db.advance_clock(account, EDGE + 7 * DAY)
    final = newest(db, account)
    assert (final.state, final.attempts, final.retry_at) == ("uncollectible", 5, None)
    assert db.subscription(sub).state == "ended"
    assert told(db, account).count("payment.failed") == 5
    assert told(db, account).count("subscription.past_due") == 1
    assert told(db, account)[-3:] == ["invoice.uncollectible", "subscription.cancelled", "subscription.ended"]
    db.advance_clock(account, NEXT_EDGE + 40 * DAY)
    assert (len(db.invoices(account)), available(db, account)) == (2, 7)
    assert [each.state for each in db.grants(account)].count("voided") == 1
    assert db.verify(account)


def test_a_jump_over_several_periods_is_the_same(db: Database, account: str, name: Name) -> None:
    sub = declining(db, account, name)
    db.advance_clock(account, datetime(2026, 6, 30, tzinfo=UTC))
    assert [each.state for each in db.invoices(account)] == ["paid", "uncollectible"]
    assert newest(db, account).attempts == 5
    assert (db.subscription(sub).state, db.subscription(sub).ended_at) == ("ended", EDGE + 7 * DAY)


@pytest.mark.behaviour("S3-4")
def test_a_new_card_settles_at_once(db: Database, account: str, name: Name) -> None:
    """On the second day the customer has another: paid, the credits are there, and renewals go on."""
    published(db, name("plan"), credits="100")
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.put_customer(name("customer"), payment_method="test_decline")
    db.advance_clock(account, EDGE + 2 * DAY)
    assert (db.subscription(name("sub")).state, available(db, account)) == ("past_due", 0)
    db.put_customer(name("customer"), payment_method="test_ok")
    found = db.subscription(name("sub"))
    assert (found.state, found.unpaid_invoice_id, found.past_due_since) == ("active", "", None)
    assert (newest(db, account).state, available(db, account)) == ("paid", 100)
    assert told(db, account)[-2:] == ["invoice.paid", "subscription.settled"]
    db.advance_clock(account, NEXT_EDGE)
    assert [each.state for each in db.invoices(account)] == ["paid"] * 3
    assert available(db, account) == 100


def test_a_payment_is_retried_once_per_id(db: Database, account: str, name: Name) -> None:
    sub = declining(db, account, name)
    db.advance_clock(account, EDGE)
    unpaid = newest(db, account).invoice_id
    for _ in range(2):
        assert db.retry_payment(unpaid, retry_id="a").attempts == 2
    assert db.retry_payment(unpaid, retry_id="b").attempts == 3
    assert newest(db, account).retry_at == EDGE + DAY, "the schedule is what it was"
    for _ in range(2):
        paid = db.retry_payment(unpaid, retry_id="c", payment_method="test_ok")
        assert (paid.state, paid.attempts) == ("paid", 3)
    assert (db.subscription(sub).state, db.subscription(sub).payment_method) == ("active", "test_ok")
    with pytest.raises(PreconditionError) as raised:
        db.retry_payment(unpaid, retry_id="d")
    assert raised.value.reason == "INVOICE_NOT_OWED"
    db.advance_clock(account, EDGE + 8 * DAY)
    assert (available(db, account), len(db.invoices(account))) == (100, 2)


def test_an_operators_word_settles_it(db: Database, account: str, name: Name) -> None:
    sub = declining(db, account, name)
    db.advance_clock(account, EDGE + 4 * DAY)
    db.mark_invoice_paid(newest(db, account).invoice_id)
    assert (db.subscription(sub).state, available(db, account)) == ("active", 100)


@pytest.mark.parametrize("state", ["void", "uncollectible"])
def test_an_operator_ends_the_wait(db: Database, account: str, name: Name, state: str) -> None:
    """Void: nothing is owed and it goes on, without those credits. Uncollectible: it ends."""
    sub = declining(db, account, name)
    db.advance_clock(account, EDGE)
    db.close_invoice(newest(db, account).invoice_id, state)
    assert db.subscription(sub).state == ("active" if state == "void" else "ended")
    assert available(db, account) == 0


@pytest.mark.behaviour("S2-13")
def test_staying_past_due_until_it_is_paid(tmp_path: Path, db_url: str) -> None:
    """No end and no further invoices; paid in June, the next period begins then, beside what is paid for."""
    with own(tmp_path, db_url, after_retries="stay") as db:
        sub = declining(db, "acme", as_is)
        june = datetime(2026, 6, 10, tzinfo=UTC)
        db.advance_clock("acme", june)
        assert [each.state for each in db.invoices("acme")] == ["paid", "uncollectible"]
        assert (db.subscription(sub).state, available(db, "acme")) == ("past_due", 0)
        with pytest.raises(PreconditionError):
            db.change_plan(sub, "plan", change_id="now")
        db.retry_payment(newest(db, "acme").invoice_id, retry_id="r", payment_method="test_ok")
        assert [(each.state, each.due) for each in db.invoices("acme")] == [("paid", usd(20))] * 3
        assert (db.subscription(sub).state, available(db, "acme")) == ("active", 200)
        assert db.subscription(sub).billing.start == june
        db.advance_clock("acme", datetime(2026, 7, 10, tzinfo=UTC))
        assert len(db.invoices("acme")) == 4
        assert db.verify("acme")


@pytest.mark.parametrize(("after_retries", "state"), [("cancel", "ended"), ("stay", "past_due")])
def test_without_retries_the_period_is_the_limit(
    tmp_path: Path, db_url: str, after_retries: str, state: str
) -> None:
    with own(tmp_path, db_url, payment_retry_days="", after_retries=after_retries) as db:
        sub = declining(db, "acme", as_is)
        db.advance_clock("acme", NEXT_EDGE - DAY)
        assert (db.subscription(sub).state, newest(db, "acme").attempts) == ("past_due", 1)
        assert newest(db, "acme").state == "finalized"
        db.advance_clock("acme", NEXT_EDGE + 60 * DAY)
        assert (db.subscription(sub).state, len(db.invoices("acme"))) == (state, 2)
        if state == "past_due":
            db.cancel_subscription(sub)
            assert db.subscription(sub).state == "ended"


@pytest.mark.behaviour("S3-1", "S0-6")
def test_nothing_past_zero_is_served_on_top_of_a_debt(db: Database, account: str, name: Name) -> None:
    """The advance of a plan with overage fails: past due at once, hard at zero; paid, priced again."""
    prices = [{"currency": "USD", "model": "per_unit", "amount": "1"}]
    sub = declining(db, account, name, overage={"prices": prices}, at_zero={"kind": "overage"})
    assert db.record(account, credit_type="credits", credits="110", event_id="ten-past")
    db.advance_clock(account, EDGE)
    assert (db.subscription(sub).state, newest(db, account).state) == ("past_due", "draft")
    assert db.record(account, credit_type="credits", credits="1", event_id="a").status == "INSUFFICIENT"
    db.advance_clock(account, EDGE + 2 * DAY)
    assert (newest(db, account).rest, newest(db, account).attempts) == (usd(30), 2)
    db.retry_payment(newest(db, account).invoice_id, retry_id="r", payment_method="test_ok")
    assert db.subscription(sub).state == "active"
    assert db.record(account, credit_type="credits", credits="101", event_id="b").status == "OK"
    assert db.balance(account, "credits").overage == 1


def test_what_comes_behind_an_advance_makes_past_due_too(tmp_path: Path, db_url: str) -> None:
    """The credits are paid and stay; the overage of the period before is not."""
    prices = [{"currency": "USD", "model": "per_unit", "amount": "1"}]
    with own(tmp_path, db_url) as db:
        overage: dict[str, Any] = {"overage": {"prices": prices}, "at_zero": {"kind": "overage"}}
        published(db, "plan", credits="100", **overage)
        db.subscribe("acme", "plan", subscription_id="sub")
        db.record("acme", credit_type="credits", credits="110", event_id="ten-past")
        db.advance_clock("acme", EDGE)
        assert newest(db, "acme").advance_state == "paid"
        db.put_customer("c", payment_method="test_decline")
        db.advance_clock("acme", EDGE + DAY)
        assert (newest(db, "acme").rest, db.subscription("sub").state) == (usd(10), "past_due")
        assert available(db, "acme") == 100
        db.put_customer("c", payment_method="test_ok")
        assert (newest(db, "acme").state, db.subscription("sub").state) == ("paid", "active")


@pytest.mark.behaviour("S0-16")
def test_grants_of_an_unpaid_year_wait(db: Database, account: str, name: Name) -> None:
    """Billed yearly and granted monthly: the month's credits wait for the year's invoice."""
    monthly = {"credit_type": "credits", "amount": "100", "cadence": "monthly"}
    plan = published(db, name("plan"), billing_period="yearly", credits=monthly, release="on_payment")
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    db.change_plan(
        name("sub"), plan.plan_id, change_id="card", payment_method="test_decline", when="period_end"
    )
    year = datetime(2027, 1, 31, tzinfo=UTC)
    db.advance_clock(account, year + 5 * DAY)
    assert (db.subscription(name("sub")).state, available(db, account)) == ("past_due", 0)
    db.retry_payment(newest(db, account).invoice_id, retry_id="r", payment_method="test_ok")
    assert available(db, account) == 100
    db.advance_clock(account, year + 35 * DAY)
    assert available(db, account) == 100


@pytest.mark.behaviour("S3-13")
def test_the_providers_words_late_twice_and_out_of_order(tmp_path: Path, db_url: str) -> None:
    """A charge that stays open fails by callback: one failure, one retry; its echo changes nothing."""
    with own(tmp_path, db_url) as db:
        sub = declining(db, "acme", as_is, method="test_pending")
        db.advance_clock("acme", EDGE)
        unpaid = newest(db, "acme").invoice_id
        assert (db.subscription(sub).state, newest(db, "acme").attempts) == ("active", 0)
        provider = provider_of(db)
        body, headers = provider.finish(unpaid, ChargeState.FAILED, "expired")
        for _ in range(2):
            assert db.provider_callback(body.decode(), headers).invoice_id == unpaid
            assert (db.subscription(sub).state, newest(db, "acme").attempts) == ("past_due", 1)
        db.advance_clock("acme", EDGE + 5 * DAY)
        assert newest(db, "acme").attempts == 1, "the second attempt is still open"
        assert [each.key for each in provider.charges()][1:] == [unpaid, attempt_key(unpaid, 1)]
        second = provider.finish(attempt_key(unpaid, 1), ChargeState.FAILED, "expired")
        for word in (second, (body, headers)):
            db.provider_callback(word[0].decode(), word[1])
            assert newest(db, "acme").attempts == 2
        db.advance_clock("acme", EDGE + 7 * DAY)
        paid = provider.finish(attempt_key(unpaid, 2))
        for word in (paid, (body, headers), paid):
            db.provider_callback(word[0].decode(), word[1])
            assert (newest(db, "acme").state, db.subscription(sub).state) == ("paid", "active")
        assert told(db, "acme").count("invoice.paid") == 2


def test_money_that_comes_after_all_is_taken(tmp_path: Path, db_url: str) -> None:
    """Given up while an attempt was open; that succeeds: the invoice is paid."""
    with own(tmp_path, db_url) as db:
        declining(db, "acme", as_is, method="test_pending")
        db.advance_clock("acme", EDGE)
        unpaid = newest(db, "acme").invoice_id
        db.close_invoice(unpaid, "uncollectible")
        body, headers = provider_of(db).finish(unpaid)
        assert db.provider_callback(body.decode(), headers).state == "paid"


def test_paused_while_its_payment_fails(tmp_path: Path, db_url: str) -> None:
    """It rests; resumed it is past due until it is paid."""
    with own(tmp_path, db_url) as db:
        sub = declining(db, "acme", as_is, method="test_pending")
        db.advance_clock("acme", EDGE)
        db.pause_subscription(sub)
        unpaid = newest(db, "acme").invoice_id
        body, headers = provider_of(db).finish(unpaid, ChargeState.FAILED)
        db.provider_callback(body.decode(), headers)
        assert (db.subscription(sub).state, db.subscription(sub).unpaid_invoice_id) == ("paused", unpaid)
        assert db.resume_subscription(sub).state == "past_due"
        db.retry_payment(unpaid, retry_id="r", payment_method="test_ok")
        assert (db.subscription(sub).state, available(db, "acme")) == ("active", 100)


def test_cancelled_while_past_due_nobody_is_asked_any_more(db: Database, account: str, name: Name) -> None:
    sub = declining(db, account, name)
    db.advance_clock(account, EDGE + 2 * DAY)
    db.cancel_subscription(sub, when="now")
    db.advance_clock(account, NEXT_EDGE)
    assert (newest(db, account).attempts, newest(db, account).state) == (2, "uncollectible")
    assert (db.subscription(sub).state, available(db, account)) == ("ended", 0)


def test_who_has_no_payment_method_is_not_declined(db: Database, account: str, name: Name) -> None:
    """Billed on approval and paid by bank transfer: the invoice stays open, the licence goes on."""
    db.put_customer(name("customer"), payment_method="")
    plan = published(db, name("plan"), type="custom", release="on_approval")
    db.subscribe(account, plan.plan_id, subscription_id=name("sub"))
    for edge in (START, EDGE, NEXT_EDGE):
        db.advance_clock(account, edge)
        db.approve_invoice(newest(db, account).invoice_id)
    assert [(each.state, each.retry_at) for each in db.invoices(account)] == [("finalized", None)] * 3
    assert db.subscription(name("sub")).state == "active"


def test_the_schedule_is_counted_from_the_first_failure_and_makes_up_for_nothing() -> None:
    retries = retries_from("7,1,3")
    assert retries == (DAY, 3 * DAY, 7 * DAY) and retries_from("") == ()
    assert next_retry(EDGE, retries, EDGE) == EDGE + DAY
    assert next_retry(EDGE, retries, EDGE + DAY) == EDGE + 3 * DAY
    assert next_retry(EDGE, retries, EDGE + 6 * DAY) == EDGE + 7 * DAY, "after a downtime, once"
    assert next_retry(EDGE, retries, EDGE + 7 * DAY) is None
    for invoice_id in ("inv:acme:1", "retry.x:inv", "inv"):
        for attempts in (0, 1, 12):
            assert attempt_of(attempt_key(invoice_id, attempts)) == (invoice_id, attempts)


def test_paid_after_its_period_it_goes_on_with_what_was_planned_for_the_end(
    tmp_path: Path, db_url: str
) -> None:
    """From 100 to 10: what begins with the late payment is a period of 10."""
    with own(tmp_path, db_url, after_retries="stay") as db:
        declining(db, "acme", as_is, fee="100")
        published(db, "small", fee="10", credits="50")
        db.advance_clock("acme", EDGE)
        unpaid = newest(db, "acme").invoice_id
        db.change_plan("sub", "small", change_id="down", when="period_end")
        db.advance_clock("acme", NEXT_EDGE + DAY)
        assert (db.subscription("sub").state, db.subscription("sub").plan_id) == ("past_due", "plan")
        db.mark_invoice_paid(unpaid)
        assert (db.subscription("sub").plan_id, db.subscription("sub").planned_change) == ("small", None)
        assert (newest(db, "acme").invoice_id != unpaid, newest(db, "acme").due) == (True, usd(10))


def test_paid_after_its_period_it_ends_where_renewal_was_switched_off_since(
    tmp_path: Path, db_url: str
) -> None:
    """What is owed is paid for, and no other period is asked for."""
    with own(tmp_path, db_url, after_retries="stay") as db:
        declining(db, "acme", as_is, fee="100")
        db.advance_clock("acme", NEXT_EDGE + DAY)
        assert db.set_auto_renew("sub", False).state == "past_due"
        invoices = db.invoices("acme")
        db.mark_invoice_paid(invoices[-1].invoice_id)
        assert db.subscription("sub").state == "ended"
        assert [each.invoice_id for each in db.invoices("acme")] == [each.invoice_id for each in invoices]


def test_credits_that_are_paid_for_after_they_expired_last_as_long_from_then_on(
    tmp_path: Path, db_url: str
) -> None:
    """A month that is paid for a day after its end: its 100 are usable for 31 days, not over at once."""
    with own(tmp_path, db_url, after_retries="stay") as db:
        declining(db, "acme", as_is, fee="100")
        db.advance_clock("acme", NEXT_EDGE + DAY)
        db.mark_invoice_paid(newest(db, "acme").invoice_id)
        assert available(db, "acme") == 100
        db.advance_clock("acme", NEXT_EDGE + 31 * DAY)
        assert available(db, "acme") == 100
        db.advance_clock("acme", NEXT_EDGE + 32 * DAY)
        assert available(db, "acme") == 0
        assert db.verify("acme").violations == ()
