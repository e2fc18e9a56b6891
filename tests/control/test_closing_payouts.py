"""Closing an account pays out what came for bought credits and did not go back, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import drawdown
import pytest
from drawdown.embedded import EmbeddedDatabase
from drawdown.errors import InvalidRequestError
from drawdown.model.money import Money

from .conftest import SMALL, START, prepare
from .plans import published
from .test_invoices import newest, usd

Act = Callable[[EmbeddedDatabase], object]


@pytest.fixture
def db(tmp_path: Path, db_url: str) -> Iterator[EmbeddedDatabase]:
    """A pack of 100 credits for 100.00, and an account whose last invoice would be asked for."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as opened:
        assert isinstance(opened, EmbeddedDatabase)
        prepare(opened)
        opened.put_customer("c", payment_method="test_ok")
        opened.create_account("acme", customer_id="c", test_clock=START)
        opened.create_pack("pack", name="pack", amount="100", prices=[{"currency": "USD", "amount": "100"}])
        plan = published(opened, "plan", type="free", base_fee=[], credits=None)
        opened.subscribe("acme", plan.plan_id, subscription_id="s")
        yield opened


def buy(db: EmbeddedDatabase, purchase_id: str = "p", *, bill_later: bool = False) -> None:
    db.buy_pack("acme", "pack", purchase_id=purchase_id, bill_later=bill_later)


def dispute(db: EmbeddedDatabase) -> None:
    body, headers = db.payment_provider().dispute("purchase:p")
    db.provider_callback(body.decode(), headers)


def note(db: EmbeddedDatabase) -> None:
    """40.00 of it go back, and all credits stay."""
    db.create_credit_note("n", "inv.purchase:p", "purchase:p", amount=usd(40))


def refund_a_part(db: EmbeddedDatabase) -> None:
    db.refund_purchase("p", policy="freeze", amount=usd(30))


def card_declines(db: EmbeddedDatabase) -> None:
    db.put_customer("c", payment_method="test_decline")


def invoice_is_void(db: EmbeddedDatabase) -> None:
    db.put_customer("c", payment_method="test_pending")
    db.advance_clock("acme", START + timedelta(days=35))
    db.close_invoice(newest(db, "acme").invoice_id, "void")


def nothing(db: EmbeddedDatabase) -> None: ...


def freeze(db: EmbeddedDatabase) -> None:
    db.refund_purchase("p", policy="freeze")


def paid_out(db: EmbeddedDatabase) -> Money:
    """What is owed to the customer once the account is closed."""
    return sum(db.close_account("acme", remainder="pay_out", confirm=True).payouts, start=usd(0))


@pytest.mark.parametrize(
    ("act", "owed"), [(nothing, 100), (freeze, 0), (refund_a_part, 70), (dispute, 0), (note, 60)]
)
def test_what_went_back_of_a_purchase_while_its_credits_stay_is_not_paid_out(
    db: EmbeddedDatabase, act: Act, owed: int
) -> None:
    buy(db)
    act(db)
    assert db.balance("acme", "credits").available == 100
    assert paid_out(db) == usd(owed)


@pytest.mark.parametrize(
    ("act", "owed"), [(nothing, 100), (card_declines, 0), (invoice_is_void, 0), (freeze, 0)]
)
def test_a_purchase_billed_later_is_paid_out_as_far_as_its_invoice_was_paid(
    db: EmbeddedDatabase, act: Act, owed: int
) -> None:
    buy(db, bill_later=True)
    act(db)
    assert paid_out(db) == usd(owed)


def test_credits_that_a_debt_took_instead_of_others_are_paid_out(db: EmbeddedDatabase) -> None:
    """200.00 came and 100.00 went back with 100 credits: of those of the other purchase, which were first."""
    buy(db, "first")
    buy(db)
    db.refund_purchase("p", policy="into_debt")
    assert paid_out(db) == usd(100)


def test_what_each_of_several_purchases_came_to_bounds_its_own_credits(db: EmbeddedDatabase) -> None:
    buy(db)
    buy(db, "second")
    freeze(db)
    assert paid_out(db) == usd(100)


def test_credits_given_before_they_are_paid_for_are_not_paid_out(db: EmbeddedDatabase) -> None:
    """A plan that releases its credits at once, and a card that declines."""
    charge = {
        "credit_type": "credits",
        "amount": "50",
        "cadence": "monthly",
        "prices": [{"currency": "USD", "amount": "50"}],
    }
    plan = published(db, "early", base_fee=[], credits=charge, release="immediate")
    db.subscribe("acme", plan.plan_id, subscription_id="e", payment_method="test_decline")
    assert db.balance("acme", "credits").available == 50
    assert paid_out(db) == usd(0)


@pytest.mark.parametrize("policy", ["into_debt", "freeze"])
def test_what_the_closing_paid_out_is_not_refunded_as_well(db: EmbeddedDatabase, policy: str) -> None:
    """Seventy of a hundred dollars are owed by the closing: thirty are left to be given back."""
    buy(db)
    assert db.record("acme", credit_type="credits", credits="30", event_id="u").status == "OK"
    assert paid_out(db) == usd(70)
    with pytest.raises(InvalidRequestError, match="between 0 and 30"):
        db.refund_purchase("p", policy=policy, amount=usd(31))
    assert db.refund_purchase("p", policy=policy).refunded == usd(30)
