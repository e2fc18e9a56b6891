"""From sign-up to metered use: customer and provider linked, rates fixed by contract, checks before use."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from statistics import median

import drawdown
import pytest
from drawdown.client.interface import Database

from .conftest import SMALL, START, prepare
from .plans import published

Name = Callable[[str], str]


@pytest.mark.behaviour("S3-7", "S3-8")
def test_each_metric_has_a_meter_of_its_own_and_spend_is_shown_by_it(
    db: Database, account: str, name: Name
) -> None:
    """Compute, storage and calls are counted apart, priced apart, and the ledger tells them apart."""
    rates = [
        {"meter": "tokens", "credits": "1", "per": "1000"},
        {"meter": "storage", "credits": "0.25"},
        {"meter": "calls", "credits": "2"},
    ]
    published(db, name("plan"), rates=rates)
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    for meter, quantity in (("tokens", 5000), ("storage", 8), ("calls", 3)):
        db.record(account, meter, quantity=quantity, event_id=meter, time=START)
    spent = {each.meter: each.charged for each in db.ledger(account) if each.meter is not None}
    assert spent == {"tokens": Decimal(5), "storage": Decimal(2), "calls": Decimal(6)}


@pytest.mark.behaviour("S3-9", "S3-25")
def test_buying_credits_is_a_fixed_product_of_its_own(db: Database, account: str, name: Name) -> None:
    """The purchase stands on the invoice as the pack, never as usage."""
    pack = db.create_pack(
        name("pack"), name="2,000 credits", amount="2000", prices=[{"currency": "USD", "amount": "100"}]
    )
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.add_service(name("sub"), pack.pack_id, service_id="extra")
    line = db.invoices(account)[-1].lines[0]
    assert (line.kind, line.reference, line.amount.minor) == ("pack", pack.pack_id, 10_000)
    assert db.balance(account, "credits").available == Decimal(3000)


@pytest.mark.behaviour("S3-14", "S3-16", "S3-18")
def test_sign_up_links_customer_and_provider_and_then_begins_the_contract(db: Database, name: Name) -> None:
    """Provider's id first, then the card, then the account, then the contract: in that order it works."""
    customer, account = name("customer"), name("account")
    db.put_customer(customer, name="Ada", provider_id="cus_42")
    db.create_account(account, customer_id=customer, test_clock=START)
    published(db, name("plan"))
    with pytest.raises(drawdown.PreconditionError):
        db.subscribe(account, name("plan"), subscription_id=name("contract"))
    db.put_customer(customer, name="Ada", provider_id="cus_42", payment_method="test_ok")
    contract = db.subscribe(account, name("plan"), subscription_id=name("contract"))
    assert (contract.state, contract.customer_id, contract.payment_method) == ("active", customer, "test_ok")
    assert db.customer(customer).provider_id == "cus_42"
    with pytest.raises(drawdown.NotFoundError):
        db.customer(name("nobody"))


@pytest.mark.behaviour("S3-19", "S3-27")
def test_use_needs_a_positive_balance_and_is_checked_first(db: Database, account: str, name: Name) -> None:
    """Check, use, check: what the check says is what the record then does."""
    published(db, name("plan"), credits="5")
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    done = 0
    for attempt in range(4):
        allowed = db.check(account, "calls")
        used = db.record(account, "calls", quantity=1, event_id=str(attempt), time=START)
        assert bool(allowed) == used.applied
        done += used.applied
    assert (done, db.balance(account, "credits").available) == (2, Decimal(1))
    assert db.check(account, "calls").reason == "INSUFFICIENT"


@pytest.mark.behaviour("S3-26")
def test_the_entitlement_answer_survives_a_break_of_the_billing_side(tmp_path: Path) -> None:
    """Its database is held by someone else: checks and use go on, at their own pace."""
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        prepare(db)
        published(db, "pro")
        db.put_customer("c", payment_method="test_ok")
        db.create_account("acme", customer_id="c", test_clock=START)
        db.subscribe("acme", "pro", subscription_id="s")
        holder = sqlite3.connect(tmp_path / "data" / "control.sqlite3", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            took = []
            for number in range(200):
                began = time.monotonic()
                assert db.check("acme", "calls")
                took.append(time.monotonic() - began)
                assert number > 20 or db.record("acme", "calls", quantity=1, event_id=f"{number}", time=START)
            # Waiting counts as work does; one that was held up by the machine does not.
            assert median(took) < 0.01
        finally:
            holder.execute("ROLLBACK")
            holder.close()
