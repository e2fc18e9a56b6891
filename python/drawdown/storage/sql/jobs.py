"""Durable jobs: due at an instant, in lanes, done exactly once in effect.

A lane's jobs run in order of ``due_at``, rank and row; a job that failed holds its lane until it
succeeds or is parked. ``due`` → ``done`` | ``parked``.
"""

from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.model.decision import Job
from drawdown.model.instants import instant_from_us
from drawdown.storage.sql.tables.flow import job
from drawdown.storage.sql.wakes import JOBS, Written

DUE: Final = "due"
DONE: Final = "done"
PARKED: Final = "parked"


# Built once: putting a statement together costs more than running it.
_KNOWN: Final = sa.select(job.c.row).where(job.c.key == sa.bindparam("job_key"))
_INSERT: Final = sa.insert(job)
_DONE: Final = sa.update(job).where(job.c.row == sa.bindparam("job_row")).values(state=DONE)
_NEXT_LOOK: Final = tuple(
    sa.select(sa.func.min(column)).where(
        job.c.clock == "", job.c.state == DUE, column > sa.bindparam("job_now")
    )
    for column in (job.c.due_at, job.c.not_before)
)
_STATE: Final = sa.select(job.c.state).where(job.c.row == sa.bindparam("job_row"))


class StoredJob(msgspec.Struct, frozen=True):
    """A job as it waits."""

    row: int
    key: str
    kind: str
    lane: str
    clock: str
    due_at: datetime
    attempts: int
    payload: dict[str, Any]


class Jobs:
    """Jobs of one transaction's view."""

    def __init__(self, connection: Connection, written: Written) -> None:
        self._connection = connection
        self._written = written

    def put(self, given: Job, *, clock: str, due_us: int) -> bool:
        """Put the job down; False where one of its key exists, whatever became of it."""
        if self._connection.execute(_KNOWN, {"job_key": given.key}).first() is not None:
            return False
        row = {
            "key": given.key,
            "kind": given.kind,
            "lane": given.lane,
            "clock": clock,
            "due_at": due_us,
            "rank": given.rank,
            "state": DUE,
            "attempts": 0,
            "not_before": 0,
            "failure": "",
            "body": msgspec.json.encode(given.payload).decode(),
        }
        self._connection.execute(_INSERT, row)
        if not clock:
            self._written.note(JOBS, due_us)
        return True

    def heads(
        self, clock: str, up_to_us: int, now_us: int, limit: int, lanes: tuple[str, ...] = ()
    ) -> list[StoredJob]:
        """The next job of each lane of a clock that is due at ``up_to_us``, earliest first."""
        earlier = job.alias("earlier")
        blocked = sa.exists().where(
            earlier.c.lane == job.c.lane,
            earlier.c.state == DUE,
            sa.tuple_(earlier.c.due_at, earlier.c.rank, earlier.c.row)
            < sa.tuple_(job.c.due_at, job.c.rank, job.c.row),
        )
        statement = (
            sa.select(
                job.c.row,
                job.c.key,
                job.c.kind,
                job.c.lane,
                job.c.clock,
                job.c.due_at,
                job.c.attempts,
                job.c.body,
            )
            .where(
                job.c.clock == clock,
                job.c.state == DUE,
                job.c.due_at <= up_to_us,
                job.c.not_before <= now_us,
                ~blocked,
            )
            .order_by(job.c.due_at, job.c.rank, job.c.row)
            .limit(limit)
        )
        if lanes:
            statement = statement.where(job.c.lane.in_(lanes))
        return [
            StoredJob(
                row, key, kind, lane, of_clock, instant_from_us(due), attempts, msgspec.json.decode(body)
            )
            for row, key, kind, lane, of_clock, due, attempts, body in self._connection.execute(statement)
        ]

    def clocks_of(self, lanes: tuple[str, ...]) -> list[str]:
        """Accounts with clocks of their own that have jobs waiting in these lanes."""
        rows = self._connection.execute(
            sa.select(job.c.clock)
            .where(job.c.lane.in_(lanes), job.c.state == DUE, job.c.clock != "")
            .distinct()
            .order_by(job.c.clock)
        )
        return [clock for (clock,) in rows]

    def is_due(self, row: int) -> bool:
        """Whether the job still waits."""
        found = self._connection.execute(_STATE, {"job_row": row}).scalar_one_or_none()
        return found == DUE

    def done(self, row: int) -> None:
        """The job has been carried out."""
        self._connection.execute(_DONE, {"job_row": row})

    def cancel(self, key: str) -> None:
        """A job that waits is not needed any more."""
        self._connection.execute(
            sa.update(job).where(job.c.key == key, job.c.state == DUE).values(state=DONE, failure="cancelled")
        )
        self._written.note(JOBS)

    def failed(self, row: int, *, failure: str, not_before_us: int, park: bool) -> None:
        """An attempt failed: again later, or not at all."""
        self._connection.execute(
            sa.update(job)
            .where(job.c.row == row)
            .values(
                attempts=job.c.attempts + 1,
                failure=failure[:1000],
                not_before=not_before_us,
                state=PARKED if park else DUE,
            )
        )
        self._written.note(JOBS, 0 if park else not_before_us)

    def next_due_us(self, clock: str) -> int | None:
        """When the earliest waiting job of a clock is due."""
        found = self._connection.execute(
            sa.select(sa.func.min(job.c.due_at)).where(job.c.clock == clock, job.c.state == DUE)
        ).scalar_one()
        return None if found is None else int(found)

    def next_look_us(self, now_us: int) -> int | None:
        """The next instant after ``now_us`` at which a job of the wall clock may be done that may not yet."""
        found = [self._connection.execute(each, {"job_now": now_us}).scalar_one() for each in _NEXT_LOOK]
        return min((int(each) for each in found if each is not None), default=None)

    def counts(self) -> dict[str, int]:
        """Jobs by state."""
        rows = self._connection.execute(sa.select(job.c.state, sa.func.count()).group_by(job.c.state))
        return {state: count for state, count in rows}
