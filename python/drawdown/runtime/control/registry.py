"""Which function answers a call and which carries out a job; each concept's file registers its own."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from drawdown.model.request import Request
from drawdown.storage.sql.jobs import StoredJob

if TYPE_CHECKING:
    from drawdown.runtime.control.step import Step

RequestT = TypeVar("RequestT", bound=Request)
CallHandler = Callable[["Step", Any], Any]
JobHandler = Callable[["Step", StoredJob, Any], None]
Effect = Callable[[Any, StoredJob], Any]


class Call(msgspec.Struct, frozen=True):
    """How a call is answered."""

    handler: CallHandler
    reread: CallHandler | None
    """Answers instead, after the commands and the jobs that the call set off."""
    before: Callable[[Any, Any, str], Any] | None = None
    """Runs first, outside any transaction, with plane and request; the step has its answer as ``prior``."""


class JobKind(msgspec.Struct, frozen=True):
    """How a job is carried out."""

    handler: JobHandler
    effect: Effect | None
    """Runs first, outside any transaction: what talks to the world. Safe to repeat, by the job's key."""
    attempts_max: int


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
    kind: str, *, effect: Effect | None = None, attempts_max: int = 1_000_000
) -> Callable[[JobHandler], JobHandler]:
    """Register the function that does jobs of ``kind``: ``(step, job, what the effect answered)``."""

    def register(handler: JobHandler) -> JobHandler:
        assert kind not in JOBS, kind
        JOBS[kind] = JobKind(handler, effect, attempts_max)
        return handler

    return register
