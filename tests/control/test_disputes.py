"""A chargeback is acted on and told whenever its word comes: before the payment's, or after a refund."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.payments.stripe_provider import StripeProvider

from tests.payments.stripe_stub import StripeStub
from tests.payments.test_stripe import SECRET, event, signed

from .conftest import SMALL, START, prepare
from .plans import published
from .test_invoice_callbacks import provider_of, tell, told
from .test_invoices import newest, usd
from .test_refunds import available, hundred, use
from .waiting import wait_until


def as_it_is(stem: str) -> str:
    return stem


@contextmanager
def shop(
    folder: Path, db_url: str, policy: str = "freeze", *, method: str = "test_ok"
) -> Iterator[EmbeddedDatabase]:
    with drawdown.open(folder / "data", db=db_url, chargeback_policy=policy, **SMALL) as db:
        assert isinstance(db, EmbeddedDatabase)
        prepare(db)
        db.put_customer("c", payment_method=method)
        db.create_account("acme", customer_id="c", test_clock=START)
        yield db


def dispute(db: EmbeddedDatabase, key: str) -> None:
    body, headers = provider_of(db).dispute(key)
    db.provider_callback(body.decode(), headers)


def disputes_told(db: EmbeddedDatabase) -> list[dict[str, Any]]:
    return [each.data for each in db.notices("acme").notices if each.kind == "payment.disputed"]


@pytest.mark.parametrize(
    ("policy", "credits", "suspended"), [("freeze", 100, True), ("take_unspent", 0, False)]
)
def test_a_dispute_that_overtakes_the_payments_word_takes_the_credits(
    tmp_path: Path, db_url: str, policy: str, credits: int, suspended: bool
) -> None:
    """As if both had come in their order; what comes late changes nothing."""
    with shop(tmp_path, db_url, policy, method="test_pending") as db:
        purchase = hundred(db, "acme", as_it_is)
        late = provider_of(db).finish(f"purchase:{purchase}")
        dispute(db, f"purchase:{purchase}")
        db.provider_callback(late[0].decode(), late[1])
        assert (db.purchase(purchase).state, db.purchase(purchase).reason) == ("refunded", "disputed")
        dispute(db, f"purchase:{purchase}")
        assert (available(db, "acme"), db.account("acme").suspended) == (credits, suspended)
        assert told(db).count("purchase.refunded") == 1
        assert disputes_told(db) == []


def test_a_dispute_of_what_was_refunded_freezes_and_is_told_once(tmp_path: Path, db_url: str) -> None:
    """40 went back to the customer, and the bank takes the hundred."""
    with shop(tmp_path, db_url) as db:
        purchase = hundred(db, "acme", as_it_is)
        use(db, "acme", "60")
        assert db.refund_purchase(purchase).refunded == usd(40)
        for _ in range(2):
            dispute(db, f"purchase:{purchase}")
        its = {"invoice_id": f"inv.purchase:{purchase}", "purchase_id": purchase, "money": "100.00 USD"}
        assert disputes_told(db) == [its]
        assert db.account("acme").suspended
        assert db.purchase(purchase).refunded == usd(40)


def test_an_invoice_whose_dispute_comes_first_is_paid_and_tells_its_money(
    tmp_path: Path, db_url: str
) -> None:
    with shop(tmp_path, db_url, method="test_pending") as db:
        published(db, "plan")
        db.subscribe("acme", "plan", subscription_id="s")
        invoice = newest(db, "acme").invoice_id
        provider_of(db).finish(invoice)
        dispute(db, invoice)
        tell(db, invoice)
        assert disputes_told(db) == [{"invoice_id": invoice, "money": "20.00 USD"}]
        assert (db.invoice(invoice).state, db.account("acme").suspended) == ("paid", True)


def test_what_the_bank_took_back_of_a_void_invoice_is_not_the_accounts(tmp_path: Path, db_url: str) -> None:
    with shop(tmp_path, db_url, method="test_pending") as db:
        published(db, "plan")
        db.subscribe("acme", "plan", subscription_id="s")
        invoice = newest(db, "acme").invoice_id
        db.cancel_subscription("s", when="now")
        provider_of(db).finish(invoice)
        dispute(db, invoice)
        assert (db.invoice(invoice).state, db.invoice(invoice).paid) == ("void", None)
        assert disputes_told(db) == [{"invoice_id": invoice, "money": "20.00 USD"}]


@pytest.mark.parametrize(("policy", "left"), [("freeze", 70), ("take_unspent", 0), ("into_debt", -30)])
def test_a_dispute_ends_a_refund_that_waits_for_the_provider(tmp_path: Path, policy: str, left: int) -> None:
    """The bank has given the money back: the provider is not asked to give it once more."""
    with StripeStub() as stub, shop(tmp_path, "", policy) as db:
        db._control_plane().provider = StripeProvider("sk", webhook_secret=SECRET, api_base=stub.url)
        db.put_customer("c", payment_method="pm_card", provider_id="cus_1")
        purchase = hundred(db, "acme", as_it_is)
        use(db, "acme", "30")
        stub.fail_next = [500] * 3
        assert db.refund_purchase(purchase).state == "granted"
        (intent,) = stub.intents
        body = event("charge.dispute.created", {"object": "dispute", "payment_intent": intent})
        db.provider_callback(body.decode(), signed(body))
        assert (db.purchase(purchase).state, db.purchase(purchase).reason) == ("refunded", "disputed")
        wait_until(lambda: not db._control_plane().stats()["jobs"].get("due"))
        assert "refunded" not in stub.intents[intent]
        assert available(db, "acme") == left
