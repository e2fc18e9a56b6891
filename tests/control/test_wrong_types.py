"""A value of another type is refused with its field, through either door, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError
from drawdown.model.money import Money

from .plans import published
from .test_purchases import pack

Name = Callable[[str], str]


@pytest.mark.parametrize("quantity", [True, 1.5, 1.0, "2", None])
def test_a_quantity_that_is_no_integer_buys_nothing(
    db: Database, account: str, name: Name, quantity: Any
) -> None:
    sold = pack(db, name("pack"))
    db.buy_pack(account, sold, purchase_id=name("good"))
    with pytest.raises(InvalidRequestError, match="expected `int`") as raised:
        db.buy_pack(account, sold, purchase_id=name("bad"), quantity=quantity)
    assert raised.value.field == "quantity"
    assert [each.purchase_id for each in db.purchases(account)] == [name("good")]
    assert db.buy_pack(account, sold, purchase_id=name("bad"), quantity=2).state == "granted"


def test_each_control_call_names_the_field_of_a_wrong_type(db: Database, account: str, name: Name) -> None:
    anything: Any = db
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    sold = pack(db, name("pack"))
    db.buy_pack(account, sold, purchase_id=name("p"))
    (invoice, *_) = db.invoices(account)
    before = (db.subscriptions(account), db.purchases(account), db.invoices(account))
    refused: list[tuple[str, Callable[[], object]]] = [
        ("quantity", lambda: anything.subscribe(account, name("plan"), subscription_id="x", quantity=True)),
        ("term", lambda: anything.subscribe(account, name("plan"), subscription_id="x", term=False)),
        ("quantity", lambda: anything.change_plan(name("sub"), name("plan"), change_id="c", quantity=True)),
        ("quantity", lambda: anything.preview_change(name("sub"), name("plan"), quantity=2.0)),
        ("auto_renew", lambda: anything.set_auto_renew(name("sub"), 0)),
        ("service.quantity", lambda: anything.add_service(name("sub"), sold, service_id="s", quantity=True)),
        ("number", lambda: anything.adjust_delivery(name("sub"), "s", True, "1")),
        ("bill_later", lambda: anything.buy_pack(account, sold, purchase_id="x", bill_later=1)),
        ("amount.minor", lambda: anything.refund_purchase(name("p"), amount=Money(True, "USD"))),
        ("amount.minor", lambda: anything.refund_purchase(name("p"), amount=Money(1.5, "USD"))),  # type: ignore[arg-type]
        ("paid_at", lambda: anything.mark_invoice_paid(invoice.invoice_id, paid_at="yesterday")),
        (
            "cap_count",
            lambda: anything.set_recharge(account, "credits", threshold="1", to="5", cap_count=True),
        ),
        ("overlap_s", lambda: anything.rotate_webhook_secret("hook", overlap_s=True)),
        ("limit", lambda: anything.purchases(account, limit=True)),
    ]
    for field, call in refused:
        with pytest.raises(InvalidRequestError) as raised:
            call()
        assert raised.value.field == field
    assert (db.subscriptions(account), db.purchases(account), db.invoices(account)) == before
