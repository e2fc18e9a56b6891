"""Calls on a connection that was closed, and closing one whose server does not answer: both end at once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import drawdown
import drawdown.aio
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client import reservation_session

from .conftest import prepare


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


@pytest.fixture
def gone(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of its own, for tests that take it away."""
    with ServerProcess(tmp_path / "data") as process:
        with drawdown.connect(process.target) as db:
            prepare(db)
            db.create_account("a")
        yield process


@pytest.mark.parametrize("way", ["timeout", "cancelled"])
def test_a_close_does_not_wait_for_a_server_that_is_gone(gone: ServerProcess, way: str) -> None:
    """One record has no answer and never gets one: its task is told so, and the close takes its own time."""

    async def story() -> object:
        db = drawdown.aio.connect(gone.target, timeout_s=0.5 if way == "timeout" else 60)
        await db.record("a", "calls")
        gone.kill()
        lost = asyncio.create_task(db.record("a", "calls"))
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(db.close())
        await asyncio.sleep(0.05)
        if way == "cancelled":
            closing.cancel()
        done, _ = await asyncio.wait([closing], timeout=10)
        assert done == {closing}
        with pytest.raises(asyncio.CancelledError if way == "cancelled" else drawdown.UnavailableError):
            await closing
        return (await asyncio.gather(lost, return_exceptions=True))[0]

    begun = time.monotonic()
    lost = asyncio.run(story())
    assert isinstance(lost, drawdown.UnavailableError) and not lost.definite
    assert time.monotonic() - begun < 10


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
