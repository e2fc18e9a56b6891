"""A recharge that nothing sells any more: it fails with a word, and stands in nobody's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.embedded import EmbeddedDatabase
from drawdown.errors import InvalidRequestError, NotFoundError

from .conftest import SMALL, prepare
from .plans import published
from .test_invoice_callbacks import tell
from .waiting import wait_until

Name = Callable[[str], str]

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
TOP_UP = {"prices": [{"currency": "USD", "model": "per_unit", "amount": "1"}]}


@pytest.fixture
def held_back(db: Database, name: Name) -> str:
    """10 credits a month and a recharge by 3 below 50: one is bought, the next is held back."""
    db.put_customer(name("customer"), payment_method="test_ok")
    db.create_account(name("acme"), customer_id=name("customer"), test_clock=NEW_YEAR)
    published(db, name("p"), fee="10", credits="10", top_up=TOP_UP)
    published(db, name("q"), fee="100", credits="4")
    db.subscribe(name("acme"), name("p"), subscription_id=name("s"))
    db.set_recharge(name("acme"), "credits", threshold="50", amount="3", cap_count=1)
    wait_until(lambda: db.recharge(name("acme"), "credits").standing.reason == "cap_count_reached")
    return name("acme")


@pytest.mark.parametrize(
    ("why", "reason"), [("plan", "TOP_UP_NOT_ALLOWED"), ("currency", "CURRENCY_UNAVAILABLE")]
)
def test_renewals_go_on_where_what_the_cap_held_back_is_sold_no_more(
    db: Database, held_back: str, name: Name, why: str, reason: str
) -> None:
    if why == "plan":
        db.change_plan(name("s"), name("q"), change_id="c", when="period_end")
    else:
        db.put_customer(name("customer"), payment_method="test_ok", currency="EUR")
    db.advance_clock(held_back, datetime(2026, 6, 5, tzinfo=UTC))
    began = {each.period.start.month for each in db.invoices(held_back) if each.period is not None}
    assert began >= {2, 3, 4, 5, 6}
    standing = db.recharge(held_back, "credits").standing
    assert (standing.state, standing.reason) == ("idle", reason)
    failed = [each.data["reason"] for each in db.notices(held_back, kinds=["recharge.failed"]).notices]
    assert failed.count(reason) == 1
    assert len(db.purchases(held_back)) == 1


@pytest.fixture
def own(tmp_path: Path, db_url: str) -> Iterator[EmbeddedDatabase]:
    """A recharge by 3 whose payment waits for the bank, and by then nothing sells credits any more."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL) as opened:
        assert isinstance(opened, EmbeddedDatabase)
        prepare(opened)
        opened.put_customer("c", payment_method="test_ok")
        opened.create_account("acme", customer_id="c", test_clock=NEW_YEAR)
        published(opened, "p", fee="10", credits="10", top_up=TOP_UP)
        published(opened, "q", fee="10", credits="4")
        opened.subscribe("acme", "p", subscription_id="s")
        opened.put_customer("c", payment_method="test_pending")
        opened.set_recharge("acme", "credits", threshold="50", amount="3")
        opened.change_plan("s", "q", change_id="c")
        assert opened.recharge("acme", "credits").standing.state == "in_flight"
        yield opened


def test_a_recharge_that_is_paid_when_nothing_sells_it_any_more_is_over(own: EmbeddedDatabase) -> None:
    """What was asked for is granted; that no other follows, though more would be due, is told once."""
    (purchase,) = own.purchases("acme")
    tell(own, purchase.charge_key, times=2)
    wait_until(lambda: own.recharge("acme", "credits").standing.state == "idle")
    assert own.purchase(purchase.purchase_id).state == "granted"
    failed = [each.data["reason"] for each in own.notices("acme", kinds=["recharge.failed"]).notices]
    assert failed == ["TOP_UP_NOT_ALLOWED"]


def refused_reasons(db: Database, account: str) -> list[str]:
    return [each.data["reason"] for each in db.notices(account, kinds=["recharge.failed"]).notices]


@pytest.fixture
def bounded(db: Database, name: Name) -> str:
    """A plan that sells 100 to 1,000 credits at once, and its own ten spent."""
    db.put_customer(name("customer"), payment_method="test_ok")
    db.create_account(name("acme"), customer_id=name("customer"))
    bounds = {**TOP_UP, "min": "100", "max": "1000"}
    published(db, name("plan"), type="free", base_fee=[], credits="10", top_up=bounds)
    db.subscribe(name("acme"), name("plan"), subscription_id=name("s"))
    db.record(name("acme"), credit_type="credits", credits="10", event_id="own")
    return name("acme")


@pytest.mark.parametrize(
    ("rule", "field"),
    [({"amount": "3"}, "amount"), ({"amount": "1001"}, "amount"), ({"to": "104"}, "to")],
)
def test_a_recharge_of_what_a_top_up_does_not_sell_is_refused(
    db: Database, bounded: str, rule: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidRequestError, match="sells 100 to 1000 at once") as raised:
        db.set_recharge(bounded, "credits", threshold="5", **rule)
    assert raised.value.field == field
    assert db.set_recharge(bounded, "credits", threshold="5", **rule, enabled=False).standing.state == "off"


def test_a_recharge_buys_as_much_at_once_as_the_top_up_sells(db: Database, bounded: str) -> None:
    """1,500 are missing: a thousand, and five hundred more when those have landed."""
    db.set_recharge(bounded, "credits", threshold="1100", to="1500")
    wait_until(lambda: db.balance(bounded, "credits").available == 1500)
    assert [each.credits for each in db.purchases(bounded)] == [1000, 500]


def test_a_recharge_buys_a_pack_as_it_is_sold(db: Database, account: str, name: Name) -> None:
    """With its priority and category; archived, no more, and switching it off is still possible."""
    content: dict[str, Any] = {
        "pack_id": name("pack"),
        "name": "20",
        "credit_type": "credits",
        "amount": "20",
        "prices": [{"currency": "USD", "amount": "5"}],
        "priority": 10,
        "category": "promotional",
    }
    db.create_pack(**content)
    rule = {"threshold": "5", "pack_id": name("pack")}
    db.set_recharge(account, "credits", **rule)
    wait_until(lambda: db.balance(account, "credits").available == 20)
    (grant,) = db.grants(account, "credits")
    assert (grant.priority, grant.category, grant.source) == (10, "promotional", "recharge")
    db.load_catalog({"packs": [{**content, "state": "archived"}]})
    db.record(account, credit_type="credits", credits="16", event_id="u")
    wait_until(lambda: refused_reasons(db, account) == ["PACK_UNKNOWN"])
    with pytest.raises(NotFoundError, match="to buy"):
        db.set_recharge(account, "credits", **rule)
    assert db.set_recharge(account, "credits", **rule, enabled=False).standing.state == "off"
    assert len(db.purchases(account)) == 1
