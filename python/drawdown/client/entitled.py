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
from typing import Any, ParamSpec, TypeVar, cast

from drawdown.client.asyncio_connection import AioConnection
from drawdown.client.interface import Database
from drawdown.errors import InvalidRequestError, NotEntitledError, PreconditionError

P = ParamSpec("P")
R = TypeVar("R")

AnyDatabase = Database | AioConnection
_in_use: AnyDatabase | None = None


def use(database: AnyDatabase | None) -> None:
    """The database that ``@requires`` asks where none is named; ``None``: none any more."""
    global _in_use
    _in_use = database


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

    def account(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The account of one call."""
        if callable(self._account):
            return self._account(*args, **kwargs)
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return str(bound.arguments[self._account])

    def quantity(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        """What the call may use."""
        return self._quantity(*args, **kwargs) if callable(self._quantity) else self._quantity

    def dimensions(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Mapping[str, str] | None:
        """The dimensions of its use."""
        return self._dimensions(*args, **kwargs) if callable(self._dimensions) else self._dimensions


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
    raises. Its result comes back also where the use could no longer be charged whole.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidRequestError("function: a generator has no end that could be recorded")
        needs = Requirement(function, meter, quantity, account, dimensions)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            asked = _database(database)
            if isinstance(asked, AioConnection):
                raise PreconditionError("a plain function needs a plain database: drawdown.connect or open")
            who, amount, about = _needed(needs, args, kwargs)
            if hold:
                with asked.reserve(who, meter, quantity=amount, dimensions=about, ttl=ttl) as held:
                    if not held:
                        raise _refused(held.status, who, meter)
                    result = function(*args, **kwargs)
                    held.settle(amount if used is None else used(result))
                    return result
            answer = asked.check(who, meter, quantity=amount, dimensions=about)
            if not answer:
                raise _refused(answer.reason, who, meter)
            result = function(*args, **kwargs)
            if record:
                real = amount if used is None else used(result)
                asked.record(who, meter, quantity=real, dimensions=about)
            return result

        @functools.wraps(function)
        async def call_awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            awaited = cast(Callable[P, Awaitable[Any]], function)
            asked = _database(database)
            who, amount, about = _needed(needs, args, kwargs)
            if hold:
                return await _held(asked, awaited, args, kwargs, (who, meter, amount, about, ttl), used)
            answer = await _answer(asked.check, who, meter, quantity=amount, dimensions=about)
            if not answer:
                raise _refused(answer.reason, who, meter)
            result = await awaited(*args, **kwargs)
            if record:
                real = amount if used is None else used(result)
                await _answer(asked.record, who, meter, quantity=real, dimensions=about)
            return result

        if inspect.iscoroutinefunction(function):
            return cast(Callable[P, R], call_awaited)
        return call

    return decorate


async def _held(
    asked: AnyDatabase,
    function: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    needed: tuple[str, str, int, Mapping[str, str] | None, int],
    used: Callable[[Any], int] | None,
) -> Any:
    """Reserve, run, settle; release where the function raises or is cancelled."""
    who, meter, amount, about, ttl = needed
    held = await _answer(asked.reserve, who, meter, quantity=amount, dimensions=about, ttl=ttl)
    if not held:
        raise _refused(held.status, who, meter)
    try:
        result = await function(*args, **kwargs)
        await _answer(held.settle, amount if used is None else used(result))
        return result
    finally:
        if not held.ended:
            await _answer(held.release)


async def _answer(ask: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The answer of an awaited form, or of a plain one asked in a thread: it may wait for the disk."""
    if isinstance(getattr(ask, "__self__", None), AioConnection) or inspect.iscoroutinefunction(ask):
        return await ask(*args, **kwargs)
    return await asyncio.to_thread(ask, *args, **kwargs)


def _needed(
    needs: Requirement, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, int, Mapping[str, str] | None]:
    return needs.account(args, kwargs), needs.quantity(args, kwargs), needs.dimensions(args, kwargs)


def _database(given: AnyDatabase | None) -> AnyDatabase:
    found = given if given is not None else _in_use
    if found is None:
        raise PreconditionError(
            "no database to ask: call drawdown.use(db) at the start, or give database= to @requires",
            reason="DATABASE_MISSING",
        )
    return found


def _refused(reason: str, account: str, meter: str) -> NotEntitledError:
    return NotEntitledError(f"account {account!r} may not use {meter} now: {reason}", reason=reason)
