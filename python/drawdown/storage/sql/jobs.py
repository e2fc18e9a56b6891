"""Durable jobs: due at an instant, in lanes, done exactly once in effect.

A lane's jobs run in order of ``due_at``, rank and row; a job that failed holds its lane until it
succeeds, is parked or steps aside into another. ``due`` → ``done`` | ``parked``.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from drawdown.model.decision import Job
from drawdown.model.instants import instant_from_us
from drawdown.storage.sql.bulk import write_many
from drawdown.storage.sql.metadata import is_in
from drawdown.storage.sql.pending import Pending
from drawdown.storage.sql.stored_keys import stored_key
from drawdown.storage.sql.tables.flow import job
from drawdown.storage.sql.wakes import JOBS, Written

DUE: Final = "due"
DONE: Final = "done"
PARKED: Final = "parked"


# Built once: putting a statement together costs more than running it.
_KNOWN: Final = sa.select(job.c.key).where(job.c.key.in_(sa.bindparam("wanted", expanding=True)))
_INSERT: Final = sa.insert(job)
_DONE: Final = (
    sa.update(job)
    .where(job.c.row == sa.bindparam("job_row"))
    .values(state=sa.bindparam("to_state"), finished_at=sa.bindparam("at_us"))
)
_IS_DUE: Final = is_in(job.c.state, DUE)
_NEXT_LOOK: Final = sa.select(sa.func.min(job.c.due_at)).where(
    job.c.clock == "", _IS_DUE, job.c.due_at > sa.bindparam("job_now")
)
_NEXT_LOOK_AT_TRIED: Final = sa.select(sa.func.min(job.c.not_before)).where(
    job.c.clock == "",
    _IS_DUE,
    job.c.not_before > sa.literal_column("0"),
    job.c.not_before > sa.bindparam("job_now"),
)
_STILL_DUE: Final = sa.select(job.c.row).where(
    job.c.row.in_(sa.bindparam("wanted", expanding=True)), job.c.state == DUE
)
_COUNT: Final = sa.select(sa.func.count()).select_from(job)


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


class PlacedJob(msgspec.Struct, frozen=True):
    """A job to put down: whose clock it waits for, and until when."""

    job: Job
    clock: str
    due_us: int


def _heads_statement(among_lanes: bool) -> sa.Select[Any]:
    earlier = job.alias("earlier")
    blocked = sa.exists().where(
        earlier.c.lane == job.c.lane,
        is_in(earlier.c.state, DUE),
        sa.tuple_(earlier.c.due_at, earlier.c.rank, earlier.c.row)
        < sa.tuple_(job.c.due_at, job.c.rank, job.c.row),
    )
    columns = (job.c.row, job.c.key, job.c.kind, job.c.lane, job.c.clock, job.c.due_at, job.c.attempts)
    statement = (
        sa.select(*columns, job.c.body)
        .where(
            job.c.clock == sa.bindparam("of_clock"),
            _IS_DUE,
            job.c.due_at <= sa.bindparam("up_to"),
            job.c.not_before <= sa.bindparam("now"),
            ~blocked,
        )
        .order_by(job.c.due_at, job.c.rank, job.c.row)
        .limit(sa.bindparam("at_most"))
    )
    if among_lanes:
        statement = statement.where(job.c.lane.in_(sa.bindparam("lanes", expanding=True)))
    return statement


_HEADS: Final = _heads_statement(among_lanes=False)
_HEADS_OF_LANES: Final = _heads_statement(among_lanes=True)


class Jobs:
    """Jobs of one transaction's view."""

    def __init__(self, connection: Connection, pending: Pending, written: Written) -> None:
        self._connection = connection
        self._pending = pending
        self._written = written
        self._put: dict[str, dict[str, Any]] = {}
        self._done: list[dict[str, Any]] = []

    def put(self, given: Job, *, clock: str, due_us: int) -> bool:
        """Put the job down; False where one of its key exists, whatever became of it."""
        return self.put_many((PlacedJob(given, clock, due_us),)) == 1

    def put_many(self, given: Sequence[PlacedJob]) -> int:
        """Put jobs down, in this order; those whose key exists stay as they are. Answers how many are new."""
        if not given:
            return 0
        rows = [_row_of(each) for each in given]
        keys = [row["key"] for row in rows]
        known = {key for (key,) in self._connection.execute(_KNOWN, {"wanted": keys})}
        before = len(self._put)
        for each, row in zip(given, rows, strict=True):
            if row["key"] not in known:
                self._put.setdefault(row["key"], row)
                if not each.clock:
                    self._written.note(JOBS, each.due_us)
        return len(self._put) - before

    def done(self, rows: Iterable[int], at_us: int) -> None:
        """These jobs have been carried out."""
        self._done += [{"job_row": row, "to_state": DONE, "at_us": at_us} for row in rows]

    def write_out(self) -> None:
        """What was put down and done is in the database, though not committed."""
        if self._put:
            write_many(self._connection, _INSERT, list(self._put.values()))
            self._put.clear()
            self._pending.wrote()
        if self._done:
            write_many(self._connection, _DONE, self._done)
            self._done.clear()
            self._pending.wrote()

    def heads(
        self, clock: str, up_to_us: int, now_us: int, limit: int, lanes: Sequence[str] = ()
    ) -> list[StoredJob]:
        """The next job of each lane of a clock that is due at ``up_to_us``, earliest first."""
        self.write_out()
        bound: dict[str, Any] = {"of_clock": clock, "up_to": up_to_us, "now": now_us, "at_most": limit}
        if lanes:
            found = self._connection.execute(_HEADS_OF_LANES, {**bound, "lanes": list(lanes)})
        else:
            found = self._connection.execute(_HEADS, bound)
        return [
            StoredJob(
                row, key, kind, lane, of_clock, instant_from_us(due), attempts, msgspec.json.decode(body)
            )
            for row, key, kind, lane, of_clock, due, attempts, body in found
        ]

    def clocks_of(self, lanes: Sequence[str]) -> list[str]:
        """Accounts with clocks of their own that have jobs waiting in these lanes."""
        self.write_out()
        rows = self._connection.execute(
            sa.select(job.c.clock)
            .where(job.c.lane.in_(lanes), _IS_DUE, job.c.clock != "")
            .distinct()
            .order_by(job.c.clock)
        )
        return [clock for (clock,) in rows]

    def still_due(self, rows: Sequence[int]) -> set[int]:
        """Which of these jobs still wait."""
        self.write_out()
        return {row for (row,) in self._connection.execute(_STILL_DUE, {"wanted": list(rows)})}

    def is_due(self, key: str) -> bool:
        """Whether a job of this key still waits."""
        self.write_out()
        waits = sa.select(job.c.row).where(job.c.key == stored_key(key), job.c.state == DUE)
        return self._connection.execute(waits).first() is not None

    def cancel(self, key: str, at_us: int) -> None:
        """A job that waits is not needed any more."""
        self.write_out()
        self._pending.wrote()
        self._connection.execute(
            sa.update(job)
            .where(job.c.key == stored_key(key), job.c.state == DUE)
            .values(state=DONE, failure="cancelled", finished_at=at_us)
        )
        self._written.note(JOBS)

    def rewrite(self, row: int, payload: dict[str, Any]) -> None:
        """A job that waits carries ``payload`` from its next attempt on."""
        self.write_out()
        self._pending.wrote()
        body = msgspec.json.encode(payload).decode()
        self._connection.execute(sa.update(job).where(job.c.row == row).values(body=body))

    def failed(self, row: int, *, failure: str, not_before_us: int, park: bool, lane: str) -> None:
        """An attempt failed: again later, in ``lane``, or not at all. Those behind it may be free to go."""
        self.write_out()
        self._pending.wrote()
        self._connection.execute(
            sa.update(job)
            .where(job.c.row == row)
            .values(
                attempts=job.c.attempts + 1,
                failure=failure[:1000],
                not_before=not_before_us,
                state=PARKED if park else DUE,
                lane=lane,
            )
        )
        self._written.note(JOBS)

    def next_look_us(self, now_us: int) -> int | None:
        """The next instant after ``now_us`` at which a job of the wall clock may be done that may not yet."""
        self.write_out()
        found = [
            self._connection.execute(each, {"job_now": now_us}).scalar_one()
            for each in (_NEXT_LOOK, _NEXT_LOOK_AT_TRIED)
        ]
        return min((int(each) for each in found if each is not None), default=None)

    def counts(self) -> dict[str, int]:
        """Jobs that wait and jobs that are parked."""
        self.write_out()
        return {
            state: int(self._connection.execute(_COUNT.where(is_in(job.c.state, state))).scalar_one())
            for state in (DUE, PARKED)
        }


def _row_of(placed: PlacedJob) -> dict[str, Any]:
    given = placed.job
    return {
        "key": stored_key(given.key),
        "kind": given.kind,
        "lane": given.lane,
        "clock": placed.clock,
        "due_at": placed.due_us,
        "rank": given.rank,
        "state": DUE,
        "attempts": 0,
        "not_before": 0,
        "failure": "",
        "body": msgspec.json.encode(given.payload).decode(),
    }
