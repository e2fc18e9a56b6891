"""What a provider refuses to give back for good is told, keeps its credits, and may be asked for anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.errors import PreconditionError
from drawdown.model.money import money_from
from drawdown.payments.stripe_provider import StripeProvider

from tests.payments.stripe_stub import StripeStub
from tests.payments.test_stripe import SECRET

from .conftest import SMALL, START, prepare
from .test_invoice_callbacks import told
from .test_invoices import usd
from .test_refunds import available, hundred, use
from .waiting import wait_until


def as_it_is(stem: str) -> str:
    return stem


@contextmanager
def at_stripe(folder: Path, **customer: Any) -> Iterator[tuple[EmbeddedDatabase, StripeStub]]:
    """A database whose customer pays by a card at Stripe."""
    with StripeStub() as stub, drawdown.open(folder / "data", **SMALL) as db:
        assert isinstance(db, EmbeddedDatabase)
        prepare(db)
        db._control_plane().provider = StripeProvider("sk_test", webhook_secret=SECRET, api_base=stub.url)
        db.put_customer("customer", payment_method="pm_card", provider_id="cus_1", **customer)
        db.create_account("acme", customer_id="customer", test_clock=START)
        yield db, stub


def given_back(stub: StripeStub) -> list[int]:
    return [each.get("refunded", 0) for each in stub.intents.values()]


@pytest.mark.parametrize("policy", ["take_unspent", "into_debt"])
def test_a_refund_that_the_provider_refuses_keeps_the_credits_and_says_why(
    tmp_path: Path, policy: str
) -> None:
    """Half was given back in the dashboard: not the whole, but the other half, is given when asked for."""
    with at_stripe(tmp_path) as (db, stub):
        purchase = hundred(db, "acme", as_it_is)
        use(db, "acme", "30")
        (intent,) = stub.intents.values()
        intent["refunded"] = 5_000
        for _ in range(2):
            with pytest.raises(PreconditionError, match="greater than charge") as raised:
                db.refund_purchase(purchase, policy=policy)
            assert raised.value.reason == "REFUND_REFUSED"
            assert (db.purchase(purchase).state, available(db, "acme")) == ("granted", Decimal(70))
        use(db, "acme", "10")
        assert told(db).count("purchase.not_refunded") == 2
        assert db._control_plane().stats()["jobs"] == {"due": 0, "parked": 0}
        assert db.refund_purchase(purchase, policy=policy, amount=usd(50)).refunded == usd(50)
        left = Decimal(0) if policy == "take_unspent" else Decimal(-40)
        assert (available(db, "acme"), given_back(stub)) == (left, [10_000])
        assert db.verify("acme")


def test_credits_that_wait_for_a_refund_are_spent_by_nobody_and_counted_once(tmp_path: Path) -> None:
    """Refused at last, they are there as they were bought: priority, end and what they cost."""
    with at_stripe(tmp_path) as (db, stub):
        purchase = hundred(db, "acme", as_it_is)
        (bought,) = db.grants("acme")
        stub.fail_next = [500] * 3
        assert db.refund_purchase(purchase).state == "granted"
        assert db.record("acme", credit_type="credits", credits="1", event_id="u").status != "OK"
        (intent,) = stub.intents.values()
        intent["refunded"] = 5_000
        wait_until(lambda: db.purchase(purchase).refund_refusal)
        wait_until(lambda: available(db, "acme") == 100)
        (back,) = [each for each in db.grants("acme") if each.state == "active"]
        for field in ("remaining", "priority", "category", "expires_at", "source", "cost_minor"):
            assert getattr(back, field) == getattr(bought, field), field
        (row,) = db.report_credits().rows
        assert (row.outstanding, row.deferred) == (Decimal(100), usd(100))


def test_what_lies_between_the_steps_of_the_provider_goes_to_the_balance(tmp_path: Path) -> None:
    """A third of 10.000 dinars is used: 6.667 go back, 6.660 of them by Stripe, which has steps of 0.010."""
    with at_stripe(tmp_path, currency="KWD") as (db, stub):
        prices = [{"currency": "KWD", "amount": "10"}]
        db.create_pack("pack", name="300", credit_type="credits", amount="300", prices=prices)
        db.buy_pack("acme", "pack", purchase_id="p")
        use(db, "acme", "100")
        assert db.refund_purchase("p").refunded == money_from("6.667", "KWD")
        assert (given_back(stub), available(db, "acme")) == ([6_660], Decimal(0))
        with db._control_plane().sql.transaction() as work:
            (balance,) = work.money_balances.find()
        assert balance.balance == money_from("0.007", "KWD")
