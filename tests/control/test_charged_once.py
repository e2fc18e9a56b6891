"""One payment for one debt, also where the provider has forgotten our key meanwhile, as Stripe does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.payments.stripe_provider import StripeProvider
from drawdown.runtime.control import charging

from tests.payments.stripe_stub import StripeStub
from tests.payments.test_stripe import SECRET, signed

from .conftest import SMALL, START, prepare
from .plans import published
from .test_purchases import pack
from .waiting import wait_until

EDGE = datetime(2026, 2, 28, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def stub() -> Iterator[StripeStub]:
    with StripeStub() as running:
        yield running


@contextmanager
def shop(tmp_path: Path, stub: StripeStub, start: datetime | None = START) -> Iterator[EmbeddedDatabase]:
    """A database whose customers pay through Stripe."""
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        assert isinstance(db, EmbeddedDatabase)
        prepare(db)
        db._control_plane().provider = StripeProvider("sk_test", webhook_secret=SECRET, api_base=stub.url)
        db.put_customer("c", payment_method="pm_card", provider_id="cus_1")
        db.create_account("acme", customer_id="c", test_clock=start)
        yield db


def states(stub: StripeStub) -> list[str]:
    return [each["status"] for each in stub.intents.values()]


def test_a_payment_on_its_way_for_days_is_not_asked_for_again(tmp_path: Path, stub: StripeStub) -> None:
    """A bank debit after a declined card: every day of the schedule finds it, and its end settles once."""
    with shop(tmp_path, stub) as db:
        published(db, "plan")
        db.subscribe("acme", "plan", subscription_id="s")
        db.put_customer("c", payment_method="pm_declined", provider_id="cus_1")
        db.advance_clock("acme", EDGE)
        db.put_customer("c", payment_method="pm_processing", provider_id="cus_1")
        for days in (1, 3, 5, 7, 9):
            stub.forget_keys()
            db.advance_clock("acme", EDGE + days * DAY)
        db.retry_payment(db.invoices("acme")[-1].invoice_id, retry_id="by hand")
        assert states(stub) == ["succeeded", "requires_payment_method", "processing"]
        intent = list(stub.intents.values())[-1]
        intent["status"] = "succeeded"
        shape = {
            "id": "evt",
            "object": "event",
            "type": "payment_intent.succeeded",
            "data": {"object": intent},
        }
        body = json.dumps(shape).encode()
        db.provider_callback(body.decode(), signed(body))
        assert [each.state for each in db.invoices("acme")] == ["paid", "paid"]
        assert db.subscription("s").state == "active"


def test_a_new_card_while_a_payment_is_on_its_way_waits_for_that(tmp_path: Path, stub: StripeStub) -> None:
    """Asked for with another method, the same money is not taken twice, and nothing stands still."""
    with shop(tmp_path, stub) as db:
        published(db, "plan")
        db.subscribe("acme", "plan", subscription_id="s")
        db.put_customer("c", payment_method="pm_declined", provider_id="cus_1")
        db.advance_clock("acme", EDGE)
        for method in ("pm_processing", "pm_card"):
            db.put_customer("c", payment_method=method, provider_id="cus_1")
        db.retry_payment(db.invoices("acme")[-1].invoice_id, retry_id="by hand", payment_method="pm_card")
        assert states(stub) == ["succeeded", "requires_payment_method", "processing"]
        db.advance_clock("acme", EDGE + 2 * DAY)
        assert states(stub) == ["succeeded", "requires_payment_method", "processing"]


def test_an_invoice_whose_answer_was_lost_is_found(tmp_path: Path, stub: StripeStub) -> None:
    with shop(tmp_path, stub) as db:
        published(db, "plan")
        db.subscribe("acme", "plan", subscription_id="s")
        stub.lose_next = 3
        db.advance_clock("acme", EDGE)
        assert [each.state for each in db.invoices("acme")] == ["paid", "finalized"]
        stub.forget_keys()
        db.advance_clock("acme", EDGE)
        assert states(stub) == ["succeeded"] * 2
        assert [each.state for each in db.invoices("acme")] == ["paid", "paid"]


def test_what_is_paid_for_at_the_very_end_of_its_first_period_goes_on(
    tmp_path: Path, stub: StripeStub
) -> None:
    """Asked for three times, and answered when the period ends: active, in its second period."""
    with shop(tmp_path, stub) as db:
        published(db, "plan")
        stub.fail_next = [500] * 6
        assert db.subscribe("acme", "plan", subscription_id="s").state == "pending"
        db.advance_clock("acme", EDGE)
        assert db.subscription("s").state == "active"
        assert [each.state for each in db.invoices("acme")] == ["paid", "paid"]
        assert states(stub) == ["succeeded"] * 2


def test_a_purchase_whose_answer_was_lost_in_a_downtime_is_found(
    tmp_path: Path, stub: StripeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for long ago is looked for before it is asked for again."""
    with shop(tmp_path, stub, None) as db:
        stub.lose_next = 3
        assert db.buy_pack("acme", pack(db, "pack"), purchase_id="p").state == "pending"
        monkeypatch.setattr(charging, "KEY_LIVES", timedelta(0))
        stub.forget_keys()
        wait_until(lambda: db.purchase("p").state == "granted", 20)
        assert states(stub) == ["succeeded"]


def test_what_stripe_refuses_for_good_makes_past_due_and_stops_nothing(
    tmp_path: Path, stub: StripeStub
) -> None:
    """A method that was detached there: told, tried on schedule and given up; the other plan goes on."""
    with shop(tmp_path, stub) as db:
        published(db, "plan")
        published(db, "free", type="free", base_fee=[], credits="7")
        db.subscribe("acme", "plan", subscription_id="s")
        db.subscribe("acme", "free", subscription_id="f")
        db.put_customer("c", payment_method="pm_detached", provider_id="cus_1")
        db.advance_clock("acme", EDGE + DAY)
        assert db.subscription("s").state == "past_due"
        (failed, *_) = db.notices("acme", kinds=["payment.failed"]).notices
        assert failed.data["reason"] == "resource_missing"
        db.advance_clock("acme", datetime(2026, 4, 30, tzinfo=UTC))
        assert [db.subscription(each).state for each in ("s", "f")] == ["ended", "active"]
        assert db.balance("acme", "credits").available == 7


def test_a_recharge_that_stripe_refuses_for_good_is_disabled(tmp_path: Path, stub: StripeStub) -> None:
    with shop(tmp_path, stub, None) as db:
        top_up = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]}
        published(db, "free", type="free", base_fee=[], credits="5", top_up=top_up)
        db.subscribe("acme", "free", subscription_id="s")
        db.put_customer("c", payment_method="pm_detached", provider_id="cus_1")
        db.set_recharge("acme", "credits", threshold="10", to="20")
        wait_until(lambda: db.recharge("acme", "credits").standing.state == "disabled")
        for kind in ("recharge.failed", "recharge.disabled"):
            assert len(db.notices("acme", kinds=[kind]).notices) == 1
