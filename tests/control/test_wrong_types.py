"""A value of another type is refused with its field, through either door, before anything is written."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError
from drawdown.model.money import Money

from .conftest import START
from .plans import published
from .test_purchases import pack

Name = Callable[[str], str]


class Instant(datetime):
    """As data frames have them."""


class Safe(str):
    """As templates have them."""

    def __str__(self) -> str:
        return self


class Whole:
    """As arrays have them."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value


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


def test_what_stands_for_a_plain_value_is_taken_for_it(db: Database, account: str, name: Name) -> None:
    anything: Any = db
    anything.create_product(Safe(name("product")), Safe("A product"))
    assert (name("product"), "A product") in {(each.product_id, each.name) for each in db.products()}
    sold = pack(db, name("pack"))
    bought = anything.buy_pack(Safe(account), sold, purchase_id=name("p"), quantity=Whole(2))
    assert (bought.state, bought.quantity) == ("granted", 2)
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    since = Instant(START.year, START.month, START.day, tzinfo=UTC)
    assert anything.report_sales(since=since, until=datetime(START.year + 1, 1, 1, tzinfo=UTC))


def test_a_text_that_may_be_left_out_may_be_none(db: Database, account: str, name: Name) -> None:
    anything: Any = db
    sold = pack(db, name("pack"))
    assert anything.buy_pack(account, sold, purchase_id=name("p"), payment_method=None).state == "granted"
    assert [each.purchase_id for each in db.purchases(account)] == [name("p")]
    with pytest.raises(InvalidRequestError) as raised:
        anything.buy_pack(None, sold, purchase_id=name("q"))
    assert raised.value.field == "account"


def test_imported_rows_leave_nothing_that_cannot_be_read_again(db: Database, name: Name) -> None:
    """A reader of files gives None for what a short row has not, and numbers come from queries."""
    file = io.StringIO(f"kind,customer_id,name,country\ncustomer,{name('c')}\n")
    assert db.import_opening(csv.DictReader(file)).applied
    assert db.customer(name("c")).name == ""
    anything: Any = db
    long = io.StringIO(f"kind,customer_id\ncustomer,{name('d')},more\n")
    for rows in (csv.DictReader(long), [{"kind": "customer", "customer_id": name("d"), "name": ["a"]}]):
        with pytest.raises(InvalidRequestError, match="rows"):
            anything.import_opening(rows)
    account = {"kind": "account", "account": name("a")}
    grant = {"kind": "grant", "account": name("a"), "grant_id": "g", "credit_type": "credits", "amount": 7}
    assert anything.import_opening([account, grant]).problems == ()
    assert db.balance(name("a"), "credits").available == 7
