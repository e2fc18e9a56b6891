"""What the lines are called that an invoice credit may be for: plans, packs, credit types."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError

from .plans import published
from .test_invoices import credit, newest, subscribed, usd

Name = Callable[[str], str]


@pytest.mark.behaviour("S1-5", "S1-14")
def test_a_credit_for_a_plan_pays_for_its_lines_of_any_version(
    db: Database, account: str, name: Name
) -> None:
    """7 off whatever the plan costs, given before its second version is what is subscribed to."""
    published(db, name("plan"))
    credit(db, account, name("by-id"), "7", scope={"lines": [name("plan")]}, priority=1)
    credit(db, account, name("old"), "5", scope={"lines": [f"{name('plan')}@1"]})
    credit(db, account, name("other"), "5", scope={"lines": [name("other-plan")]})
    subscribed(db, account, name, fee="30")
    invoice = newest(db, account)
    assert invoice.lines[0].plan_key == f"{name('plan')}@2"
    assert [(each.credit_id, each.amount) for each in invoice.applications] == [(name("by-id"), usd(7))]
    assert invoice.due == usd(23)


@pytest.mark.behaviour("S1-14", "S1-21")
def test_a_credit_for_a_meter_is_refused_and_says_what_to_name(
    db: Database, account: str, name: Name
) -> None:
    """Usage of all meters that burn one credit type is one line, so it could not apply. Nothing is made."""
    with pytest.raises(InvalidRequestError, match="name the credit type that 'calls' burns") as raised:
        credit(db, account, name("c"), "50", scope={"lines": ["credits", "calls"]})
    assert raised.value.field == "scope.lines"
    assert db.invoice_credits(account) == ()
    assert credit(db, account, name("c"), "50", scope={"lines": ["credits"]}).scope.lines == ("credits",)


def test_a_pack_may_be_called_like_a_meter(db: Database, account: str, name: Name) -> None:
    db.create_meter(name("minutes"))
    db.create_pack(name("minutes"), name="P", amount="20", prices=[{"currency": "USD", "amount": "60"}])
    credit(db, account, name("c"), "50", scope={"lines": [name("minutes")]})
    db.buy_pack(account, name("minutes"), purchase_id=name("p"))
    assert newest(db, account).due == usd(10)


def test_a_name_that_a_pack_and_a_plan_have_is_refused(db: Database, account: str, name: Name) -> None:
    """It would pay for both; a version of the plan is the plan's alone."""
    published(db, name("gold"))
    db.create_pack(name("gold"), name="P", amount="20", prices=[{"currency": "USD", "amount": "60"}])
    with pytest.raises(InvalidRequestError, match="is a pack and a plan") as raised:
        credit(db, account, name("c"), "50", scope={"lines": [name("gold")]})
    assert raised.value.field == "scope.lines"
    credit(db, account, name("c"), "50", scope={"lines": [f"{name('gold')}@1"]})
    db.buy_pack(account, name("gold"), purchase_id=name("p"))
    assert newest(db, account).due == usd(60)
