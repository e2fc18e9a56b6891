"""What the provider is asked for: once, for the customer it is linked to, with the card that was named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.payments.stripe_stub import StripeStub

from .plans import published
from .test_charged_once import shop
from .test_purchases import pack
from .waiting import wait_until

FEBRUARY_END = datetime(2026, 2, 28, tzinfo=UTC)
MARCH_END = datetime(2026, 3, 31, tzinfo=UTC)


@pytest.fixture
def stub() -> Iterator[StripeStub]:
    with StripeStub() as running:
        yield running


def cards(stub: StripeStub) -> list[str]:
    """Of each charge, oldest first."""
    return [each["payment_method"] for each in stub.intents.values()]


@pytest.mark.behaviour("S0-30", "S3-3", "S3-21")
def test_what_is_called_for_thrice_is_charged_once(tmp_path: Path, stub: StripeStub) -> None:
    """In the call itself, and under one key: one charge for the subscription, one for the pack."""
    with shop(tmp_path, stub) as db:
        published(db, "plan")
        pack(db, "pack")
        for _ in range(3):
            db.subscribe("acme", "plan", subscription_id="s")
            assert [each["amount"] for each in stub.intents.values()] == [2_000]
        for _ in range(3):
            db.buy_pack("acme", "pack", purchase_id="p")
            assert [each["amount"] for each in stub.intents.values()] == [2_000, 6_000]


@pytest.mark.behaviour("S3-14")
def test_every_charge_is_of_the_customer_that_the_provider_knows(tmp_path: Path, stub: StripeStub) -> None:
    """A first payment and a renewal, a pack, and a recharge."""
    with shop(tmp_path, stub) as db:
        top_up = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]}
        published(db, "plan", top_up=top_up)
        db.subscribe("acme", "plan", subscription_id="s")
        db.advance_clock("acme", FEBRUARY_END)
        db.buy_pack("acme", pack(db, "pack"), purchase_id="p")
        db.set_recharge("acme", "credits", threshold="2000", to="3000")
        wait_until(lambda: len(stub.intents) == 4)
        assert [each["customer"] for each in stub.intents.values()] == ["cus_1"] * 4


@pytest.mark.behaviour("S0-29", "S0-33")
def test_a_subscription_is_charged_to_its_own_card_and_a_change_to_the_one_it_brings(
    tmp_path: Path, stub: StripeStub
) -> None:
    """Not to the customer's other card; renewals go on with the card that came last."""
    with shop(tmp_path, stub) as db:
        published(db, "small", fee="10")
        published(db, "large", fee="40")
        db.subscribe("acme", "small", subscription_id="s", payment_method="pm_own")
        db.advance_clock("acme", FEBRUARY_END)
        assert cards(stub) == ["pm_own"] * 2
        db.change_plan("s", "large", change_id="up", payment_method="pm_new")
        assert cards(stub) == ["pm_own"] * 2 + ["pm_new"]
        db.advance_clock("acme", MARCH_END)
        assert cards(stub) == ["pm_own"] * 2 + ["pm_new"] * 2
