"""Invoice credits, line by line: scope, order, caps, and what stays on the credit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from drawdown.billing.invoice import InvoiceLine
from drawdown.billing.invoice_credit import (
    CreditScope,
    InvoiceCredit,
    apply_credits,
    check_invoice_credit,
    voided,
    with_applied,
)
from drawdown.billing.totals import NoTax, RateByCountry, totals_of
from drawdown.errors import InvalidRequestError
from drawdown.model.money import Money, money_from
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)


def eur(amount: str | int) -> Money:
    return money_from(amount, "EUR")


def line(name: str, amount: str | int, kind: str = "overage") -> InvoiceLine:
    return InvoiceLine(line_id=name, kind=kind, description=name, amount=eur(amount), reference=name)


def credit(credit_id: str, units: str | int, /, **changes: Any) -> InvoiceCredit:
    return InvoiceCredit(
        **{
            "credit_id": credit_id,
            "account": "acme",
            "name": credit_id or "nameless",
            "amount": eur(units),
            "created_at": AT - timedelta(days=9),
            **changes,
        }
    )


def paid(lines: list[InvoiceLine], *credits: InvoiceCredit) -> dict[tuple[str, str], str]:
    found = apply_credits(lines, credits, AT)
    return {(each.credit_id, each.line_id): str(each.amount.decimal()) for each in found}


def test_the_worked_examples() -> None:
    """100 in lines, 50 on certain meters: 50 due; matching lines of 30: 30 applied, 20 left."""
    scope = CreditScope(lines=("tokens", "images"))
    lines = [line("tokens", 40), line("images", 20), line("seats", 40, "base_fee")]
    found = apply_credits(lines, [credit("c", 50, scope=scope)], AT)
    assert totals_of(lines, found, currency="EUR", rule=NoTax()).due == eur(50)
    few = [line("tokens", 30), line("seats", 70, "base_fee")]
    held = credit("c", 50, scope=scope)
    applied = apply_credits(few, [held], AT)
    assert totals_of(few, applied, currency="EUR", rule=NoTax()).due == eur(70)
    assert with_applied(held, applied).remaining == eur(20)


def test_priority_then_expiry_then_creation() -> None:
    lines = [line("tokens", 10)]
    soon, late = AT + timedelta(days=1), AT + timedelta(days=2)
    assert paid(lines, credit("b", 10, priority=2), credit("a", 10, priority=1)) == {("a", "tokens"): "10.00"}
    assert paid(lines, credit("never", 10), credit("late", 10, expires_at=late)) == {
        ("late", "tokens"): "10.00"
    }
    assert paid(lines, credit("late", 10, expires_at=late), credit("soon", 10, expires_at=soon)) == {
        ("soon", "tokens"): "10.00"
    }
    older = credit("z", 10, created_at=AT - timedelta(days=10))
    assert paid(lines, credit("a", 10), older) == {("z", "tokens"): "10.00"}


def test_the_next_credit_begins_where_the_first_is_exhausted() -> None:
    lines = [line("tokens", 10), line("images", 10)]
    assert paid(lines, credit("a", 15, priority=1), credit("b", 15, priority=2)) == {
        ("a", "tokens"): "10.00",
        ("a", "images"): "5.00",
        ("b", "images"): "5.00",
    }


@pytest.mark.parametrize(
    ("classes", "reached"),
    [
        (("fixed_fees",), {"fee"}),
        (("usage_meters",), {"tokens"}),
        (("add_ons",), {"pack"}),
        (("licences",), {"seats"}),
        (("fixed_fees", "add_ons"), {"fee", "pack"}),
        ((), {"fee", "tokens", "pack", "seats", "true-up"}),
    ],
)
def test_scopes(classes: tuple[str, ...], reached: set[str]) -> None:
    lines = [
        line("fee", 1, "base_fee"),
        line("tokens", 1, "overage"),
        line("pack", 1, "pack"),
        line("seats", 1, "credits"),
        line("true-up", 1, "minimum_spend"),
    ]
    found = paid(lines, credit("c", 100, scope=CreditScope(classes=classes)))
    assert {name for _, name in found} == reached


def test_lines_below_zero_lower_what_a_credit_for_them_takes() -> None:
    """Of a fee of 20 with 30 given back nothing is left to pay; with 15 given back 5 are, whoever pays."""
    fees = CreditScope(classes=("fixed_fees",))
    fee, usage = line("fee", 20, "base_fee"), line("tokens", 100)
    assert paid([fee, line("unused", -30, "proration"), usage], credit("c", 50, scope=fees)) == {}
    lines = [fee, line("unused", -15, "proration"), usage]
    first, second = credit("a", 3, scope=fees), credit("b", 50, scope=fees)
    assert paid(lines, first, second) == {("a", "fee"): "3.00", ("b", "fee"): "2.00"}
    # Given back of the fee, and not of what was used.
    meters = CreditScope(classes=("usage_meters",))
    assert paid(lines, credit("c", 100, scope=meters)) == {("c", "tokens"): "100.00"}


def test_validity_is_judged_at_the_periods_last_instant() -> None:
    lines = [line("tokens", 10)]
    assert paid(lines, credit("c", 5, expires_at=AT)) == {}
    assert paid(lines, credit("c", 5, expires_at=AT + timedelta(microseconds=1)))
    gone = voided(credit("c", 5, applied=eur(2)), AT)
    assert (gone.forfeited, gone.applied, gone.remaining) == (eur(3), eur(2), eur(0))
    assert voided(gone, AT + timedelta(days=1)) == gone
    assert paid(lines, gone) == {}


@given(
    amounts=st.lists(st.integers(-500, 2_000), min_size=1, max_size=6),
    credits=st.lists(st.tuples(st.integers(1, 3_000), st.integers(1, 3), st.booleans()), max_size=5),
)
def test_no_line_and_no_invoice_goes_below_zero(
    amounts: list[int], credits: list[tuple[int, int, bool]]
) -> None:
    kinds = ("overage", "base_fee", "pack")
    lines = [
        InvoiceLine(line_id=str(n), kind=kinds[n % 3], description="", amount=Money(minor, "EUR"))
        for n, minor in enumerate(amounts)
    ]
    made = [
        credit(
            f"c{n}",
            1,
            amount=Money(minor, "EUR"),
            priority=rank,
            scope=CreditScope(classes=("usage_meters",) if scoped else ()),
        )
        for n, (minor, rank, scoped) in enumerate(credits)
    ]
    found = apply_credits(lines, made, AT)
    for each in lines:
        taken = sum(a.amount.minor for a in found if a.line_id == each.line_id)
        assert 0 <= taken <= max(0, each.amount.minor)
    # Nor do the lines that a scoped credit matches, taken together, where only such credits were applied.
    meters = [each for each in lines if each.kind == "overage"]
    if all(scoped for _, _, scoped in credits) and found:
        assert sum(each.amount.minor for each in meters) >= sum(each.amount.minor for each in found)
    for each_credit in made:
        assert with_applied(each_credit, found).remaining.minor >= 0
    totals = totals_of(lines, found, currency="EUR", rule=NoTax())
    assert totals.total.minor >= min(0, sum(amounts))
    assert totals.gross - totals.credited == totals.subtotal
    # What is left on a credit for the whole invoice means that nothing was left to pay.
    if any(c.scope.is_whole_invoice and with_applied(c, found).remaining for c in made):
        assert totals.total.minor <= 0


def test_tax_balance_and_due() -> None:
    lines = [line("tokens", "100"), line("fee", "19.99", "base_fee")]
    rule = RateByCountry({"DE": ("VAT", Fraction(19, 100))}, home="DE")
    found = totals_of(lines, [], currency="EUR", rule=rule, country="DE", balance=eur(50))
    assert (found.tax, found.total, found.balance_used, found.due) == (
        eur("22.80"),
        eur("142.79"),
        eur(50),
        eur("92.79"),
    )
    assert found.taxes[0].rate == "19 %"
    rich = totals_of(lines, [], currency="EUR", rule=NoTax(), balance=eur(500))
    assert (rich.balance_used, rich.due) == (eur("119.99"), eur(0))
    assert totals_of(lines, [], currency="EUR", rule=rule, country="FR").tax == eur(0)
    abroad = RateByCountry({"FR": ("TVA", Fraction(1, 5))}, home="DE")
    assert totals_of(lines, [], currency="EUR", rule=abroad, country="FR", tax_id="FR1").tax == eur(0)
    owed_to_them = [line("adjustment", "-5", "adjustment")]
    assert totals_of(owed_to_them, [], currency="EUR", rule=NoTax(), balance=eur(9)).due == eur(-5)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": eur(0)}, "amount"),
        ({"amount": eur(-1)}, "amount"),
        ({"name": ""}, "name"),
        ({"priority": 0}, "priority"),
        ({"priority": 101}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"scope": CreditScope(classes=("all",))}, "scope.classes"),
        ({"paid": money_from(1, "USD")}, "paid"),
        ({"credit_id": ""}, "credit_id"),
    ],
)
def test_bad_credits_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        check_invoice_credit(credit("c", 1, **changes))
    assert raised.value.field == field
