"""What holds a recharge back is told; when it is gone the recharge begins, without another crossing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from drawdown.client.interface import Database

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
