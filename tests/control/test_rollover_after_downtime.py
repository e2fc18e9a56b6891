"""Credits that were to roll while nobody was there: they do at the next start, before breakage is booked."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
from dateutil.relativedelta import relativedelta
from drawdown.cli.server_process import ServerProcess

from .conftest import prepare
from .plans import published
from .waiting import wait_until

CREDITS = {
    "credit_type": "credits",
    "amount": "1000",
    "cadence": "monthly",
    "prices": [{"currency": "USD", "model": "per_unit", "amount": "0.01"}],
    "rollover": {"amount": "5000"},
}


def months_before(edge: datetime) -> datetime:
    """A beginning from which some whole months lead to ``edge``, also where it lies at a month's end."""
    found = (edge - relativedelta(months=months) for months in range(1, 49))
    return next(begun for begun in found if begun.day == edge.day)


def test_what_expired_during_a_downtime_rolls_before_it_is_breakage(tmp_path: Path) -> None:
    """400 are left; the period ends while the server is down, and with it the grace for late usage."""
    # The sweep of a start comes first by far, were it not held: it looks all the time.
    settings = {"payments": "test", "late_grace_s": "0", "sweep_interval_ms": "10"}
    with ServerProcess(tmp_path / "data", settings=settings) as process:
        with drawdown.connect(process.target) as db:
            prepare(db)
            db.put_customer("acme", payment_method="test_ok")
            db.create_account("acme", customer_id="acme")
            published(db, "plan", credits=CREDITS)
            # Not before all else is there: on a busy machine that may take as long.
            edge = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
            row = {
                "kind": "subscription",
                "subscription_id": "s",
                "account": "acme",
                "plan_id": "plan",
                "started_at": months_before(edge).isoformat(),
                "credits_left": "400",
            }
            assert db.import_opening([row]).applied
            (left,) = db.grants("acme")
            assert (left.amount, left.expires_at) == (Decimal(400), edge)
        process.kill()
        time.sleep(max(0.0, (edge - datetime.now(UTC)).total_seconds()) + 1)
        process.start()
        with drawdown.connect(process.target) as db:
            wait_until(lambda: db.balance("acme", "credits").available == Decimal(1400))
            (rolled,) = [each for each in db.grants("acme") if each.source == "rollover"]
            assert rolled.amount == Decimal(400)
            assert db.verify("acme")
