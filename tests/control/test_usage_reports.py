"""Use by account, meter and day, the accounts charged most, and how long balances last: to the unit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError

from .conftest import START

Name = Callable[[str], str]
DAY = timedelta(days=1)


@pytest.fixture
def used(db: Database, account: str, name: Name) -> str:
    """Three days of calls at 1 and tokens at 0.5, a direct debit, a correction, a reservation."""
    db.set_rate(table="use", meter="calls", credits="1")
    db.set_rate(table="use", meter="tokens", credits="0.5")
    db.assign_rate_table(account, "use", valid_from=START - DAY)
    db.create_grant(account, "credits", amount="100", grant_id="g")
    for day in range(3):
        db.advance_clock(account, START + day * DAY + timedelta(hours=12))
        db.record(account, "calls", quantity=2, event_id=f"c{day}")
        db.record(account, "tokens", quantity=10, event_id=f"t{day}", time=START + day * DAY)
    db.record(account, credit_type="credits", credits="1.5", event_id="d")
    # Dated yesterday, and told today; the correction counts on the day of its event.
    db.record(account, "calls", quantity=3, event_id="late", time=START + DAY)
    db.correct(account, "t1", quantity=4)
    with db.reserve(account, "calls", quantity=5) as hold:
        hold.settle(4)
    return account


def test_use_by_account_meter_and_day(db: Database, used: str) -> None:
    report = db.report_usage(account_prefix=used, since=START, until=START + 3 * DAY)
    assert report.next == 0
    rows = [(r.day, r.meter, r.events, r.quantity, r.charged) for r in report.rows]
    assert {r.account for r in report.rows} == {used}
    assert sorted(rows) == [
        ("2026-01-31", "calls", 1, Decimal(2), Decimal(2)),
        ("2026-01-31", "tokens", 1, Decimal(10), Decimal(5)),
        ("2026-02-01", "calls", 2, Decimal(5), Decimal(5)),
        ("2026-02-01", "tokens", 1, Decimal(4), Decimal(2)),
        ("2026-02-02", "", 1, Decimal(0), Decimal("1.5")),
        ("2026-02-02", "calls", 2, Decimal(6), Decimal(6)),
        ("2026-02-02", "tokens", 1, Decimal(10), Decimal(5)),
    ]
    charged = sum((r.charged for r in report.rows), Decimal(0))
    assert charged == 100 - db.balance(used, "credits").available


def test_a_span_is_half_open_and_pages_make_the_whole(db: Database, used: str) -> None:
    whole = db.report_usage(account_prefix=used, since=START, until=START + 3 * DAY).rows
    first = db.report_usage(account_prefix=used, since=START, until=START + DAY).rows
    assert [r for r in whole if r.day == "2026-01-31"] == list(first)
    paged, after = [], 0
    while True:
        page = db.report_usage(account_prefix=used, since=START, until=START + 3 * DAY, after=after, limit=2)
        paged += page.rows
        after = page.next
        if not after:
            break
    assert tuple(paged) == whole
    with pytest.raises(InvalidRequestError) as raised:
        db.report_usage(since=START, until=START)
    assert raised.value.field == "until"


def test_the_accounts_charged_most(db: Database, used: str, name: Name) -> None:
    small = f"{used}-small"
    db.create_account(small, rate_table="use", test_clock=START)
    db.create_grant(small, "credits", amount="100", grant_id="g")
    db.record(small, "calls", quantity=7, event_id="e")
    span = {"since": START, "until": START + 3 * DAY}
    rows = db.report_top_accounts(account_prefix=used, **span).rows  # type: ignore[arg-type]
    assert [(r.account, r.credit_type, r.charged) for r in rows] == [
        (used, "credits", Decimal("26.5")),
        (small, "credits", Decimal(7)),
    ]
    (most,) = db.report_top_accounts(account_prefix=used, limit=1, **span).rows  # type: ignore[arg-type]
    assert most.account == used


def test_how_long_a_balance_lasts(db: Database, used: str) -> None:
    """26.5 in 3 days leave 73.5: at 8.833333 a day for 8.3 days, rounded down."""
    (row,) = db.report_runway(account_prefix=used, days=3).rows
    assert (row.available, row.per_day, row.days) == (
        Decimal("73.5"),
        Decimal("8.833333"),
        Decimal("8.3"),
    )
    db.advance_clock(used, START + 90 * DAY)
    assert db.report_runway(account_prefix=used, days=3).rows == ()
    with pytest.raises(InvalidRequestError) as raised:
        db.report_runway(days=0)
    assert raised.value.field == "days"
