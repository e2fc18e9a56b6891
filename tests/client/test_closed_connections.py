"""Calls on a connection that was closed, or whose server says nothing: they end, in errors of ours."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import drawdown
import drawdown.aio
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client import reservation_session


@contextmanager
def silent(server: ServerProcess) -> Iterator[None]:
    """The server lives and says nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.fixture
def account(server: ServerProcess) -> str:
    with drawdown.connect(server.target) as db:
        db.create_account("closed")
        db.create_grant("closed", "credits", amount="100", grant_id="g")
    return "closed"


def is_closed(raised: pytest.ExceptionInfo[drawdown.PreconditionError]) -> bool:
    return raised.value.reason == "CONNECTION_CLOSED" and raised.value.definite


CALLS: dict[str, Callable[[drawdown.Connection], object]] = {
    "check": lambda db: db.check("closed", "calls"),
    "record": lambda db: db.record("closed", "calls"),
    "balance": lambda db: db.balance("closed", "credits"),
    "command": lambda db: db.create_account("another"),
    "watch": lambda db: next(db.watch_balances(["closed"])),
    "notices": lambda db: next(db.watch_notices("closed")),
    "reserve": lambda db: db.reserve("closed", "calls", release_on_disconnect=True),
    "ready": lambda db: db.wait_ready(),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_on_a_closed_connection_is_refused(server: ServerProcess, account: str, call: str) -> None:
    db = drawdown.connect(server.target)
    db.record(account, "calls")
    db.close()
    with pytest.raises(drawdown.PreconditionError) as raised:
        CALLS[call](db)
    assert is_closed(raised)


async def first_of(watch: Any) -> object:
    return await anext(watch)


async def reserved(db: drawdown.aio.AioConnection) -> object:
    return await db.reserve("closed", "calls", release_on_disconnect=True)


AWAITED: dict[str, Callable[[drawdown.aio.AioConnection], Awaitable[object]]] = {
    "check": lambda db: db.check("closed", "calls"),
    "record": lambda db: db.record("closed", "calls"),
    "balance": lambda db: db.balance("closed", "credits"),
    "command": lambda db: db.create_account("another"),
    "watch": lambda db: first_of(db.watch_balances(["closed"])),
    "notices": lambda db: first_of(db.watch_notices("closed")),
    "reserve": reserved,
}


@pytest.mark.parametrize("call", AWAITED)
def test_an_awaited_call_on_a_closed_connection_is_refused(
    server: ServerProcess, account: str, call: str
) -> None:
    """At once: nothing is left that would ever answer it."""

    async def story() -> None:
        db = drawdown.aio.connect(server.target)
        await db.record(account, "calls")
        await db.close()
        async with asyncio.timeout(10):
            await AWAITED[call](db)

    with pytest.raises(drawdown.PreconditionError) as raised:
        asyncio.run(story())
    assert raised.value.reason == "CONNECTION_CLOSED"


def test_a_call_under_way_when_its_connection_is_closed_is_told(server: ServerProcess, account: str) -> None:
    """It is not cancelled, as its task would think: whether the server had it is not known."""

    async def story() -> list[BaseException | object]:
        db = drawdown.aio.connect(server.target)
        await db.balance(account, "credits")
        with silent(server):
            calls = [asyncio.create_task(db.balance(account, "credits"))]
            calls.append(asyncio.create_task(first_of(db.watch_balances([account]))))
            await asyncio.sleep(0.1)
            await db.close()
            async with asyncio.timeout(10):
                return await asyncio.gather(*calls, return_exceptions=True)

    balance, watch = asyncio.run(story())
    assert isinstance(balance, drawdown.UnavailableError) and not balance.definite
    assert isinstance(watch, drawdown.PreconditionError) and watch.reason == "CONNECTION_CLOSED"


@pytest.mark.parametrize("form", ["threads", "awaited"])
def test_a_reservation_that_no_session_keeps_is_refused(
    server: ServerProcess, account: str, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """A server that hangs: the same error in both forms, and nothing was reserved."""
    monkeypatch.setattr(reservation_session, "OPEN_S_MAX", 0.3)

    async def awaited() -> None:
        async with drawdown.aio.connect(server.target) as db:
            await db.balance(account, "credits")
            with silent(server):
                await reserved(db)

    with pytest.raises(drawdown.UnavailableError, match="did not begin to keep") as raised:
        if form == "awaited":
            asyncio.run(awaited())
        else:
            with drawdown.connect(server.target) as db:
                db.balance(account, "credits")
                with silent(server):
                    db.reserve(account, "calls", release_on_disconnect=True)
    assert raised.value.definite
