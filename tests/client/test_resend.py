"""Recorders over a server that dies: everything arrives once, in the right sum, with the same ids."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from pathlib import Path

import drawdown
import drawdown.aio
import pytest
from drawdown.cli.server_process import ServerProcess, free_port
from drawdown.client.recorder import RecorderOptions

from .conftest import prepare


@pytest.fixture
def server(tmp_path: Path) -> ServerProcess:
    """A server on a port of its own, so that it can come back to it. The test stops it."""
    process = ServerProcess(tmp_path / "data", listen=f"127.0.0.1:{free_port()}")
    process.start()
    with drawdown.connect(process.target) as connection:
        prepare(connection)
        connection.create_account("a")
        connection.create_grant("a", "credits", amount="1000000", grant_id="g")
    return process


def test_a_recorder_sends_again_what_has_no_ack(server: ServerProcess) -> None:
    """kill -9 twice under load: each event is burned exactly once."""
    events = 30_000
    try:
        with (
            drawdown.connect(server.target) as database,
            database.recorder(batch=100, options=RecorderOptions(window=4, backoff_s_max=0.2)) as recorder,
        ):
            killer = threading.Thread(target=kill_twice, args=(server,))
            killer.start()
            for _ in range(events):
                recorder.record("a", "calls")
            killer.join()
            recorder.flush(timeout_s=60)
            totals = recorder.totals
            assert totals.applied + totals.duplicates == events
            assert totals.refused == 0
            assert totals.reconnects >= 1
            assert database.balance("a", "credits").available == 1_000_000 - events
    finally:
        server.stop()


def kill_twice(server: ServerProcess) -> None:
    for _ in range(2):
        time.sleep(0.1)
        server.kill()
        server.start()


def test_record_waits_while_the_window_is_full(server: ServerProcess) -> None:
    """Memory is bounded: with nobody acknowledging, the recorder takes a window and no more."""
    try:
        database = drawdown.connect(server.target)
        recorder = database.recorder(batch=10, options=RecorderOptions(window=3, backoff_s_max=0.1))
        recorder.record("a", "calls")
        recorder.flush(timeout_s=30)
        server.kill()
        taken: list[int] = []

        def fill() -> None:
            for number in range(100):
                recorder.record("a", "calls")
                taken.append(number)

        filler = threading.Thread(target=fill)
        filler.start()
        filler.join(timeout=1.5)
        assert filler.is_alive()
        assert len(taken) <= 3 * 10
        with pytest.raises(drawdown.UnavailableError):
            recorder.flush(timeout_s=0.05)
        server.start()
        filler.join(timeout=30)
        recorder.close()
        assert database.balance("a", "credits").available == 1_000_000 - 101
        database.close()
    finally:
        server.stop()


def test_a_recorder_gives_up_after_its_time(server: ServerProcess) -> None:
    """Nothing is hidden: after ``retry_s`` without an ack the error reaches the caller."""
    with drawdown.connect(server.target) as database:
        recorder = database.recorder(batch=1, options=RecorderOptions(retry_s=0.5, backoff_s_max=0.1))
        server.kill()
        recorder.record("a", "calls")
        with pytest.raises(drawdown.UnavailableError) as given_up:
            recorder.flush(timeout_s=30)
        assert "within" not in given_up.value.message, "the flush timed out; the recorder did not give up"
        with pytest.raises(drawdown.UnavailableError):
            recorder.close()
        assert recorder.unacknowledged == 1


@pytest.mark.parametrize("form", ["threads", "awaited"])
def test_a_recorder_that_was_idle_lives_through_a_restart(server: ServerProcess, form: str) -> None:
    """What is recorded after an idle hour has waited for nothing yet when the server dies with it in hand."""
    try:
        if form == "awaited":
            asyncio.run(idle_awaited(server))
        else:
            with drawdown.connect(server.target) as database:
                recorder = database.recorder(batch=1, options=IDLE)
                recorder.record("a", "calls", event_id="first")
                recorder.flush(timeout_s=30)
                # As if the hour were over.
                recorder._progress_at -= 3600  # type: ignore[attr-defined]
                os.kill(server.pid, signal.SIGSTOP)
                recorder.record("a", "calls", event_id="second")
                restart(server)
                recorder.close()
        with drawdown.connect(server.target) as database:
            assert database.balance("a", "credits").available == 1_000_000 - 2
    finally:
        server.stop()


async def idle_awaited(server: ServerProcess) -> None:
    async with drawdown.aio.connect(server.target) as database:
        recorder = database.recorder(batch=1, options=IDLE)
        await recorder.record("a", "calls", event_id="first")
        await recorder.flush(timeout_s=30)
        recorder._progress_at -= 3600
        os.kill(server.pid, signal.SIGSTOP)
        await recorder.record("a", "calls", event_id="second")
        # The stream takes it before the server dies.
        await asyncio.sleep(0.1)
        await asyncio.to_thread(restart, server)
        await recorder.close()


IDLE = RecorderOptions(retry_s=60, backoff_s_max=0.2)


def restart(server: ServerProcess) -> None:
    server.kill()
    server.start()


def test_the_asyncio_form_records_and_sends_again(server: ServerProcess) -> None:
    """The awaited interface: record, check, reads, and a recorder over a kill."""
    try:
        asyncio.run(awaited(server))
    finally:
        server.stop()


async def awaited(server: ServerProcess) -> None:
    async with drawdown.aio.connect(server.target) as database:
        assert (await database.create_account("b")).status == "OK"
        assert await database.create_grant("b", "credits", amount="50000", grant_id="g")
        assert (await database.record("b", "calls", event_id="e")).available == 49_999
        assert await database.check("b", "calls", quantity=49_999)
        assert not await database.check("b", "calls", quantity=50_000)
        with pytest.raises(drawdown.AccountNotFoundError):
            await database.balance("nobody", "credits")
        with pytest.raises(drawdown.InvalidRequestError):
            await database.create_grant("b", "credits", amount="1", grant_id="h", priority=0)
        options = RecorderOptions(window=4, backoff_s_max=0.2)
        async with database.recorder(batch=100, options=options) as recorder:
            for number in range(10_000):
                await recorder.record("b", "calls")
                if number == 3_000:
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
            await recorder.flush(timeout_s=60)
            assert recorder.totals.applied + recorder.totals.duplicates == 10_000
        assert (await database.balance("b", "credits")).available == 39_999
        assert await database.verify()


@pytest.mark.parametrize("in_use", [True, False])
def test_a_recorder_of_a_closed_connection_says_so(server: ServerProcess, in_use: bool) -> None:
    """Whether its stream was open or not: what is recorded afterwards does not wait for ever."""

    async def awaited() -> None:
        database = drawdown.aio.connect(server.target)
        recorder = database.recorder(batch=1)
        if in_use:
            await recorder.record("a", "calls")
            await recorder.flush(timeout_s=30)
        await database.close()
        with pytest.raises(drawdown.PreconditionError) as ended:
            await recorder.record("a", "calls")
            await recorder.flush(timeout_s=30)
        assert ended.value.reason == "CONNECTION_CLOSED"

    try:
        asyncio.run(awaited())
        database = drawdown.connect(server.target)
        recorder = database.recorder(batch=1)
        if in_use:
            recorder.record("a", "calls")
            recorder.flush(timeout_s=30)
        database.close()
        with pytest.raises(drawdown.PreconditionError) as ended:
            recorder.record("a", "calls")
            recorder.flush(timeout_s=30)
        assert ended.value.reason == "CONNECTION_CLOSED"
    finally:
        server.stop()


def test_a_recorder_whose_task_is_cancelled_has_ended(server: ServerProcess) -> None:
    async def awaited() -> None:
        async with drawdown.aio.connect(server.target) as database:
            recorder = database.recorder(batch=1)
            await recorder.record("a", "calls")
            await recorder.flush(timeout_s=30)
            assert recorder._task is not None
            recorder._task.cancel()
            await asyncio.sleep(0)
            with pytest.raises(drawdown.UnavailableError):
                await recorder.record("a", "calls")
                await recorder.flush(timeout_s=30)
            with pytest.raises(drawdown.UnavailableError):
                await recorder.close()

    try:
        asyncio.run(awaited())
    finally:
        server.stop()
