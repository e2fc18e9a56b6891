"""Ten simulated years of monthly plans, in sixty zones, anchored on the 28th to the 31st.

``python -m tests.control.ten_years FOLDER [MONTHS]`` runs all of them; ``test_ten_years.py`` some.

What is looked at is the engine's: every grant a subscription was ever given, as its account lists them.
"""

from __future__ import annotations

import sys
from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import drawdown
from drawdown.client.interface import Database

from tests.subscriptions.test_calendar import ZONES

from .conftest import SMALL, prepare
from .plans import published

DAYS = (28, 29, 30, 31)
# In January, at an hour that changes of clocks skip in some zones and repeat in others.
HOUR, MINUTE = 2, 30
CREDITS = Decimal(100)


class Case(NamedTuple):
    """One subscription."""

    zone: str
    day: int

    @property
    def account(self) -> str:
        return f"{self.zone}:{self.day}"

    @property
    def start(self) -> datetime:
        """The first instant, UTC."""
        return datetime(2024, 1, self.day, HOUR, MINUTE, tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def local_day(self, month: int) -> tuple[int, int, int]:
        """Year, month and day of the customer's calendar on which month ``month`` begins."""
        year, of_year = 2024 + month // 12, month % 12 + 1
        return year, of_year, min(self.day, monthrange(year, of_year)[1])


def cases(zones: Sequence[str] = ZONES) -> Iterator[Case]:
    for zone in zones:
        for day in DAYS:
            yield Case(zone, day)


def plan_of(db: Database) -> str:
    """Monthly, 100 credits that live for the month."""
    return published(db, "ten-years", credits=str(CREDITS), type="free", base_fee=[]).plan_id


def live(db: Database, case: Case, months: int) -> list[str]:
    """The subscription over so many months; answers what does not line up."""
    customer = f"customer:{case.account}"
    db.put_customer(customer, time_zone=case.zone)
    db.create_account(case.account, customer_id=customer, test_clock=case.start)
    db.subscribe(case.account, "ten-years", subscription_id=case.account)
    edges = [case.start]
    wrong: list[str] = []
    for month in range(1, months + 1):
        end = db.subscription(case.account).billing.edge(month)
        db.advance_clock(case.account, end)
        edges.append(end)
        wrong += _month(db, case, month, edges)
    wrong += _grants(db, case, edges)
    if not db.verify(case.account):
        wrong.append("the account's figures do not add up")
    return [f"{case.account}: {each}" for each in wrong]


def _month(db: Database, case: Case, month: int, edges: list[datetime]) -> list[str]:
    """In the instant of renewal the old grant is gone, the new one there, and no other."""
    wrong = []
    local = edges[-1].astimezone(ZoneInfo(case.zone))
    if (local.year, local.month, local.day) != case.local_day(month):
        wrong.append(f"month {month} begins on {local}, not on {case.local_day(month)}")
    available = db.balance(case.account, "credits").available
    if available != CREDITS:
        wrong.append(f"month {month} begins with {available} credits")
    valid = [each for each in db.grants(case.account) if each.state == "active"]
    if [(each.effective_at, each.amount) for each in valid] != [(edges[-1], CREDITS)]:
        wrong.append(f"month {month} has the grants {[each.grant_id for each in valid]}")
    return wrong


def _grants(db: Database, case: Case, edges: list[datetime]) -> list[str]:
    """All grants ever: each ends where the next begins, on the edges of the periods."""
    given = sorted(
        (entry.facts["effective_at"], entry.facts["expires_at"])
        for entry in db.ledger(case.account)
        if entry.kind == "granted"
    )
    wrong = []
    if [begin for begin, _ in given] != edges:
        wrong.append(f"{len(given)} grants begin elsewhere than the {len(edges)} periods")
    for (_, ends), (begins, _) in pairwise(given):
        if ends != begins:
            wrong.append(f"a grant ends at {ends}, the next begins at {begins}")
    return wrong


def main(folder: Path, months: int = 120) -> int:
    """Everything; answers the exit code."""
    seen = 0
    wrong: list[str] = []
    with drawdown.open(folder, **SMALL) as db:
        prepare(db)
        plan_of(db)
        for case in cases():
            wrong += live(db, case, months)
            seen += 1
            if seen % 20 == 0:
                print(f"{seen} subscriptions over {months} months, {len(wrong)} things wrong", flush=True)
    print(
        "\n".join(wrong) or f"{seen} subscriptions × {months} months: every edge, grant and expiry lines up"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
