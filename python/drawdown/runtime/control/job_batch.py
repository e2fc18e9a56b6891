"""The jobs of several lanes, many in one transaction, each lane's one by one and in order.

::

    transaction { the lanes' next jobs → handlers → rows, outbox, jobs, notices → the lanes' next jobs … }
    → commands to the engine → what has to ask the world asks → transaction { what it answered, and on }

A lane leaves a transaction at a job that asks the world, or that reads the engine while commands of the
lane are still on their way; it goes on in the next. All of a job is in one transaction, so a crash leaves
each done or not begun. A job that fails is taken out of its transaction alone; where that is not possible
the whole is done again, job by job.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from drawdown import errors
from drawdown.model.decision import Decision
from drawdown.runtime.control.fault_points import pass_point
from drawdown.runtime.control.registry import JOBS, JobKind
from drawdown.runtime.control.step import EngineBehindError, Step
from drawdown.storage.sql.jobs import StoredJob
from drawdown.storage.sql.pending import PartWrittenError
from drawdown.storage.sql.work import Work
from drawdown.subscriptions.identifiers import lane_before_aside

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

# Of a job whose kind has no effect, or whose effect was not needed.
NOTHING: Final = None
# Effects that together take longer than this are waited for side by side.
SLOW_S: Final = 0.02


class ReadyJob(msgspec.Struct, frozen=True):
    """A job that can be handled: what its effect answered is here."""

    job: StoredJob
    kind: JobKind
    outcome: Any


class AskingJob(msgspec.Struct, frozen=True):
    """A job that asks the world before it can be handled."""

    job: StoredJob
    kind: JobKind
    question: Any


class _Answer(msgspec.Struct, frozen=True):
    """What an effect answered, or why it did not."""

    outcome: Any
    fault: Exception | None


class JobBatch:
    """One run over some lanes, which its caller holds. Afterwards it says what was done and what failed."""

    def __init__(self, plane: ControlPlane, *, clock: str, up_to_us: int, ready_us: int, budget: int) -> None:
        """Jobs of ``clock`` due at ``up_to_us``; those that failed before rest until ``ready_us``."""
        self._plane = plane
        self._clock = clock
        self._up_to_us = up_to_us
        self._ready_us = ready_us
        self._budget = budget
        self.done = 0
        self.failed: list[tuple[StoredJob, Exception]] = []

    @property
    def tried(self) -> int:
        """Jobs that were done or failed."""
        return self.done + len(self.failed)

    def run(self, lanes: list[str]) -> None:
        """Do what is due in these lanes, up to the budget."""
        failed = list(self.failed)
        try:
            self._run(_Lanes(lanes))
        except (errors.EngineHaltedError, errors.UnavailableError):
            raise
        except Exception:
            # What was committed stays done; the rest of this run is done again, each job by itself.
            self.failed = failed
            for lane in lanes:
                self._run_alone(lane)

    def _run(self, lanes: _Lanes) -> None:
        ready: list[ReadyJob] = []
        while lanes.open and self.tried < self._budget:
            before = self.tried
            asking = self._transaction(lanes, ready)
            if lanes.behind:
                self._plane.delivery.deliver()
            ready = self._asked(lanes, asking)
            if not asking and self.tried == before:
                return

    def _transaction(self, lanes: _Lanes, answered: list[ReadyJob]) -> list[AskingJob]:
        """Handle what was answered and all that follows; answers the jobs that have to ask."""
        asking: list[AskingJob] = []
        with self._plane.sql.transaction() as work:
            lanes.begin()
            left = self._budget - self.tried
            done, failed = 0, []
            still_due = work.jobs.still_due([each.job.row for each in answered]) if answered else set()
            ready = [each for each in answered if each.job.row in still_due]
            _bring(work, [each.job for each in ready])
            while True:
                handled, faults = self._handle(work, lanes, ready)
                done += handled
                failed += faults
                heads = [] if done >= left else self._heads(work, lanes)
                if not heads:
                    break
                ready, asks, faults = self._sorted(work, lanes, heads)
                asking += asks
                failed += faults
            if done:
                pass_point("jobs.decided")
        if done:
            pass_point("jobs.committed")
        self.done += done
        self.failed += failed
        return asking

    def _heads(self, work: Work, lanes: _Lanes) -> list[StoredJob]:
        """The next job of each lane that goes on; a lane without one is at its end."""
        going = lanes.going()
        if not going:
            return []
        heads = work.jobs.heads(self._clock, self._up_to_us, self._ready_us, len(going), going)
        lanes.keep({job.lane for job in heads}, among=going)
        return heads

    def _sorted(
        self, work: Work, lanes: _Lanes, heads: list[StoredJob]
    ) -> tuple[list[ReadyJob], list[AskingJob], list[tuple[StoredJob, Exception]]]:
        """Jobs that can be handled now, those that have to ask the world first, and those that cannot."""
        ready: list[ReadyJob] = []
        asking: list[AskingJob] = []
        failed: list[tuple[StoredJob, Exception]] = []
        _bring(work, heads)
        for job in heads:
            try:
                kind = _kind_of(job)
                question = self._question(work, lanes, job, kind)
            except EngineBehindError:
                lanes.wait(job.lane)
            except Exception as fault:
                lanes.close(job.lane)
                failed.append((job, fault))
            else:
                if question is NOTHING:
                    ready.append(ReadyJob(job, kind, NOTHING))
                else:
                    lanes.wait(job.lane)
                    asking.append(AskingJob(job, kind, question))
        return ready, asking, failed

    def _question(self, work: Work, lanes: _Lanes, job: StoredJob, kind: JobKind) -> Any:
        if kind.effect is None:
            return NOTHING
        if kind.ask is None:
            return job
        return kind.ask(self._step(work, lanes, job), job)

    def _step(self, work: Work, lanes: _Lanes, job: StoredJob) -> Step:
        return Step(self._plane, work, engine_behind=lane_before_aside(job.lane) in lanes.behind)

    def _handle(
        self, work: Work, lanes: _Lanes, ready: list[ReadyJob]
    ) -> tuple[int, list[tuple[StoredJob, Exception]]]:
        """Handlers, then all they decided at once; answers how many succeeded, and the faults of others."""
        failed: list[tuple[StoredJob, Exception]] = []
        done: list[StoredJob] = []
        decisions: list[Decision] = []
        for each in ready:
            step = self._step(work, lanes, each.job)
            try:
                with work.part():
                    each.kind.handler(step, each.job, each.outcome)
            except PartWrittenError:
                raise
            except EngineBehindError:
                lanes.wait(each.job.lane)
            except Exception as fault:
                lanes.close(each.job.lane)
                failed.append((each.job, fault))
            else:
                done.append(each.job)
                decisions.append(step.decision)
                if step.decision.groups:
                    lanes.behind.add(lane_before_aside(each.job.lane))
        now_us = self._plane.now_us()
        work.carry_out_all(decisions, now_us)
        work.jobs.done((job.row for job in done), now_us)
        return len(done), failed

    def _asked(self, lanes: _Lanes, asking: list[AskingJob]) -> list[ReadyJob]:
        """What the world answered; a job whose effect failed holds its lane.

        One after the other where answers come at once, side by side where they are waited for.
        """
        ready: list[ReadyJob] = []
        began = time.monotonic()
        answers: list[_Answer] = []
        for each in asking:
            if time.monotonic() - began > SLOW_S:
                answers += self._plane.jobs.side_by_side(self._answer, asking[len(answers) :])
                break
            answers.append(self._answer(each))
        for each, answer in zip(asking, answers, strict=True):
            if isinstance(answer.fault, errors.EngineHaltedError):
                raise answer.fault
            if answer.fault is not None:
                lanes.close(each.job.lane)
                self.failed.append((each.job, answer.fault))
            else:
                ready.append(ReadyJob(each.job, each.kind, answer.outcome))
        return ready

    def _answer(self, asking: AskingJob) -> _Answer:
        assert asking.kind.effect is not None
        pass_point("effect.asking")
        try:
            return _Answer(asking.kind.effect(self._plane, asking.question), None)
        except Exception as fault:
            return _Answer(None, fault)
        finally:
            pass_point("effect.answered")

    def _run_alone(self, lane: str) -> None:
        """The lane's jobs one by one, each in a transaction of its own that fails with it."""
        while self.tried < self._budget:
            with self._plane.sql.transaction() as work:
                heads = work.jobs.heads(self._clock, self._up_to_us, self._ready_us, 1, (lane,))
            if not heads:
                return
            try:
                self._carry_out_alone(heads[0])
            except errors.EngineHaltedError:
                raise
            except Exception as fault:
                self.failed.append((heads[0], fault))
                return
            self.done += 1
            self._plane.delivery.deliver()

    def _carry_out_alone(self, job: StoredJob) -> None:
        plane = self._plane
        kind = _kind_of(job)
        outcome = NOTHING
        if kind.effect is not None:
            with plane.sql.transaction() as work:
                question = job if kind.ask is None else kind.ask(Step(plane, work), job)
            outcome = NOTHING if question is NOTHING else kind.effect(plane, question)
        with plane.sql.transaction() as work:
            if not work.jobs.still_due((job.row,)):
                return
            step = Step(plane, work)
            kind.handler(step, job, outcome)
            work.carry_out(step.decision, plane.now_us())
            work.jobs.done((job.row,), plane.now_us())
            pass_point("jobs.decided")
        pass_point("jobs.committed")


class _Lanes:
    """Where each lane of a batch stands."""

    def __init__(self, lanes: list[str]) -> None:
        self.open = dict.fromkeys(lanes)
        """May have more to do."""
        self.behind: set[str] = set()
        """Have commands that the engine has not got; jobs that stepped aside from one count as its own."""
        self._waiting: set[str] = set()

    def begin(self) -> None:
        """A new transaction: what was decided before it is in the engine."""
        self.behind.clear()
        self._waiting.clear()

    def going(self) -> list[str]:
        """Lanes that go on in this transaction."""
        return [lane for lane in self.open if lane not in self._waiting]

    def wait(self, lane: str) -> None:
        """The lane goes on in the next transaction."""
        self._waiting.add(lane)

    def close(self, lane: str) -> None:
        """The lane does not go on."""
        self.open.pop(lane, None)

    def keep(self, lanes: set[str], *, among: list[str]) -> None:
        """Of these lanes only some have more to do."""
        for lane in among:
            if lane not in lanes:
                self.close(lane)


def _kind_of(job: StoredJob) -> JobKind:
    kind = JOBS.get(job.kind)
    if kind is None:
        raise errors.InternalError(f"nothing carries out jobs of kind {job.kind!r}")
    return kind


def _bring(work: Work, jobs: list[StoredJob]) -> None:
    """What jobs of each kind will read is asked for together."""
    kinds: dict[str, list[StoredJob]] = {}
    for job in jobs:
        kinds.setdefault(job.kind, []).append(job)
    for name, of_kind in kinds.items():
        kind = JOBS.get(name)
        if kind is not None and kind.bring is not None:
            kind.bring(work, of_kind)
