"""Jobs: one by one in a lane, many lanes in one transaction, a failing one alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from drawdown.client.interface import Database
from drawdown.errors import UnavailableError
from drawdown.model.decision import Job
from drawdown.model.instants import instant_from_us, now_us
from drawdown.runtime.control.registry import JOBS, carries_out

Name = Callable[[str], str]


def test_a_failing_job_takes_nothing_of_its_batch_along(embedded: Any, name: Name) -> None:
    """Three lanes: two are done, the failing one is undone, holds its lane, and is tried again later."""
    plane = embedded._control_plane()
    seen: list[str] = []
    kind = name("kind")

    @carries_out(kind)
    def work(step: Any, job: Any, _: object) -> None:
        step.decision.notice("subscription.renewed", job.key, key=job.key)
        if job.payload["fails"]:
            raise UnavailableError("not now")
        seen.append(job.key)

    due = instant_from_us(now_us()) - timedelta(seconds=1)
    try:
        with plane.sql.transaction() as transaction:
            for number, fails in enumerate((False, True, False)):
                for turn in range(2):
                    key = f"{name('job')}-{number}-{turn}"
                    job = Job(
                        kind=kind,
                        key=key,
                        lane=f"{name('lane')}-{number}",
                        account="",
                        due_at=due,
                        payload={"fails": fails},
                    )
                    transaction.jobs.put(job, clock="", due_us=now_us() - 1_000_000 + turn)
        for _ in range(4):
            plane.jobs.run_due(100)
        expected = [f"{name('job')}-{number}-{turn}" for turn in range(2) for number in (0, 2)]
        assert sorted(seen) == sorted(expected)
        with plane.sql.transaction() as transaction:
            heads = transaction.jobs.heads("", now_us(), now_us() + 10**12, 100)
        waiting = [each for each in heads if each.kind == kind]
        assert [(each.key, each.attempts) for each in waiting] == [(f"{name('job')}-1-0", 1)]
    finally:
        del JOBS[kind]
        with plane.sql.transaction() as transaction:
            for turn in range(2):
                transaction.jobs.cancel(f"{name('job')}-1-{turn}", now_us())


def test_a_job_of_real_time_runs_by_itself(embedded: Database, name: Name) -> None:
    """A job of the wall clock runs without anybody asking for it."""
    plane = embedded._control_plane()  # type: ignore[attr-defined]
    before = plane.jobs.done
    kind = name("tick")
    done: list[str] = []

    @carries_out(kind)
    def work(step: Any, job: Any, _: object) -> None:
        done.append(job.key)

    try:
        with plane.sql.transaction() as transaction:
            due = instant_from_us(now_us())
            job = Job(kind=kind, key=name("tick"), lane=name("tick"), account="", due_at=due)
            transaction.jobs.put(job, clock="", due_us=now_us())
        end = time.monotonic() + 20
        while not done and time.monotonic() < end:
            time.sleep(0.05)
        assert done == [name("tick")] and plane.jobs.done > before
    finally:
        del JOBS[kind]
