"""Money adds up: whatever is used, an invoice's lines are the ledger × the rates, to the unit."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.model.currencies import decimals_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .conftest import SMALL, START, prepare
from .plans import published

EDGES = (
    datetime(2026, 2, 28, tzinfo=UTC),
    datetime(2026, 3, 31, tzinfo=UTC),
    datetime(2026, 4, 30, tzinfo=UTC),
)
GRACE = timedelta(hours=1, minutes=5)
TAX = Fraction(19, 100)
PER_TOKEN = Decimal("0.003")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("adds-up") / "data"
    with drawdown.open(folder, **SMALL, tax_rates="DE 19 VAT") as opened:
        prepare(opened)
        yield opened


amounts = st.decimals(min_value="0.01", max_value="400", places=2)
uses = st.lists(
    st.one_of(
        st.tuples(st.just("tokens"), st.integers(0, 90_000)),
        st.tuples(st.just("direct"), st.decimals(min_value="0", max_value="300", places=9)),
        st.tuples(st.just("correct"), st.integers(0, 50_000)),
    ),
    max_size=8,
)
stories = st.fixed_dictionaries(
    {
        "currency": st.sampled_from(["EUR", "JPY", "KWD"]),
        "fee": amounts,
        "price": st.decimals(min_value="0.0001", max_value="2", places=4),
        "floor": st.none() | amounts,
        "gift": st.none() | amounts,
        "taxed": st.booleans(),
        "months": st.lists(uses, min_size=1, max_size=3),
    }
)


def rounded(amount: Decimal | Fraction, currency: str) -> Decimal:
    """To the currency's smallest unit, half-even, once."""
    exact = Fraction(amount) * 10 ** decimals_of(currency)
    whole, rest = divmod(exact, 1)
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1)
    return Decimal(int(whole) + up).scaleb(-decimals_of(currency))


def cut(amount: Decimal, currency: str) -> str:
    """An amount that the currency can say."""
    return str(amount.quantize(Decimal(1).scaleb(-min(2, decimals_of(currency))), ROUND_HALF_EVEN))


def past_zero(db: Database, account: str, month_of: dict[str, int]) -> Counter[int]:
    """By the ledger alone, per month of the event: what usage and its corrections came to, less what grants
    paid of it."""
    found: Counter[int] = Counter()
    for entry in db.ledger(account):
        if entry.kind in ("usage", "corrected"):
            assert entry.event_id is not None
            uncovered = (entry.charged or Decimal(0)) - sum(amount for _, amount in entry.draws)
            found[month_of[entry.event_id]] += uncovered  # type: ignore[assignment]
    return found


def live(
    db: Database,
    account: str,
    use: list[tuple[str, Any]],
    applied: list[str],
    month_of: dict[str, int],
    month: int,
) -> None:
    for kind, amount in use:
        event_id = f"e{next(_numbers)}"
        month_of[event_id] = month
        if kind == "tokens":
            if db.record(account, "tokens", quantity=amount, event_id=event_id):
                applied.append(event_id)
        elif kind == "direct":
            db.record(account, credit_type="credits", credits=amount, event_id=event_id)
        elif applied:
            db.correct(account, applied[-1], quantity=amount, correction_id=event_id)


@given(story=stories)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # A story is a second of work: what fails is told as it was found.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
def test_lines_are_ledger_times_rates(db: Database, story: dict[str, Any]) -> None:
    currency, number = story["currency"], next(_numbers)
    account = f"story-{number}"
    fee, price = cut(story["fee"], currency), story["price"]
    floor = None if story["floor"] is None else cut(story["floor"], currency)
    gift = None if story["gift"] is None else Decimal(cut(story["gift"], currency))
    db.put_customer(
        account, currency=currency, payment_method="test_ok", country="DE" if story["taxed"] else ""
    )
    db.create_account(account, customer_id=account, test_clock=START)
    published(
        db,
        f"plan-{number}",
        base_fee=[{"currency": currency, "amount": fee}],
        credits="100",
        overage={"prices": [{"currency": currency, "model": "per_unit", "amount": str(price)}]},
        at_zero={"kind": "overage"},
        minimum_spend=[] if floor is None else [{"currency": currency, "amount": floor}],
        rates=[{"meter": "tokens", "credits": str(PER_TOKEN)}],
    )
    db.subscribe(account, f"plan-{number}", subscription_id=account)
    if gift:
        db.create_invoice_credit(account, f"gift-{number}", amount=gift, currency=currency, name="Gift")

    def owed(credits: Decimal) -> tuple[Decimal, Decimal]:
        """Of a month with so many credits past zero: their price, and the true-up to the floor."""
        charge = rounded(credits * price, currency)
        return charge, max(Decimal(0), Decimal(floor or 0) - Decimal(fee) - charge)

    left, applied = gift or Decimal(0), list[str]()
    month_of: dict[str, int] = {}
    billed: Counter[int] = Counter()
    for month, (use, edge) in enumerate(zip(story["months"], EDGES, strict=False)):
        live(db, account, use, applied, month_of, month)
        db.advance_clock(account, edge + GRACE)
        invoice = db.invoices(account)[-1]
        over = past_zero(db, account, month_of)
        lines: Counter[str] = Counter()
        for line in invoice.lines:
            lines[line.kind] += line.amount.decimal()  # type: ignore[assignment]
        overage, true_up = owed(Decimal(over[month]))
        late = [sum(owed(Decimal(over[each]))) - sum(owed(Decimal(billed[each]))) for each in range(month)]
        expected = {
            "base_fee": Decimal(fee),
            "overage": overage,
            "minimum_spend": true_up,
            "adjustment": sum(late, Decimal(0)),
        }
        billed = over
        assert {kind: amount for kind, amount in lines.items() if amount} == {
            kind: amount for kind, amount in expected.items() if amount
        }
        gross = sum(expected.values(), Decimal(0))
        off = min(left, max(gross, Decimal(0)))
        left -= off
        tax = rounded(Fraction(gross - off) * TAX, currency) if story["taxed"] else Decimal(0)
        totals = invoice.totals
        assert totals is not None
        assert (totals.gross.decimal(), totals.credited.decimal(), totals.tax.decimal()) == (gross, off, tax)
        assert totals.due + totals.balance_used == totals.total
        assert totals.total.decimal() == gross - off + tax
    assert db.verify(account)
