"""What is looked for again and again is found by an index, beside any number of rows that are over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from drawdown.model.instants import instant_from_us
from drawdown.storage.sql import SqlDatabase, open_sql
from drawdown.storage.sql.finished import Finished
from drawdown.storage.sql.tables.flow import job, outbox
from drawdown.storage.sql.tables.notices import webhook_delivery

NOW = 1_800_000_000_000_000
OVER, OPEN = 12_000, 60


def job_row(number: int, state: str) -> dict[str, Any]:
    tried = number % 7 == 0
    return {
        "key": f"{state}:{number}",
        "kind": "subscription.period",
        "lane": f"account:{number % 3_000}",
        "clock": "" if number % 4 else f"clock-{number % 20}",
        "due_at": NOW - 1_000 + number % 2_000,
        "rank": 50,
        "state": state,
        "attempts": int(tried),
        "not_before": NOW + number if tried else 0,
        "failure": "",
        "finished_at": NOW - number * 1_000 if state == "done" else None,
        "body": "{}",
    }


def delivery_row(number: int, state: str) -> dict[str, Any]:
    return {
        "endpoint_id": f"hook-{number % 5}",
        "notice_id": f"notice-{state}-{number}",
        "state": state,
        "next_attempt_at": NOW - 1_000 + number % 2_000,
        "body": '{"endpoint_id":"h","notice_id":"n","account":"a","kind":"k","next_attempt_at":'
        '"2026-01-01T00:00:00Z"}',
    }


def group_row(number: int, state: str) -> dict[str, Any]:
    seq, at_us = (number, NOW - 1 - number) if state == "done" else (None, None)
    return {"account": "a", "commands": "[]", "state": state, "seq": seq, "delivered_at": at_us}


@pytest.fixture
def sql(tmp_path: Path, db_url: str) -> Iterator[SqlDatabase]:
    """Much that is over, a little that is open, and statistics of it."""
    opened = open_sql(db_url, str(tmp_path))
    with opened.transaction() as work:
        for table, row, over, waits in (
            (job, job_row, "done", "due"),
            (webhook_delivery, delivery_row, "delivered", "pending"),
            (outbox, group_row, "done", "waiting"),
        ):
            work.connection.execute(sa.insert(table), [row(number, over) for number in range(OVER)])
            work.connection.execute(sa.insert(table), [row(number, waits) for number in range(OPEN)])
        work.connection.exec_driver_sql("ANALYZE")
    yield opened
    opened.close()


def asked(work: Any) -> None:
    """What scheduler, deliverers, webhooks, metrics and clean-up ask."""
    at = instant_from_us(NOW)
    assert work.jobs.heads("", NOW, NOW, 128)
    assert work.jobs.heads("clock-4", NOW + 10**9, 2**62, 1)
    assert work.jobs.heads("", NOW, NOW, 100, ("account:1", "account:2"))
    assert work.jobs.clocks_of(("account:4", "account:8"))
    assert work.jobs.next_look_us(NOW) is not None
    assert work.jobs.counts() == {"due": OPEN, "parked": 0}
    assert len(work.outbox.waiting(1_024)) == OPEN
    assert work.webhooks.endpoints_due(at)
    assert work.webhooks.first_due("hook-2", at) is not None
    assert work.webhooks.next_attempt_us(at - timedelta(seconds=1)) is not None
    finished = Finished(work.connection, work.series)
    assert finished.forget_jobs(NOW, 10) == finished.forget_deliveries(NOW, 10) == 10
    assert finished.forget_commands(NOW, 10) == 10


def test_no_look_goes_through_what_is_over(sql: SqlDatabase) -> None:
    """The plan of every statement, as the database explains it."""
    seen: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        if not many and statement.lstrip().upper().startswith(("SELECT", "DELETE")):
            seen.append((statement, parameters))

    with sql.transaction() as work:
        engine = work.connection.engine
        sa.event.listen(engine, "before_cursor_execute", note)
        asked(work)
        sa.event.remove(engine, "before_cursor_execute", note)
        explain = "EXPLAIN QUERY PLAN" if sql.dialect == "sqlite" else "EXPLAIN"
        plans = {
            statement: [
                str(row[-1]).strip().removeprefix("->").lstrip()
                for row in work.connection.exec_driver_sql(f"{explain} {statement}", parameters)
            ]
            for statement, parameters in seen
        }
    assert len(plans) > 14
    for statement, plan in plans.items():
        for line in plan:
            through_all = line.startswith(("SCAN", "Seq Scan")) and "INDEX" not in line
            # From the front on, so many rows; and a table of a handful of rows.
            is_short = ("SCAN outbox" in line and "LIMIT" in statement) or " cursor" in line
            assert not through_all or is_short, f"{statement}\n" + "\n".join(plan)
    used = "\n".join(line for plan in plans.values() for line in plan)
    for index in (
        "ix_job_due_clock",
        "ix_job_due_lane",
        "ix_job_tried",
        "ix_job_done",
        "ix_outbox_waiting",
        "ix_webhook_delivery_due",
        "ix_webhook_delivery_due_endpoint",
        "ix_webhook_delivery_delivered",
    ):
        assert index in used, f"{index} is of no use:\n{used}"
