"""What is usual for an account, and what is so far above it that somebody has to look first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from drawdown.billing.invoice import Invoice, InvoiceLine
from drawdown.billing.invoice_hold import reason_to_hold
from drawdown.model.money import money_from
from drawdown.subscriptions.calendar import Period

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def invoice(days_ago: int, amount: str, *, kind: str = "base_fee", days: int = 30, **more: Any) -> Invoice:
    """With one line for a period of ``days`` that ended as the invoice was made."""
    at = NOW - days_ago * DAY
    given: dict[str, Any] = {"currency": "USD", "state": "paid", "number": "I-1", **more}
    line = InvoiceLine(
        line_id="line",
        kind=kind,
        description="",
        amount=money_from(amount, given["currency"]),
        period=Period(start=at - days * DAY, end=at),
    )
    return Invoice(
        invoice_id=f"{days_ago}", account="a", customer_id="c", created_at=at, lines=(line,), **given
    )


def used(amount: str, *, days: int = 30, **more: Any) -> Invoice:
    return invoice(0, amount, kind="overage", days=days, state="draft", **more)


@pytest.mark.parametrize(
    ("earlier", "limit"),
    [
        # A month's bill is what a month usually costs.
        ([invoice(30, "20")], 2_000),
        # The newest that cover thirty days together, and none behind them.
        ([invoice(10, "10"), invoice(20, "20"), invoice(30, "30"), invoice(40, "9999")], 6_000),
        # A year's bill, of which a month is a twelfth.
        ([invoice(360, "240", days=360)], 2_000),
        # A week is not enough to know a month by, but all there is: 7.00 a week are 30.00 a month.
        ([invoice(7, "7", days=7)], 3_000),
    ],
)
def test_the_limit_is_the_factor_times_the_usual(earlier: list[Invoice], limit: int) -> None:
    assert reason_to_hold(used(f"{limit}.00"), earlier, 100) == ""
    assert reason_to_hold(used(f"{limit}.01"), earlier, 100) != ""


@pytest.mark.parametrize(
    "other",
    [
        invoice(30, "20", currency="EUR"),
        invoice(30, "20", corrects="i"),
        invoice(30, "20", purchase_id="p"),
        invoice(30, "20", state="void"),
        invoice(30, "20", state="draft"),
        invoice(30, "20", state="uncollectible", number=None),
        invoice(-1, "20"),
    ],
    ids=["currency", "credit note", "purchase", "void", "draft", "never final", "made later"],
)
def test_what_does_not_say_what_is_usual(other: Invoice) -> None:
    """Alone it leaves nothing to compare with; beside another it changes nothing."""
    assert reason_to_hold(used("1000000"), [other], 100) == ""
    assert reason_to_hold(used("2000.00"), [other, invoice(30, "20")], 100) == ""
    assert reason_to_hold(used("2000.01"), [other, invoice(30, "20")], 100) != ""


def test_a_short_period_is_judged_as_a_day() -> None:
    """An hour's usage may come to what a hundred days usually cost, not to what a hundred hours do."""
    usual = [invoice(30, "20")]
    for amount, is_held in (("66.66", False), ("66.67", True)):
        hour = invoice(0, amount, kind="overage", days=0, state="draft")
        assert bool(reason_to_hold(hour, usual, 100)) == is_held


def test_the_reason_names_amount_and_times() -> None:
    assert reason_to_hold(used("5000"), [invoice(30, "20")], 100) == (
        "5000.00 USD for usage, 250 times what the account was usually billed for as long a time"
    )


def test_fees_and_what_comes_back_hold_nothing() -> None:
    assert reason_to_hold(invoice(0, "1000000", state="draft"), [invoice(30, "20")], 100) == ""
    assert reason_to_hold(used("-1000000"), [invoice(30, "20")], 100) == ""
    assert reason_to_hold(used("1000000"), [invoice(30, "20")], 0) == ""


def test_who_was_never_billed_for_anything_has_no_measure() -> None:
    assert reason_to_hold(used("1000000"), [], 1) == ""
    assert reason_to_hold(used("1000000"), [invoice(30, "0")], 1) == ""
