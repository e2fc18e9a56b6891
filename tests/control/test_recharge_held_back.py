"""What holds a recharge back is told; when it is gone the recharge begins, without another crossing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from drawdown.client.interface import Database
from drawdown.errors import PreconditionError

from .test_recharge import available, settled, topped
from .waiting import wait_until

Name = Callable[[str], str]


def reason_of(db: Database, account: str) -> str:
    return db.recharge(account, "credits").standing.reason


def test_a_recharge_without_a_card_begins_when_there_is_one(db: Database, name: Name) -> None:
    account = topped(db, name, payment_method="")
    db.set_recharge(account, "credits", threshold="5", to="20")
    assert reason_of(db, account) == "no_payment_method"
    db.put_customer(name("customer"), name="Acme")
    assert db.purchases(account) == ()
    for _ in range(2):
        db.put_customer(name("customer"), payment_method="test_ok")
    assert settled(db, account, 1) == [Decimal(20)]
    wait_until(lambda: available(db, account) == 20)
    assert (reason_of(db, account), len(db.purchases(account))) == ("", 1)


def test_a_suspended_account_is_not_recharged_until_it_is_resumed(db: Database, name: Name) -> None:
    """An open hold is settled meanwhile and takes the balance below the threshold: no card is charged."""
    account = topped(db, name)
    db.create_grant(account, "credits", amount="20", grant_id="gift")
    db.set_recharge(account, "credits", threshold="5", to="20")
    db.reserve(account, credit_type="credits", credits="8", reservation_id="h")
    db.suspend_account(account)
    assert db.settle(account, "h", credits="18").status == "OK"
    wait_until(lambda: reason_of(db, account) == "account_suspended")
    assert (db.purchases(account), available(db, account)) == ((), 2)
    told = [each.data["reason"] for each in db.notices(account, kinds=["recharge.failed"]).notices]
    assert told == ["account_suspended"]
    for _ in range(2):
        db.resume_account(account)
    assert settled(db, account, 1) == [Decimal(18)]
    wait_until(lambda: available(db, account) == 20)
    assert (reason_of(db, account), len(db.purchases(account))) == ("", 1)


def test_a_recharge_that_nobody_confirms_is_failed_by_an_operator_and_begins_anew(
    db: Database, name: Name
) -> None:
    """Only that: what was paid is for the provider to say."""
    account = topped(db, name, payment_method="test_action")
    db.set_recharge(account, "credits", threshold="5", to="20")
    wait_until(lambda: db.recharge(account, "credits").standing.state == "action_required")
    (waiting,) = db.purchases(account)
    with pytest.raises(PreconditionError) as raised:
        db.mark_purchase_paid(waiting.purchase_id)
    assert raised.value.reason == "NOT_MANUAL"
    for _ in range(2):
        failed = db.mark_purchase_paid(waiting.purchase_id, failed=True)
        assert (failed.state, failed.reason) == ("failed", "canceled")
    assert db.recharge(account, "credits").standing.state == "disabled"
    db.put_customer(name("customer"), payment_method="test_ok")
    db.set_recharge(account, "credits", threshold="5", to="20")
    assert settled(db, account, 2) == [Decimal(20)] * 2
    wait_until(lambda: available(db, account) == 20)
    paid = db.mark_purchase_paid(db.purchases(account)[1].purchase_id, failed=True)
    assert (paid.state, available(db, account)) == ("granted", 20)
