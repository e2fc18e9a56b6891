"""``runway``: told once when a balance lasts for less time than was set, again after it lasted longer."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import drawdown
from drawdown.notices.requests import FeedNotice

from .conftest import SMALL, START
from .waiting import wait_until


def test_a_short_runway_is_told_once_each_time(tmp_path: Path, db_url: str) -> None:
    """70 used in a week is 10 a day: 30 left last for 3 days, and 5 were set."""
    settings = SMALL | {"db": db_url, "runway_days": 5, "runway_interval_s": 1}

    def told() -> list[FeedNotice]:
        return list(db.notices("acme", kinds=["runway"]).notices)

    with drawdown.open(tmp_path / "data", **settings) as db:
        db.create_credit_type("credits")
        db.create_account("acme", test_clock=START)
        db.create_grant("acme", "credits", amount="120", grant_id="g")
        db.record("acme", credit_type="credits", credits="70", event_id="week")
        db.notices()
        time.sleep(1.5)
        assert told() == [], "50 last for exactly five days"
        db.record("acme", credit_type="credits", credits="20", event_id="more")
        wait_until(told, 20)
        (notice,) = told()
        # 90 in a week: 30 last for 2.3 days.
        assert notice.data == {
            "credit_type": "credits",
            "available": "30",
            "per_day": "12.857143",
            "days": "2.3",
        }
        time.sleep(1.5)
        assert len(told()) == 1
    with drawdown.open(tmp_path / "data", **settings) as db:
        time.sleep(1.5)
        assert len(told()) == 1, "a restart tells nothing again"
        db.create_grant("acme", "credits", amount="500", grant_id="more")
        time.sleep(1.5)
        db.advance_clock("acme", START + timedelta(days=6))
        db.record("acme", credit_type="credits", credits="500", event_id="burst")
        wait_until(lambda: len(told()) == 2, 20)
