"""The quick form of ``ten_years``: some zones, every anchor, more than a year."""

from __future__ import annotations

from pathlib import Path

import drawdown

from .conftest import SMALL, prepare
from .ten_years import cases, live, plan_of

# Half an hour of summer time, a day that a zone left out, +14, and changes of clocks at midnight.
SOME = (
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "America/Havana",
)
MONTHS = 14


def test_grants_and_expiries_line_up_in_every_zone(tmp_path: Path) -> None:
    with drawdown.open(tmp_path / "data", **SMALL) as db:
        prepare(db)
        plan_of(db)
        wrong = [each for case in cases(SOME) for each in live(db, case, MONTHS)]
    assert not wrong, "\n".join(wrong)
