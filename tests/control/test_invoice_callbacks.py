"""The provider's word on an invoice comes when it comes: late, twice, or about nothing of ours."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase
from drawdown.model.money import Money
from drawdown.payments import ChargeState, PaymentRequest, ScriptedProvider

from .conftest import SMALL, START, prepare
from .plans import published
from .test_invoices import FEBRUARY_END, GRACE, newest, overage_plan, usd


@pytest.fixture
def db(tmp_path: Path, db_url: str) -> Iterator[EmbeddedDatabase]:
    """A customer whose payments wait for the bank."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as opened:
        assert isinstance(opened, EmbeddedDatabase)
        prepare(opened)
        opened.put_customer("c", payment_method="test_pending")
        opened.create_account("acme", customer_id="c", test_clock=START)
        yield opened


def provider_of(db: EmbeddedDatabase) -> ScriptedProvider:
    provider = db.payment_provider()
    assert isinstance(provider, ScriptedProvider)
    return provider


def tell(
    db: EmbeddedDatabase, key: str, state: ChargeState = ChargeState.SUCCEEDED, *, times: int = 1
) -> None:
    """The callback about a charge, so many times."""
    body, headers = provider_of(db).finish(key, state)
    for _ in range(times):
        db.provider_callback(body.decode(), headers)


def told(db: Database) -> list[str]:
    return [notice.kind for notice in db.notices("acme").notices]


def test_a_first_invoice_is_paid_by_callback_once(db: EmbeddedDatabase) -> None:
    """No credits before; after it one payment and one grant, whatever is repeated or comes late."""
    published(db, "plan")
    db.subscribe("acme", "plan", subscription_id="s")
    invoice = newest(db, "acme")
    assert (invoice.state, db.subscription("s").state) == ("finalized", "pending")
    assert db.balance("acme", "credits").available == 0
    tell(db, invoice.invoice_id, times=3)
    tell(db, invoice.invoice_id, ChargeState.FAILED)
    assert db.subscription("s").state == "active"
    assert (newest(db, "acme").state, newest(db, "acme").paid) == ("paid", usd(20))
    assert (db.balance("acme", "credits").available, len(db.grants("acme"))) == (Decimal(1000), 1)
    assert told(db).count("invoice.paid") == 1
    assert "payment.failed" not in told(db)


@pytest.fixture
def asked(db: EmbeddedDatabase) -> str:
    """The invoice of a second month, whose fee was asked for in advance."""
    published(db, "plan", **overage_plan("1"))
    db.subscribe("acme", "plan", subscription_id="s")
    tell(db, newest(db, "acme").invoice_id)
    db.advance_clock("acme", FEBRUARY_END)
    draft = newest(db, "acme")
    assert (draft.state, draft.advance_state) == ("draft", "asked")
    return draft.invoice_id


def test_what_is_paid_in_advance_by_callback_counts_once(db: EmbeddedDatabase, asked: str) -> None:
    tell(db, f"advance:{asked}", times=2)
    assert newest(db, "acme").advance_state == "paid"
    assert db.balance("acme", "credits").available == Decimal(100)
    db.advance_clock("acme", FEBRUARY_END + GRACE)
    assert (newest(db, "acme").state, newest(db, "acme").paid) == ("paid", usd(20))
    tell(db, f"advance:{asked}", ChargeState.FAILED)
    assert newest(db, "acme").state == "paid"


def test_an_advance_that_fails_by_callback_is_told_once(db: EmbeddedDatabase, asked: str) -> None:
    tell(db, f"advance:{asked}", ChargeState.FAILED, times=2)
    assert newest(db, "acme").advance_state == "failed"
    assert told(db).count("payment.failed") == 1


def test_a_charge_of_somebody_else_changes_nothing(db: EmbeddedDatabase) -> None:
    """One account at the provider may serve several programs."""
    provider = provider_of(db)
    theirs = PaymentRequest(
        key="theirs",
        customer_reference="",
        payment_method="test_pending",
        amount=usd(7),
        description="an order of another shop",
    )
    provider.charge(theirs)
    body, headers = provider.finish("theirs")
    answer = db.provider_callback(body.decode(), headers)
    assert (answer.purchase_id, answer.invoice_id, answer.state) == ("", "", "")
    assert (db.invoices("acme"), db.grants("acme")) == ((), [])


def test_a_payment_that_fails_by_callback_is_told_once(db: EmbeddedDatabase) -> None:
    """Nothing is free for it, and the invoice stays open."""
    published(db, "plan")
    db.subscribe("acme", "plan", subscription_id="s")
    invoice = newest(db, "acme")
    tell(db, invoice.invoice_id, ChargeState.FAILED, times=2)
    assert (newest(db, "acme").state, newest(db, "acme").payment_failure) == ("finalized", "failed")
    assert told(db).count("payment.failed") == 1
    assert db.balance("acme", "credits").available == 0


def test_a_chargeback_of_an_invoice_freezes_the_account_once(db: EmbeddedDatabase) -> None:
    """The invoice stays as it is; an echo of the bank does not freeze what was let go on."""
    published(db, "plan")
    db.subscribe("acme", "plan", subscription_id="s")
    invoice = newest(db, "acme")
    tell(db, invoice.invoice_id)
    body, headers = provider_of(db).dispute(invoice.invoice_id)
    answer = db.provider_callback(body.decode(), headers)
    assert (answer.invoice_id, answer.state) == (invoice.invoice_id, "paid")
    assert db.account("acme").suspended
    (notice,) = [each for each in db.notices("acme").notices if each.kind == "payment.disputed"]
    assert (notice.data["invoice_id"], notice.data["money"]) == (invoice.invoice_id, str(usd(20)))
    db.resume_account("acme")
    db.provider_callback(body.decode(), headers)
    assert not db.account("acme").suspended
    assert told(db).count("payment.disputed") == 1


def what_a_pack_is_charged(db: EmbeddedDatabase) -> Money:
    """Of 100 USD, what is left to ask for when the account's balance is used."""
    db.create_pack("pack", name="pack", amount="1", prices=[{"currency": "USD", "amount": "100"}])
    charged = db.buy_pack("acme", "pack", purchase_id="p", payment_method="test_ok").charged
    assert charged is not None
    return charged


def kept(db: EmbeddedDatabase) -> list[tuple[object, object]]:
    """What was told of payments for void invoices."""
    found = [each.data for each in db.notices("acme").notices if "to_balance" in each.data]
    return [(each["invoice_id"], each["to_balance"]) for each in found]


def test_money_for_a_change_that_was_cancelled_is_kept_for_the_account(db: EmbeddedDatabase) -> None:
    """Cancelled while its payment was on its way: void, then paid after all; said twice it counts once."""
    published(db, "small", fee="10")
    published(db, "large", fee="100")
    db.subscribe("acme", "small", subscription_id="s", payment_method="test_ok")
    db.change_plan("s", "large", change_id="up", payment_method="test_pending")
    asked = newest(db, "acme")
    db.cancel_subscription("s", when="now")
    assert db.invoice(asked.invoice_id).state == "void"
    tell(db, asked.invoice_id, times=2)
    assert (db.invoice(asked.invoice_id).state, db.invoice(asked.invoice_id).paid) == ("void", usd(90))
    assert kept(db) == [(asked.invoice_id, str(usd(90)))]
    assert what_a_pack_is_charged(db) == usd(10)


def test_an_advance_that_succeeds_after_its_draft_is_void_is_kept_for_the_account(
    db: EmbeddedDatabase, asked: str
) -> None:
    """Nothing is released for a draft that is void; the money is there for the next invoice."""
    db.close_invoice(asked, "void")
    tell(db, f"advance:{asked}", times=2)
    assert (db.invoice(asked).state, db.invoice(asked).paid) == ("void", usd(20))
    assert db.balance("acme", "credits").available == 0
    assert kept(db) == [(asked, str(usd(20)))]
    assert what_a_pack_is_charged(db) == usd(80)


def test_an_advance_that_fails_after_its_draft_is_void_changes_nothing(
    db: EmbeddedDatabase, asked: str
) -> None:
    db.close_invoice(asked, "void")
    tell(db, f"advance:{asked}", ChargeState.FAILED)
    assert (db.invoice(asked).state, db.invoice(asked).paid) == ("void", None)
    assert db.subscription("s").state == "active"
    assert "payment.failed" not in told(db)


def test_no_other_payment_is_asked_for_beside_an_advance(db: EmbeddedDatabase) -> None:
    """The rest of an invoice is known when its advance has ended: paid for then, all of it."""
    published(db, "plan", **overage_plan("1"))
    db.subscribe("acme", "plan", subscription_id="s")
    tell(db, newest(db, "acme").invoice_id)
    db.record("acme", credit_type="credits", credits="102", event_id="two-past-zero")
    db.advance_clock("acme", FEBRUARY_END + GRACE)
    waiting = newest(db, "acme")
    assert (waiting.state, waiting.advance_state, waiting.due) == ("finalized", "asked", usd(22))
    with pytest.raises(drawdown.PreconditionError) as raised:
        db.retry_payment(waiting.invoice_id, retry_id="r", payment_method="test_ok")
    assert raised.value.reason == "INVOICE_BEING_PAID"
    db.put_customer("c", payment_method="test_ok")
    assert newest(db, "acme").state == "finalized"
    tell(db, f"advance:{waiting.invoice_id}", ChargeState.FAILED)
    assert (newest(db, "acme").state, newest(db, "acme").paid) == ("paid", usd(22))
    charged = [each.amount for each in provider_of(db).charges() if each.state is ChargeState.SUCCEEDED]
    assert charged[1:] == [usd(22)]


def test_an_advance_pays_an_invoice_that_was_given_up(db: EmbeddedDatabase, asked: str) -> None:
    """All that was due is paid after all; it is not left uncollectible."""
    db.advance_clock("acme", FEBRUARY_END + GRACE)
    db.close_invoice(asked, "uncollectible")
    tell(db, f"advance:{asked}")
    assert (db.invoice(asked).state, db.invoice(asked).paid) == ("paid", usd(20))


def test_a_change_whose_invoice_is_void_does_not_happen(db: EmbeddedDatabase) -> None:
    """An operator's way out of a change that nobody pays for: another may be asked for."""
    published(db, "small", fee="10")
    published(db, "large", fee="100")
    db.subscribe("acme", "small", subscription_id="s", payment_method="test_ok")
    db.change_plan("s", "large", change_id="up", payment_method="test_pending")
    waiting = newest(db, "acme")
    with pytest.raises(drawdown.PreconditionError) as raised:
        db.change_plan("s", "large", change_id="again", payment_method="test_ok")
    assert (raised.value.reason, waiting.invoice_id in str(raised.value)) == ("CHANGE_UNPAID", True)
    db.close_invoice(waiting.invoice_id, "uncollectible")
    assert db.subscription("s").planned_change is not None, "money that comes after all is still taken"
    db.close_invoice(waiting.invoice_id, "void")
    assert (db.subscription("s").planned_change, db.subscription("s").payment_method) == (None, "test_ok")
    assert told(db).count("subscription.change_failed") == 1
    db.change_plan("s", "large", change_id="again", payment_method="test_ok")
    assert db.subscription("s").plan_id == "large"
