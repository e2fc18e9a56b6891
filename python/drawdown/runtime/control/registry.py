"""Which function answers a call and which carries out a job; each concept's file registers its own."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from drawdown.model.request import Request
from drawdown.storage.sql.jobs import StoredJob
from drawdown.storage.sql.work import Work

if TYPE_CHECKING:
    from drawdown.runtime.control.step import Step

RequestT = TypeVar("RequestT", bound=Request)
CallHandler = Callable[["Step", Any], Any]
JobHandler = Callable[["Step", StoredJob, Any], None]
Ask = Callable[["Step", StoredJob], Any]
Effect = Callable[[Any, Any], Any]
Bring = Callable[[Work, list[StoredJob]], None]


class Call(msgspec.Struct, frozen=True):
    """How a call is answered."""

    handler: CallHandler
    reread: CallHandler | None
    """Answers instead, after the commands and the jobs that the call set off."""
    before: Callable[[Any, Any, str], Any] | None = None
    """Runs first, outside any transaction, with plane and request; the step has its answer as ``prior``."""


class JobKind(msgspec.Struct, frozen=True):
    """How a job is carried out: brought, asked, effected, handled. All but the last are optional."""

    handler: JobHandler
    ask: Ask | None
    """Inside a transaction: what the effect needs to know; ``None`` as an answer: no effect is needed."""
    effect: Effect | None
    """Outside any transaction, with plane and question (the job itself where there is no ``ask``): what
    talks to the world. Safe to repeat, by the job's key. The handler has its answer."""
    bring: Bring | None
    """Has what many jobs of the kind will read at hand, asked for together."""
    attempts_max: int
    steps_aside: bool
    """Whether one that the world did not answer lets those behind it go on: they wait for its outcome, if at
    all, by their own rules. Otherwise, and where the fault is ours, it holds its lane."""


CALLS: dict[type[Request], Call] = {}
JOBS: dict[str, JobKind] = {}


def handles(
    request: type[Request],
    *,
    reread: CallHandler | None = None,
    before: Callable[[Any, Any, str], Any] | None = None,
) -> Callable[[CallHandler], CallHandler]:
    """Register the function that answers ``request`` inside one transaction."""

    def register(handler: CallHandler) -> CallHandler:
        assert request not in CALLS, request
        CALLS[request] = Call(handler, reread, before)
        return handler

    return register


def carries_out(
    kind: str,
    *,
    ask: Ask | None = None,
    effect: Effect | None = None,
    bring: Bring | None = None,
    attempts_max: int = 1_000_000,
    steps_aside: bool = False,
) -> Callable[[JobHandler], JobHandler]:
    """Register the function that does jobs of ``kind``: ``(step, job, what the effect answered)``."""

    def register(handler: JobHandler) -> JobHandler:
        assert kind not in JOBS, kind
        JOBS[kind] = JobKind(handler, ask, effect, bring, attempts_max, steps_aside)
        return handler

    return register
