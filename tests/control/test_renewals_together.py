"""Billing periods of many accounts that end together: one batch, and each the same as alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import drawdown
import pytest
import sqlalchemy as sa
from drawdown.billing.invoice import Invoice
from drawdown.engine import Engine
from drawdown.payments import ScriptedProvider
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.job_batch import JobBatch
from drawdown.storage.sql import open_sql

from .conftest import SMALL, prepare
from .plans import published
from .test_invoices import lines, overage_plan

ACCOUNTS = tuple(f"account-{number}" for number in range(20))
# Questions about invoices: for all of them together, never for one alone.
QUESTIONS_MAX = 16
AHEAD_US = timedelta(days=32) // timedelta(microseconds=1)
ENGINE = {"segment_bytes": 1 << 20, "reserve_bytes": 0}


def renewed(folder: Path, db_url: str) -> tuple[ControlPlane, list[Invoice], int]:
    """The folder's control plane when the next period of every account is over, all invoices, and how often
    the database was asked for some."""
    asked = 0

    def count(*of: Any) -> None:
        nonlocal asked
        asked += "FROM invoice " in " ".join(of[2].split()) + " "

    with Engine.open(str(folder), ENGINE) as engine:
        plane = ControlPlane(engine, open_sql(db_url, str(folder)), provider=ScriptedProvider())
        plane.now_us = lambda: engine.now_us() + AHEAD_US
        sa.event.listen(sa.Engine, "before_cursor_execute", count)
        try:
            while plane.jobs.run_due(1_000):
                pass
            with plane.sql.transaction() as work:
                return plane, list(work.invoices.each()), asked
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", count)
            plane.close()


def test_accounts_with_overage_are_closed_in_their_batch(
    tmp_path: Path, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing reads the engine, behind grants of its lane: the lane waits, and no other is done again."""
    folder = tmp_path / "data"
    with drawdown.open(folder, db=db_url, **SMALL) as db:
        prepare(db)
        plan = published(db, "plan", **overage_plan("1"))
        for number, account in enumerate(ACCOUNTS):
            db.put_customer(account, payment_method="test_ok")
            db.create_account(account, customer_id=account)
            db.subscribe(account, plan.plan_id, subscription_id=account)
            used = db.record(account, credit_type="credits", credits=str(110 + number), event_id="past")
            assert used.status == "OK"

    def alone(_: Any, lane: str) -> None:
        raise AssertionError(f"the batch was given up, and {lane} done by itself")

    monkeypatch.setattr(JobBatch, "_run_alone", alone)
    plane, invoices, asked = renewed(folder, db_url)
    assert plane.jobs.failures == 0
    assert 0 < asked <= QUESTIONS_MAX < len(ACCOUNTS)
    for number, account in enumerate(ACCOUNTS):
        first, second = sorted(
            (each for each in invoices if each.account == account), key=lambda each: each.created_at
        )
        assert (first.state, second.state) == ("paid", "paid")
        assert lines(second) == {"base_fee": "20.00", "overage": f"{10 + number}.00"}
