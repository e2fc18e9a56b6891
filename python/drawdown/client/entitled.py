"""``@requires``: a function that runs only for accounts that may use a meter, and whose use is recorded.

::

    drawdown.use(db)

    @drawdown.requires("images", quantity=1)            # the account is the argument `account`
    def draw(account: str, prompt: str) -> bytes: …

    @drawdown.requires("tokens", quantity=4000, used=lambda answer: answer.tokens, hold=True)
    async def complete(account: str, prompt: str) -> Answer: …

Before the call the account is checked, or with ``hold`` the quantity reserved; after it the use is
recorded, or the reservation settled. A function that raises has used nothing.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

from drawdown.client.asyncio_connection import AioConnection
from drawdown.client.interface import Database
from drawdown.client.metering import log_lost
from drawdown.client.reservation import AioReservation, Reservation
from drawdown.errors import InvalidRequestError, NotEntitledError, PreconditionError
from drawdown.model import SettleResult, UsageResult

P = ParamSpec("P")
R = TypeVar("R")

AnyDatabase = Database | AioConnection
_in_use: AnyDatabase | None = None


def use(database: AnyDatabase | None) -> None:
    """The database that ``@requires`` asks where none is named; ``None``: none any more."""
    global _in_use
    _in_use = database


class Needed(NamedTuple):
    """What one call needs."""

    account: str
    quantity: int
    dimensions: Mapping[str, str] | None


class Requirement:
    """What a call needs, worked out from its arguments."""

    def __init__(
        self,
        function: Callable[..., Any],
        meter: str,
        quantity: int | Callable[..., int],
        account: str | Callable[..., str],
        dimensions: Mapping[str, str] | Callable[..., Mapping[str, str]] | None,
    ) -> None:
        self.meter = meter
        self._quantity = quantity
        self._account = account
        self._dimensions = dimensions
        self._signature = inspect.signature(function)
        if isinstance(account, str) and account not in self._signature.parameters:
            raise InvalidRequestError(
                f"account: {function.__qualname__} has no argument {account!r}; name the one with the "
                "account's id, or give a function of the arguments",
                field="account",
            )

    def of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Needed:
        """What one call needs."""
        if callable(self._account):
            account = self._account(*args, **kwargs)
        else:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            account = bound.arguments[self._account]
        return Needed(
            account,
            self._quantity(*args, **kwargs) if callable(self._quantity) else self._quantity,
            self._dimensions(*args, **kwargs) if callable(self._dimensions) else self._dimensions,
        )


def requires(
    meter: str,
    *,
    quantity: int | Callable[..., int] = 1,
    account: str | Callable[..., str] = "account",
    dimensions: Mapping[str, str] | Callable[..., Mapping[str, str]] | None = None,
    used: Callable[[Any], int] | None = None,
    hold: bool = False,
    record: bool = True,
    ttl: int = 3600,
    database: AnyDatabase | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Run the function only when its account may use ``quantity`` of ``meter``, and record the use.

    ``quantity``, ``account`` and ``dimensions`` may be functions of the call's arguments; ``account``
    as text names the argument. ``used`` takes the function's result and answers what was really used.
    With ``hold`` the quantity is set aside while the function runs, at most ``ttl`` seconds. For plain
    and ``async`` functions; an ``async`` one with a plain database asks it in a thread.

    The call raises ``NotEntitledError`` with ``.reason`` where a rule refuses, and what the function
    raises. Its result comes back also where the use could no longer be charged whole: with ``hold`` what
    was set aside is charged then, without it nothing is; the log ``drawdown.client`` says what is lost.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidRequestError("function: a generator has no end at which its use could be recorded")
        needs = Requirement(function, meter, quantity, account, dimensions)
        guard = _Guard(needs, hold=hold, record=record, ttl=ttl, used=used)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            asked = _database(database)
            if isinstance(asked, AioConnection):
                raise PreconditionError("a plain function needs a plain database: drawdown.connect or open")
            needed = needs.of(args, kwargs)
            return guard.run(asked, needed, lambda: function(*args, **kwargs))

        @functools.wraps(function)
        async def call_awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            awaited = cast(Callable[P, Awaitable[Any]], function)
            needed = needs.of(args, kwargs)
            return await guard.run_awaited(_database(database), needed, lambda: awaited(*args, **kwargs))

        return cast(Callable[P, R], call_awaited) if inspect.iscoroutinefunction(function) else call

    return decorate


class _Guard:
    """What stands around each call of one function."""

    def __init__(
        self,
        needs: Requirement,
        *,
        hold: bool,
        record: bool,
        ttl: int,
        used: Callable[[Any], int] | None,
    ) -> None:
        self._meter = needs.meter
        self._hold = hold
        self._record = record
        self._ttl = ttl
        self._used = used

    def run(self, asked: Database, needed: Needed, function: Callable[[], R]) -> R:
        """Check or reserve, run, record or settle."""
        if self._hold:
            with asked.reserve(
                needed.account,
                self._meter,
                quantity=needed.quantity,
                dimensions=needed.dimensions,
                ttl=self._ttl,
            ) as held:
                self._require(bool(held), held.status, needed)
                result = function()
                real = self._really(needed, result)
                for quantity in (real, needed.quantity):
                    settled = held.settle(quantity)
                    if not self._extra_refused(held, needed, quantity, settled):
                        break
                return result
        answer = asked.check(
            needed.account, self._meter, quantity=needed.quantity, dimensions=needed.dimensions
        )
        self._require(bool(answer), answer.reason, needed)
        result = function()
        if self._record:
            real = self._really(needed, result)
            self._recorded(
                needed,
                real,
                asked.record(needed.account, self._meter, quantity=real, dimensions=needed.dimensions),
            )
        return result

    async def run_awaited(
        self, asked: AnyDatabase, needed: Needed, function: Callable[[], Awaitable[Any]]
    ) -> Any:
        """The same, awaited."""
        about = {"quantity": needed.quantity, "dimensions": needed.dimensions}
        if self._hold:
            held = await _answer(asked.reserve, needed.account, self._meter, **about, ttl=self._ttl)
            self._require(bool(held), held.status, needed)
            try:
                result = await function()
                real = self._really(needed, result)
                for quantity in (real, needed.quantity):
                    settled = await _answer(held.settle, quantity)
                    if not self._extra_refused(held, needed, quantity, settled):
                        break
                return result
            finally:
                if not held.ended:
                    await _answer(held.release)
        answer = await _answer(asked.check, needed.account, self._meter, **about)
        self._require(bool(answer), answer.reason, needed)
        result = await function()
        if self._record:
            about["quantity"] = real = self._really(needed, result)
            self._recorded(needed, real, await _answer(asked.record, needed.account, self._meter, **about))
        return result

    def _recorded(self, needed: Needed, real: int, recorded: UsageResult) -> None:
        if not recorded.applied:
            log_lost(needed.account, real, self._meter, recorded.event_id, recorded.status)

    def _extra_refused(
        self, held: Reservation | AioReservation, needed: Needed, real: int, settled: SettleResult
    ) -> bool:
        """Log what is not charged; True where what is held still can be: only use beyond it was refused."""
        extra = 0 if held.ended else max(0, real - needed.quantity)
        if not settled.applied:
            event = f"of reservation {held.reservation_id}"
            log_lost(needed.account, extra or real, self._meter, event, settled.status)
        return extra > 0

    def _really(self, needed: Needed, result: Any) -> int:
        return needed.quantity if self._used is None else self._used(result)

    def _require(self, allowed: bool, reason: str, needed: Needed) -> None:
        if not allowed:
            raise NotEntitledError(
                f"account {needed.account!r} may not use {self._meter} now: {reason}", reason=reason
            )


async def _answer(ask: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The answer of an awaited form, or of a plain one asked in a thread: it may wait for the disk."""
    if isinstance(getattr(ask, "__self__", None), AioConnection) or inspect.iscoroutinefunction(ask):
        return await ask(*args, **kwargs)
    return await asyncio.to_thread(ask, *args, **kwargs)


def _database(given: AnyDatabase | None) -> AnyDatabase:
    found = given if given is not None else _in_use
    if found is None:
        raise PreconditionError(
            "no database to ask: call drawdown.use(db) at the start, or give database= to @requires",
            reason="DATABASE_MISSING",
        )
    return found
