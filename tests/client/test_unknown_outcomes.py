"""What may have been applied is never called definite, whatever became of a later attempt."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import drawdown
import drawdown.aio
import grpc
import pytest
from drawdown.cli.server_process import ServerProcess, free_port
from drawdown.client.recorder import RecorderOptions
from drawdown.model.rights import Right
from drawdown.storage.key_file import KeyFile

from .conftest import prepare
from .forwarder import Forwarder, forwarding

LATER = {
    "shed": drawdown.OverloadedError("the key makes more calls than it may", reason="RATE_LIMITED"),
    "stranger": drawdown.UnauthenticatedError("a live API key is needed"),
}


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[Forwarder]:
    with forwarding(server.target) as made:
        yield made


def raised_by(proxy: Forwarder, form: str, account: str) -> drawdown.DrawdownError:
    """What recording one event over the proxy raises."""
    event = {"account": account, "meter": "calls", "event_id": "e"}

    async def awaited() -> None:
        async with drawdown.aio.connect(proxy.address, timeout_s=1.5) as db:
            await db.record_batch([event])

    with pytest.raises(drawdown.DrawdownError) as raised:
        if form == "awaited":
            asyncio.run(awaited())
        else:
            with drawdown.connect(proxy.address, timeout_s=1.5) as db:
                db.record_batch([event])
    return raised.value


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("form", ["threads", "awaited"])
def test_a_lost_ack_is_not_forgotten_by_a_later_refusal(
    server: ServerProcess, proxy: Forwarder, form: str, later: str
) -> None:
    """The first attempt was applied and its answer lost; a repeat of it is refused at the door."""
    account = f"lost-{form}-{later}"
    with drawdown.connect(server.target) as db:
        db.create_account(account)
        db.create_grant(account, "credits", amount="10", grant_id="g")
        proxy.after = lambda method, number: (
            grpc.StatusCode.UNAVAILABLE if (method, number) == ("RecordUsage", 1) else None
        )
        proxy.instead = lambda method, number: (
            LATER[later] if method == "RecordUsage" and number > 1 else None
        )
        raised = raised_by(proxy, form, account)
        assert type(raised) is type(LATER[later])
        assert not raised.definite
        assert db.balance(account, "credits").available == 9


def test_a_refusal_of_the_only_attempt_is_definite(server: ServerProcess, proxy: Forwarder) -> None:
    proxy.instead = lambda method, _: LATER["stranger"] if method == "RecordUsage" else None
    assert raised_by(proxy, "threads", "nobody").definite


def test_an_answer_that_did_not_fit_is_not_a_refusal(proxy: Forwarder) -> None:
    """gRPC's own word for a message too large has no details, and may be about the answer."""
    proxy.after = lambda method, _: grpc.StatusCode.RESOURCE_EXHAUSTED if method == "RecordUsage" else None
    assert not raised_by(proxy, "threads", "nobody").definite


@pytest.mark.parametrize("form", ["threads", "awaited"])
def test_a_recorder_that_ends_after_a_break_is_not_definite(tmp_path: Path, form: str) -> None:
    """The server dies with a batch in hand; when it is back, the key has been revoked."""
    data = tmp_path / "data"
    keys = KeyFile(data)
    key, text = keys.create("recorder", set(Right))
    server = ServerProcess(data, listen=f"127.0.0.1:{free_port()}")
    server.start()
    try:
        with drawdown.connect(server.target, api_key=text) as db:
            prepare(db)
            db.create_account("a")
        options = RecorderOptions(retry_s=60, backoff_s_max=0.2)

        def break_and_revoke() -> None:
            server.kill()
            keys.revoke(key.key_id)
            server.start()

        async def awaited() -> None:
            async with drawdown.aio.connect(server.target, api_key=text) as db:
                recorder = db.recorder(batch=1, options=options)
                await recorder.record("a", "calls")
                await recorder.flush(timeout_s=30)
                os.kill(server.pid, signal.SIGSTOP)
                await recorder.record("a", "calls")
                await asyncio.sleep(0.1)
                await asyncio.to_thread(break_and_revoke)
                await recorder.flush(timeout_s=60)

        with pytest.raises(drawdown.UnauthenticatedError) as raised:
            if form == "awaited":
                asyncio.run(awaited())
            else:
                with drawdown.connect(server.target, api_key=text) as db:
                    recorder = db.recorder(batch=1, options=options)
                    recorder.record("a", "calls")
                    recorder.flush(timeout_s=30)
                    os.kill(server.pid, signal.SIGSTOP)
                    recorder.record("a", "calls")
                    time.sleep(0.1)
                    break_and_revoke()
                    recorder.flush(timeout_s=60)
        assert not raised.value.definite
    finally:
        server.stop()
