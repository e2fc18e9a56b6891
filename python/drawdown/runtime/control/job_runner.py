"""Jobs, one by one per lane: the effect outside, then one transaction with all that follows from it.

A job whose handler fails is tried again with back-off, and holds its lane meanwhile; after
``attempts_max`` of its kind it is parked for an operator.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from drawdown import errors
from drawdown.model.commands import AdvanceClock
from drawdown.model.instants import us_from_instant
from drawdown.runtime.control.fault_points import pass_point
from drawdown.runtime.control.registry import JOBS, JobKind
from drawdown.runtime.control.step import Step, refusal
from drawdown.storage.sql.jobs import Jobs, StoredJob

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

_log = logging.getLogger("drawdown.control")

BACKOFF_US: Final = 1_000_000
BACKOFF_US_MAX: Final = 3_600_000_000
HEADS_AT_ONCE: Final = 64
# A clock that needs more steps than this between two instants is stuck in a loop of its own jobs.
STEPS_MAX: Final = 1_000_000
_FAR_FUTURE_US: Final = 2**62


class JobRunner:
    """Runs what is due."""

    def __init__(self, plane: "ControlPlane") -> None:
        self._plane = plane
        self._lanes_running: set[str] = set()
        self._lane_free = threading.Condition()
        self._turned_away: set[str] = set()
        self.lane_left: Callable[[], None] = lambda: None
        """Called when a lane is free again that somebody found taken."""
        self.done = 0
        self.failures = 0

    def run_due(self, budget: int) -> int:
        """Do up to ``budget`` jobs that are due by the wall clock; answers how many were tried."""
        now = self._plane.now_us()
        tried = 0
        while tried < budget:
            with self._plane.sql.transaction() as work:
                heads = work.jobs.heads("", now, now, min(HEADS_AT_ONCE, budget - tried))
            if not heads:
                break
            self.run_batch(heads)
            tried += len(heads)
        return tried

    def run_batch(self, heads: list[StoredJob]) -> None:
        """The next jobs of several lanes: their effects, then one transaction for all that succeeded.

        Each is within a savepoint of its own, so that one that fails takes nothing of the others along.
        """
        jobs = [job for job in heads if self._try_enter(job.lane)]
        try:
            with self._plane.sql.transaction() as work:
                due = [job for job in jobs if work.jobs.is_due(job.row)]
            prepared: list[tuple[StoredJob, JobKind, Any]] = []
            failed: list[tuple[StoredJob, Exception]] = []
            for job in due:
                try:
                    prepared.append((job, *self._prepare(job)))
                except Exception as fault:
                    failed.append((job, fault))
            failed += self._carry_out_together(prepared)
            for job, raised in failed:
                if isinstance(raised, errors.EngineHaltedError):
                    raise raised
                self._note_failure(job, raised)
            self.done += len(due) - len(failed)
        finally:
            for job in jobs:
                self._leave(job.lane)

    def _prepare(self, job: StoredJob) -> "tuple[JobKind, Any]":
        kind = JOBS.get(job.kind)
        if kind is None:
            raise errors.InternalError(f"nothing carries out jobs of kind {job.kind!r}")
        return kind, None if kind.effect is None else kind.effect(self._plane, job)

    def _carry_out_together(
        self, prepared: "list[tuple[StoredJob, JobKind, Any]]"
    ) -> list[tuple[StoredJob, Exception]]:
        failed: list[tuple[StoredJob, Exception]] = []
        with self._plane.sql.transaction() as work:
            for job, kind, outcome in prepared:
                try:
                    with work.savepoint():
                        step = Step(self._plane, work)
                        kind.handler(step, job, outcome)
                        work.carry_out(step.decision, self._plane.now_us())
                        work.jobs.done(job.row)
                except Exception as fault:
                    failed.append((job, fault))
            pass_point()
        pass_point()
        self._plane.delivery.deliver()
        return failed

    def run_lanes(self, lanes: tuple[str, ...], budget: int) -> None:
        """Do what is due now in these lanes, for a caller that waits; trouble is left to the scheduler."""
        now = self._plane.now_us()
        for _ in range(budget):
            with self._plane.sql.transaction() as work:
                heads = work.jobs.heads("", now, now, 1, lanes)
                if not heads:
                    heads = self._due_by_own_clock(work.jobs, lanes, now)
            if not heads or self.run_one(heads[0]) is not None:
                return

    def _due_by_own_clock(self, jobs: Jobs, lanes: tuple[str, ...], now: int) -> list[StoredJob]:
        for clock in jobs.clocks_of(lanes):
            stands = self._plane.engine.account(clock).test_clock
            if stands is not None:
                heads = jobs.heads(clock, us_from_instant(stands), now, 1, lanes)
                if heads:
                    return heads
        return []

    def live_through(self, account: str, stands_us: int, to_us: int) -> None:
        """Do the jobs of an account's own clock up to ``to_us``, moving the clock to each on the way.

        Raises the fault of the job that failed.
        """
        for _ in range(STEPS_MAX):
            with self._plane.sql.transaction() as work:
                heads = work.jobs.heads(account, to_us, _FAR_FUTURE_US, 1)
            if not heads:
                return
            due = us_from_instant(heads[0].due_at)
            if due > stands_us:
                (result,) = self._plane.engine.execute([AdvanceClock(account=account, to=due)])
                if not result.applied:
                    raise refusal(result)
                stands_us = due
            fault = self.run_one(heads[0])
            if fault is not None:
                raise fault
        raise errors.InternalError(f"account {account!r}: its jobs do not come to an end at one instant")

    def run_one(self, job: StoredJob) -> Exception | None:
        """Do one job, unless it was done meanwhile; answers the fault if it failed."""
        self._enter(job.lane)
        try:
            try:
                self._carry_out(job)
            except errors.EngineHaltedError:
                raise
            except Exception as fault:
                self._note_failure(job, fault)
                return fault
            self.done += 1
            return None
        finally:
            self._leave(job.lane)

    def _carry_out(self, job: StoredJob) -> None:
        with self._plane.sql.transaction() as work:
            if not work.jobs.is_due(job.row):
                return
        pass_point()
        kind, outcome = self._prepare(job)
        pass_point()
        with self._plane.sql.transaction() as work:
            step = Step(self._plane, work)
            kind.handler(step, job, outcome)
            work.carry_out(step.decision, self._plane.now_us())
            work.jobs.done(job.row)
            pass_point()
        pass_point()
        if step.decision.groups:
            self._plane.delivery.deliver()

    def _note_failure(self, job: StoredJob, fault: Exception) -> None:
        self.failures += 1
        kind = JOBS.get(job.kind)
        attempts = job.attempts + 1
        park = kind is not None and attempts >= kind.attempts_max
        backoff = min(BACKOFF_US * 2 ** min(job.attempts, 20), BACKOFF_US_MAX)
        expected = isinstance(fault, errors.DrawdownError) and not isinstance(fault, errors.InternalError)
        _log.warning(
            "a job failed: %s",
            fault,
            exc_info=None if expected else fault,
            extra={"job": job.key, "attempts": attempts, "parked": park},
        )
        with self._plane.sql.transaction() as work:
            work.jobs.failed(
                job.row,
                failure=f"{type(fault).__name__}: {fault}",
                not_before_us=self._plane.now_us() + backoff,
                park=park,
            )

    def _enter(self, lane: str) -> None:
        with self._lane_free:
            while lane in self._lanes_running:
                self._lane_free.wait()
            self._lanes_running.add(lane)

    def _try_enter(self, lane: str) -> bool:
        """Take the lane unless someone is in it, who will see to its jobs."""
        with self._lane_free:
            if lane in self._lanes_running:
                self._turned_away.add(lane)
                return False
            self._lanes_running.add(lane)
            return True

    def _leave(self, lane: str) -> None:
        with self._lane_free:
            self._lanes_running.discard(lane)
            self._lane_free.notify_all()
            was_wanted = lane in self._turned_away
            self._turned_away.discard(lane)
        if was_wanted:
            self.lane_left()
