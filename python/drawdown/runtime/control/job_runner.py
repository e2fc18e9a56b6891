"""Which lanes' jobs are done when, by whom: the scheduler, a caller that waits, an account's own clock.

A job whose handler fails is tried again with back-off, and holds its lane meanwhile, unless its kind steps
aside: a payment provider out of reach must not keep an account's calendar from going on. After
``attempts_max`` of its kind it is parked for an operator.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from drawdown import errors
from drawdown.model.commands import AdvanceClock
from drawdown.model.instants import us_from_instant
from drawdown.runtime.control.fault_points import pass_point
from drawdown.runtime.control.job_batch import JobBatch
from drawdown.runtime.control.registry import JOBS
from drawdown.runtime.control.step import refusal
from drawdown.storage.sql.jobs import StoredJob
from drawdown.subscriptions.identifiers import lane_aside

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

_log = logging.getLogger("drawdown.control")

BACKOFF_US: Final = 1_000_000
BACKOFF_US_MAX: Final = 3_600_000_000
# Lanes whose jobs share transactions: enough that a commit costs each of them little, few enough that a
# call that waits for the database meanwhile waits for tenths of a second at most.
LANES_AT_ONCE: Final = 128
# Jobs that a renewal takes: a budget is spent on lanes that go through, not on many that have begun.
JOBS_OF_A_LANE: Final = 5
# A clock that needs more steps than this between two instants is stuck in a loop of its own jobs.
STEPS_MAX: Final = 1_000_000
_FAR_FUTURE_US: Final = 2**62
# Calls to the outside world, like charges at a payment provider, that wait at the same time.
EFFECTS_AT_ONCE: Final = 16

AskedT = TypeVar("AskedT")
AnswerT = TypeVar("AnswerT")


class JobRunner:
    """Runs what is due."""

    def __init__(self, plane: "ControlPlane") -> None:
        self._plane = plane
        self._lanes_running: set[str] = set()
        self._lane_free = threading.Condition()
        self._turned_away: set[str] = set()
        self.lane_left: Callable[[], None] = lambda: None
        """Called when a lane is free again that somebody found taken."""
        self._pool: ThreadPoolExecutor | None = None
        self.done = 0
        self.failures = 0

    def run_due(self, budget: int) -> int:
        """Do up to about ``budget`` jobs that are due by the wall clock; answers how many were tried.

        The instant they are done at is durable in the engine before the first of them is: no restart goes
        back behind what the database says has happened.
        """
        now = self._plane.now_us()
        tried, is_kept = 0, False
        while tried < budget:
            with self._plane.sql.transaction() as work:
                lanes_max = max(1, min(LANES_AT_ONCE, (budget - tried) // JOBS_OF_A_LANE))
                heads = work.jobs.heads("", now, now, lanes_max)
            if heads and not is_kept:
                self._plane.engine.keep_now_us()
                is_kept = True
            with self._free_lanes([job.lane for job in heads]) as lanes:
                batch = self._batch("", now, now, budget - tried)
                batch.run(lanes)
                self._note(batch)
            if not batch.tried:
                break
            tried += batch.tried
        return tried

    def run_lanes(self, lanes: tuple[str, ...], budget: int) -> None:
        """Do what is due now in these lanes, for a caller that waits; trouble is left to the scheduler."""
        now = self._plane.now_us()
        with self._held_lanes(lanes):
            left = budget
            while left > 0:
                tried = 0
                for clock, up_to in self._clocks_of(lanes, now):
                    batch = self._batch(clock, up_to, now, left - tried)
                    batch.run(list(lanes))
                    self._note(batch)
                    tried += batch.tried
                if not tried:
                    return
                left -= tried

    def _clocks_of(self, lanes: tuple[str, ...], now: int) -> list[tuple[str, int]]:
        """The wall clock and accounts' own clocks that jobs of these lanes wait for, and where they stand."""
        with self._plane.sql.transaction() as work:
            own = work.jobs.clocks_of(lanes)
        found = [("", now)]
        for account in own:
            stands = self._plane.engine.account(account).test_clock
            if stands is not None:
                found.append((account, us_from_instant(stands)))
        return found

    def live_through(self, account: str, stands_us: int, to_us: int) -> int:
        """Do the jobs of an account's own clock up to ``to_us``, moving the clock to each on the way.

        What steps aside is tried again at each instant on the way and at ``to_us``, and holds nothing up.
        Answers where the clock stands then. Raises the fault of another job that failed.
        """
        aside: set[str] = set()
        for _ in range(STEPS_MAX):
            head = self._head_of(account, to_us, aside)
            if head is None and (not aside or stands_us >= to_us):
                return stands_us
            due = to_us if head is None else us_from_instant(head.due_at)
            if due > stands_us:
                self._move_clock(account, due)
                stands_us = due
                aside.clear()
            elif head is not None:
                with self._held_lanes((head.lane,)):
                    batch = self._batch(account, stands_us, _FAR_FUTURE_US, STEPS_MAX)
                    batch.run([head.lane])
                    self._note(batch)
                for job, fault in batch.failed:
                    if not _goes_aside(job, fault):
                        raise fault
                    aside.add(lane_aside(job.lane))
        raise errors.InternalError(f"account {account!r}: its jobs do not come to an end at one instant")

    def _head_of(self, clock: str, up_to_us: int, aside: set[str]) -> StoredJob | None:
        """The next job of a clock in none of the lanes ``aside``."""
        with self._plane.sql.transaction() as work:
            heads = work.jobs.heads(clock, up_to_us, _FAR_FUTURE_US, len(aside) + 1)
        return next((each for each in heads if each.lane not in aside), None)

    def _move_clock(self, account: str, to_us: int) -> None:
        """An account's own clock stands at ``to_us``."""
        (result,) = self._plane.engine.execute([AdvanceClock(account=account, to=to_us)])
        if not result.applied:
            raise refusal(result)
        self.note_clock(account, to_us, result.seq)
        pass_point("clock.advanced")

    def note_clock(self, account: str, to_us: int, seq: int) -> None:
        """A restored engine's clock has to go the same way, between the same commands."""
        with self._plane.sql.transaction() as work:
            work.outbox.note(account, [AdvanceClock(account=account, to=to_us)], seq, self._plane.now_us())

    def side_by_side(self, work: Callable[[AskedT], AnswerT], asked: Sequence[AskedT]) -> list[AnswerT]:
        """``work`` done on each at once, so far as there are threads; the answers in the same order."""
        with self._lane_free:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(EFFECTS_AT_ONCE, thread_name_prefix="effect")
        return list(self._pool.map(work, asked))

    def close(self) -> None:
        """Wait for what is under way outside."""
        if self._pool is not None:
            self._pool.shutdown()

    def _batch(self, clock: str, up_to_us: int, ready_us: int, budget: int) -> JobBatch:
        return JobBatch(self._plane, clock=clock, up_to_us=up_to_us, ready_us=ready_us, budget=budget)

    def _note(self, batch: JobBatch) -> None:
        self.done += batch.done
        for job, fault in batch.failed:
            if isinstance(fault, errors.EngineHaltedError):
                raise fault
            self._note_failure(job, fault)

    def _note_failure(self, job: StoredJob, fault: Exception) -> None:
        self.failures += 1
        kind = JOBS.get(job.kind)
        attempts = job.attempts + 1
        park = kind is not None and attempts >= kind.attempts_max
        backoff = min(BACKOFF_US * 2 ** min(job.attempts, 20), BACKOFF_US_MAX)
        expected = _is_expected(fault)
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
                lane=lane_aside(job.lane) if _goes_aside(job, fault) else job.lane,
            )

    @contextmanager
    def _held_lanes(self, lanes: tuple[str, ...]) -> Iterator[None]:
        """Wait until nobody is in these lanes, and be in them. All are taken at once, so nobody waits in a
        circle."""
        wanted = set(lanes)
        with self._lane_free:
            while not wanted.isdisjoint(self._lanes_running):
                self._lane_free.wait()
            self._lanes_running |= wanted
        try:
            yield
        finally:
            self._leave(wanted)

    @contextmanager
    def _free_lanes(self, lanes: list[str]) -> Iterator[list[str]]:
        """Be in those of these lanes that nobody is in; who is in the others sees to their jobs."""
        with self._lane_free:
            taken = [lane for lane in dict.fromkeys(lanes) if lane not in self._lanes_running]
            self._turned_away.update(self._lanes_running.intersection(lanes))
            self._lanes_running.update(taken)
        try:
            yield taken
        finally:
            self._leave(set(taken))

    def _leave(self, lanes: set[str]) -> None:
        with self._lane_free:
            self._lanes_running -= lanes
            self._lane_free.notify_all()
            was_wanted = not self._turned_away.isdisjoint(lanes)
            self._turned_away -= lanes
        if was_wanted:
            self.lane_left()


def _is_expected(fault: Exception) -> bool:
    """Whether it says something of the world; any other is a mistake of ours."""
    return isinstance(fault, errors.DrawdownError) and not isinstance(fault, errors.InternalError)


def _goes_aside(job: StoredJob, fault: Exception) -> bool:
    """Whether a job that failed lets those behind it go on: never over what we did wrong."""
    kind = JOBS.get(job.kind)
    return kind is not None and kind.steps_aside and _is_expected(fault)
