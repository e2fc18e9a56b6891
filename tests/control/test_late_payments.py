"""Money that comes when nobody waits for it any more: the invoice is void by then, or was marked paid."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.errors import InvalidRequestError, UnavailableError
from drawdown.model.money import Money
from drawdown.payments import Charge, ChargeState

from tests.payments.test_stripe import event, signed

from .conftest import SMALL, START, prepare
from .plans import published
from .test_invoice_callbacks import kept, provider_of, tell, told
from .test_invoices import FEBRUARY_END, newest, overage_plan, usd
from .test_refunds import available, hundred
from .test_refused_refunds import at_stripe


@pytest.fixture
def db(tmp_path: Path, db_url: str) -> Iterator[EmbeddedDatabase]:
    """An account on a clock of its own, and a plan that a payment has to come first for."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as opened:
        assert isinstance(opened, EmbeddedDatabase)
        prepare(opened)
        published(opened, "plan")
        opened.put_customer("c")
        opened.create_account("acme", customer_id="c", test_clock=START)
        yield opened


def pending(db: EmbeddedDatabase, method: str) -> str:
    """The first invoice of a subscription that is paid for so."""
    assert db.subscribe("acme", "plan", subscription_id="s", payment_method=method).state == "pending"
    return newest(db, "acme").invoice_id


def word(db: EmbeddedDatabase, kind: str, intent: dict[str, Any]) -> None:
    """Stripe's webhook about it."""
    body = event(kind, {"object": "payment_intent", "id": intent["id"]})
    db.provider_callback(body.decode(), signed(body))


def balances(db: EmbeddedDatabase) -> list[Money]:
    with db._control_plane().sql.transaction() as work:
        return [each.balance for each in work.money_balances.find()]


def hours_later(db: EmbeddedDatabase) -> None:
    """Both looks at the provider are over."""
    db.advance_clock("acme", START + timedelta(minutes=2))
    db.advance_clock("acme", START + timedelta(hours=2))


def test_what_was_taken_before_its_invoice_became_void_is_found(db: EmbeddedDatabase) -> None:
    """The provider's answer was lost, then the subscription cancelled: the money is the account's, once."""
    invoice = pending(db, "test_lost")
    db.cancel_subscription("s", when="now")
    hours_later(db)
    assert (db.invoice(invoice).state, balances(db)) == ("void", [usd(20)])
    assert kept(db) == [(invoice, str(usd(20)))]
    assert len(provider_of(db).charges()) == 1


def test_a_clock_goes_on_while_the_provider_cannot_be_searched(
    db: EmbeddedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renewals beside it happen; in reach again, what was taken for the void invoice is found."""
    published(db, "free", fee="0")
    db.subscribe("acme", "free", subscription_id="beside")
    invoice = pending(db, "test_lost")

    def out_of_reach(key: str) -> Charge | None:
        raise UnavailableError("the provider can't be searched")

    with monkeypatch.context() as patched:
        patched.setattr(provider_of(db), "find_charge", out_of_reach)
        db.cancel_subscription("s", when="now")
        assert db.advance_clock("acme", START + timedelta(days=40)).applied
    assert db.balance("acme", "credits").available == 1000
    assert db.subscription("beside").billing_next == 2
    assert balances(db) == []
    db.advance_clock("acme", START + timedelta(days=41))
    assert (db.invoice(invoice).state, balances(db)) == ("void", [usd(20)])


def test_an_invoice_that_is_marked_for_what_the_provider_took_is_paid_by_that(db: EmbeddedDatabase) -> None:
    """Its word was lost: whoever marks it has seen the money at the provider, which comes once."""
    invoice = pending(db, "test_lost")
    for _ in range(2):
        assert db.mark_invoice_paid(invoice).state == "paid"
    hours_later(db)
    tell(db, invoice)
    assert (balances(db), kept(db), told(db).count("payment.succeeded")) == ([], [], 1)
    assert (db.subscription("s").state, len(provider_of(db).charges())) == ("active", 1)


def test_an_advance_that_is_marked_for_what_the_provider_took_is_paid_by_that(db: EmbeddedDatabase) -> None:
    published(db, "behind", **overage_plan("1"))
    db.subscribe("acme", "behind", subscription_id="s", payment_method="test_pending")
    tell(db, newest(db, "acme").invoice_id)
    db.advance_clock("acme", FEBRUARY_END)
    draft = newest(db, "acme").invoice_id
    late = provider_of(db).finish(f"advance:{draft}")
    for _ in range(2):
        assert db.mark_invoice_paid(draft).advance_state == "paid"
    db.provider_callback(late[0].decode(), late[1])
    db.advance_clock("acme", FEBRUARY_END + timedelta(hours=2))
    assert (newest(db, "acme").state, balances(db)) == ("paid", [])


def test_what_is_taken_when_its_invoice_was_marked_paid_is_found(db: EmbeddedDatabase) -> None:
    """The customer has paid twice: once as somebody says, and later as the provider does."""
    invoice = pending(db, "test_pending")
    for _ in range(2):
        assert db.mark_invoice_paid(invoice).state == "paid"
    provider_of(db).finish(invoice)
    hours_later(db)
    assert (balances(db), kept(db)) == ([usd(20)], [(invoice, str(usd(20)))])
    assert len(provider_of(db).charges()) == 1


def test_an_invoice_is_marked_paid_where_the_provider_cannot_be_looked_at(tmp_path: Path) -> None:
    """It answers again later, and what it has taken is the account's."""
    with at_stripe(tmp_path) as (db, stub):
        published(db, "plan")
        db.put_customer("customer", payment_method="pm_processing", provider_id="cus_1")
        db.subscribe("acme", "plan", subscription_id="s")
        invoice = newest(db, "acme").invoice_id
        (intent,) = stub.intents.values()
        intent["status"] = "succeeded"
        stub.fail_reads = 3
        assert db.mark_invoice_paid(invoice).state == "paid"
        hours_later(db)
        assert (stub.fail_reads, balances(db)) == (0, [usd(20)])


def test_what_is_taken_after_its_invoice_was_marked_paid_is_kept_once(db: EmbeddedDatabase) -> None:
    """The bank took its time; the provider says so twice, and is looked at."""
    invoice = pending(db, "test_pending")
    db.mark_invoice_paid(invoice)
    tell(db, invoice, times=2)
    hours_later(db)
    assert (balances(db), kept(db)) == ([usd(20)], [(invoice, str(usd(20)))])


def test_what_is_not_taken_after_its_invoice_was_marked_paid_changes_nothing(db: EmbeddedDatabase) -> None:
    invoice = pending(db, "test_pending")
    db.mark_invoice_paid(invoice)
    tell(db, invoice, ChargeState.FAILED)
    hours_later(db)
    assert (db.invoice(invoice).state, balances(db)) == ("paid", [])
    assert "payment.failed" not in told(db)


def test_what_an_invoice_was_paid_with_is_not_kept_besides(db: EmbeddedDatabase) -> None:
    """Told once more, and marked paid on top of it."""
    invoice = pending(db, "test_pending")
    tell(db, invoice, times=2)
    db.mark_invoice_paid(invoice)
    tell(db, invoice)
    hours_later(db)
    assert (db.invoice(invoice).state, balances(db)) == ("paid", [])


def test_an_advance_that_is_taken_after_it_was_marked_paid_is_kept_once(db: EmbeddedDatabase) -> None:
    published(db, "behind", **overage_plan("1"))
    db.subscribe("acme", "behind", subscription_id="s", payment_method="test_pending")
    tell(db, newest(db, "acme").invoice_id)
    db.advance_clock("acme", FEBRUARY_END)
    draft = newest(db, "acme")
    assert (draft.state, draft.advance_state) == ("draft", "asked")
    assert db.mark_invoice_paid(draft.invoice_id).advance_state == "paid"
    tell(db, f"advance:{draft.invoice_id}", times=2)
    db.advance_clock("acme", FEBRUARY_END + timedelta(hours=2))
    assert (newest(db, "acme").state, balances(db)) == ("paid", [usd(20)])


def test_what_is_taken_after_its_purchase_had_failed_is_kept_once(tmp_path: Path) -> None:
    """The customer tried again on the bank's page: no credits, and the next pack is paid by the balance."""
    with at_stripe(tmp_path) as (db, stub):
        db.put_customer("customer", payment_method="pm_processing", provider_id="cus_1")
        failed = hundred(db, "acme", str)
        (intent,) = stub.intents.values()
        intent["status"] = "requires_payment_method"
        intent["last_payment_error"] = {"type": "card_error", "code": "card_declined", "decline_code": ""}
        word(db, "payment_intent.payment_failed", intent)
        assert db.purchase(failed).state == "failed"
        intent["status"] = "succeeded"
        for _ in range(2):
            word(db, "payment_intent.succeeded", intent)
        assert (db.purchase(failed).state, available(db, "acme"), balances(db)) == ("failed", 0, [usd(100)])
        assert kept(db) == [(f"inv.purchase:{failed}", str(usd(100)))]


def test_a_payment_to_be_confirmed_in_person_waits_whatever_is_said_meanwhile(tmp_path: Path) -> None:
    """Stripe says that it has failed so far; the customer confirms, and has what was bought."""
    with at_stripe(tmp_path) as (db, stub):
        db.put_customer("customer", payment_method="pm_authenticate", provider_id="cus_1")
        purchase = hundred(db, "acme", str)
        assert db.purchase(purchase).state == "action_required"
        (intent,) = stub.intents.values()
        word(db, "payment_intent.payment_failed", intent)
        assert db.purchase(purchase).state == "action_required"
        intent["status"] = "succeeded"
        word(db, "payment_intent.succeeded", intent)
        assert (db.purchase(purchase).state, available(db, "acme")) == ("granted", 100)


def test_an_invoice_is_not_marked_paid_at_an_instant_to_come(db: EmbeddedDatabase) -> None:
    """By the account's clock, however late it is elsewhere: its subscription would wait until then."""
    invoice = pending(db, "test_pending")
    with pytest.raises(InvalidRequestError, match="is to come") as raised:
        db.mark_invoice_paid(invoice, paid_at=START + timedelta(seconds=1))
    assert raised.value.field == "paid_at"
    assert (db.invoice(invoice).state, db.subscription("s").state) == ("finalized", "pending")
    paid = db.mark_invoice_paid(invoice, paid_at=START)
    assert (paid.state, paid.paid_at, db.subscription("s").state) == ("paid", START, "active")
