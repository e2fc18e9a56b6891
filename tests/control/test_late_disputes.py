"""A chargeback of money that came late takes it off the balance, where it lay for want of anything to pay."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawdown.embedded import EmbeddedDatabase

from tests.payments.test_stripe import event, signed

from .plans import published
from .test_disputes import dispute, shop
from .test_invoice_callbacks import tell
from .test_invoices import newest, usd
from .test_late_payments import balances, word
from .test_refunds import hundred
from .test_refused_refunds import as_it_is, at_stripe


def say(db: EmbeddedDatabase, kind: str, intent: dict[str, object]) -> None:
    if kind != "disputed":
        word(db, f"payment_intent.{kind}", intent)
        return
    body = event("charge.dispute.created", {"object": "dispute", "payment_intent": intent["id"]})
    db.provider_callback(body.decode(), signed(body))


@pytest.mark.parametrize("order", [("succeeded", "disputed"), ("disputed", "succeeded")])
def test_a_dispute_of_what_came_for_a_failed_purchase_takes_it_off_the_balance_once(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    with at_stripe(tmp_path) as (db, stub):
        db.put_customer("customer", payment_method="pm_processing", provider_id="cus_1")
        purchase = hundred(db, "acme", as_it_is)
        (intent,) = stub.intents.values()
        intent["status"] = "requires_payment_method"
        word(db, "payment_intent.payment_failed", intent)
        assert db.purchase(purchase).state == "failed"
        intent["status"] = "succeeded"
        for kind in (*order, *order):
            say(db, kind, intent)
        assert sum(each.minor for each in balances(db)) == 0


def test_a_dispute_of_what_came_for_a_void_invoice_takes_it_off_the_balance_once(
    tmp_path: Path, db_url: str
) -> None:
    with shop(tmp_path, db_url, "take_unspent", method="test_pending") as db:
        published(db, "plan")
        db.subscribe("acme", "plan", subscription_id="s")
        invoice = newest(db, "acme").invoice_id
        db.cancel_subscription("s", when="now")
        tell(db, invoice)
        assert (db.invoice(invoice).state, balances(db)) == ("void", [usd(20)])
        for _ in range(2):
            dispute(db, invoice)
        assert balances(db) == [usd(0)]
