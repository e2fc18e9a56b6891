"""Money to the unit: what N credits cost around each edge, the order of equal credits, the spend so far."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from drawdown.client.interface import Database
from drawdown.model.money import money_from

from .plans import published

Name = Callable[[str], str]
FEBRUARY_END = datetime(2026, 2, 28, tzinfo=UTC)
TIERS = [
    {"up_to": "100", "unit_price": "1"},
    {"up_to": "200", "unit_price": "0.5", "flat": "5"},
    {"unit_price": "0.25"},
]


@pytest.mark.behaviour("S0-15", "S0-28")
@pytest.mark.parametrize(
    ("price", "dues"),
    [
        ({"model": "flat", "amount": "7"}, "7 7 7 7 7 7"),
        ({"model": "per_unit", "amount": "0.015"}, "0.02 1.48 1.5 1.52 3 3.02"),
        ({"model": "tiered", "tiers": TIERS}, "1 99 100 105.5 155 155.25"),
        ({"model": "volume", "tiers": TIERS}, "1 99 100 55.5 105 50.25"),
        ({"model": "package", "amount": "10", "package_size": "100"}, "10 10 10 20 20 30"),
    ],
    ids=lambda each: each["model"] if isinstance(each, dict) else "",
)
def test_n_credits_cost_exactly_at_and_around_each_edge(
    db: Database, account: str, name: Name, price: dict[str, Any], dues: str
) -> None:
    """1, 99, 100, 101, 200 and 201 credits; half a cent goes to the even one."""
    charge = {
        "credit_type": "credits",
        "amount": "1",
        "cadence": "monthly",
        "prices": [{"currency": "USD", **price}],
    }
    published(db, name("plan"), credits=charge, base_fee=[])
    for quantity, due in zip((1, 99, 100, 101, 200, 201), dues.split(), strict=True):
        before = db.balance(account, "credits").available if quantity > 1 else 0
        db.subscribe(account, name("plan"), subscription_id=name(f"sub{quantity}"), quantity=quantity)
        assert db.invoices(account)[-1].due == money_from(due, "USD"), f"{quantity} credits"
        assert db.balance(account, "credits").available - before == quantity


@pytest.mark.behaviour("S1-12", "S1-13")
def test_equal_invoice_credits_apply_by_expiry_and_then_by_creation(
    db: Database, account: str, name: Name
) -> None:
    """Of one priority: what ends in May, then in June, then those without end, oldest first."""
    ends = {"never-old": None, "june": datetime(2026, 6, 1, tzinfo=UTC), "never-new": None}
    ends["may"] = datetime(2026, 5, 1, tzinfo=UTC)
    for number, (stem, end) in enumerate(ends.items()):
        db.advance_clock(account, datetime(2026, 1, 31, 1, number, tzinfo=UTC))
        db.create_invoice_credit(
            account, name(stem), amount="8", currency="USD", name=stem, expires_at=end, priority=3
        )
    order = [name(stem) for stem in ("may", "june", "never-old", "never-new")]
    assert [each.credit_id for each in db.invoice_credits(account)] == order
    published(db, name("plan"))
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    (invoice,) = db.invoices(account)
    applied = [(each.credit_id, each.amount.minor) for each in invoice.applications]
    assert applied == [(order[0], 800), (order[1], 800), (order[2], 400)]
    assert [each.remaining.minor for each in db.invoice_credits(account)] == [0, 0, 400, 800]


@pytest.mark.behaviour("S3-38")
def test_the_spend_so_far_can_be_looked_at_and_is_what_is_billed(
    db: Database, account: str, name: Name
) -> None:
    """36 past zero at 0.10: 3.60 shown, nothing stored; at the edge exactly that is on the invoice."""
    prices = [{"currency": "USD", "model": "per_unit", "amount": "0.10"}]
    published(db, name("plan"), credits="100", overage={"prices": prices})
    db.subscribe(account, name("plan"), subscription_id=name("sub"))
    db.record(account, "calls", quantity=68, event_id="e")
    before = db.invoices(account)
    for _ in range(2):
        preview = db.preview_invoice(account)
        assert [(line.kind, line.amount) for line in preview.lines] == [
            ("overage", money_from("3.60", "USD"))
        ]
    assert db.invoices(account) == before
    db.advance_clock(account, FEBRUARY_END.replace(month=3, day=2))
    billed = [line for each in db.invoices(account) for line in each.lines if line.kind == "overage"]
    assert [line.amount for line in billed] == [money_from("3.60", "USD")]
