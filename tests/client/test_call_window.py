"""A client that is shed sends no more at a time than the server takes, and keeps the others' turn."""

from __future__ import annotations

import asyncio
import math
import signal
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import drawdown
import drawdown.aio
import grpc
import pytest
from drawdown import errors
from drawdown.cli.server_process import ServerProcess
from drawdown.client import channel as channels
from drawdown.client.call_window import AioWindowedMethod, CallWindow, WindowedMethod
from drawdown.client.sync import Connection
from drawdown.server.status import details_of

TAKEN = 3
WORK_S = 0.01


def served(window: CallWindow, calls: int) -> None:
    for _ in range(calls):
        window.end(window.begin(), shed=False)


def test_a_client_that_was_never_shed_has_no_window() -> None:
    window = CallWindow()
    begun = [window.begin() for _ in range(10_000)]
    assert window.has_room()
    for each in begun:
        window.end(each, shed=False)
    assert window.size == math.inf


def test_refusals_of_calls_that_were_open_together_close_the_window_once() -> None:
    window = CallWindow()
    begun = [window.begin() for _ in range(20)]
    for each in begun[:10]:
        window.end(each, shed=True)
    assert window.size == pytest.approx(20 * CallWindow.KEPT)
    window.end(window.begin(), shed=True)
    assert window.size < 11 * CallWindow.KEPT + 1


def test_there_is_always_room_for_one_call() -> None:
    window = CallWindow()
    for _ in range(50):
        window.end(window.begin(), shed=True)
    assert window.size == 1.0
    assert window.has_room()


def test_a_window_opens_again_by_what_is_served_while_it_is_full() -> None:
    window = CallWindow()
    window.end(window.begin(), shed=True)
    served(window, 1_000)
    assert 10 > window.size > 1 / CallWindow.GROWN / 10
    # One call at a time does not fill it, and says nothing of how many more there could be.
    before = window.size
    served(window, 1_000)
    assert window.size == before


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_client_that_is_not_shed_any_more_has_no_window_again() -> None:
    """One call was shed, and an idle server took one at a time from then on."""
    clock = Clock()
    window = CallWindow(clock)
    window.end(window.begin(), shed=True)
    clock.now += CallWindow.DOUBLES_AFTER_S * 0.9
    assert window.has_room() and window.size == 1.0
    for size in (2.0, 4.0, 8.0):
        clock.now += CallWindow.DOUBLES_AFTER_S
        assert window.has_room() and window.size == size
    clock.now += 3_600
    assert window.has_room() and window.size == math.inf
    served(window, 1)
    assert window.size == math.inf


def test_a_window_that_is_still_shed_does_not_double() -> None:
    clock = Clock()
    window = CallWindow(clock)
    for _ in range(20):
        window.end(window.begin(), shed=True)
        clock.now += CallWindow.DOUBLES_AFTER_S * 0.9
        assert window.has_room() and window.size == 1.0


def test_a_window_opens_as_far_as_it_is_used() -> None:
    window = CallWindow()
    window.end(window.begin(), shed=True)
    for _ in range(100_000):
        open_now = [window.begin() for _ in range(8) if window.has_room()]
        for each in open_now:
            window.end(each, shed=False)
    assert 8 <= window.size < 10


@dataclass
class Shedding:
    """A server that does ``taken`` calls at a time and sheds the others."""

    taken: int = TAKEN
    address: str = ""
    open: int = 0
    most: int = 0
    served: int = 0
    shed: int = 0
    held: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
            shed = self.open > self.taken
        try:
            if shed:
                self.shed += 1
                fault = errors.OverloadedError("too many")
                context.set_trailing_metadata((("grpc-status-details-bin", details_of(fault)),))
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many")
            time.sleep(WORK_S)
            self.held.wait()
            self.served += 1
            return body
        finally:
            with self._lock:
                self.open -= 1


@pytest.fixture
def shedding() -> Iterator[Shedding]:
    found = Shedding()
    found.held.set()
    with serving(found):
        yield found


@contextmanager
def serving(found: Shedding) -> Iterator[None]:
    server = grpc.server(futures.ThreadPoolExecutor(64))
    _, service, name = channels.RECORD_USAGE.split("/")
    handler = grpc.unary_unary_rpc_method_handler(found.answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    found.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield
    finally:
        found.held.set()
        server.stop(None).wait()


def in_threads(method: Any, callers: int, calls: int) -> tuple[int, int]:
    """So many callers of so many calls each; how many calls were done and how many shed."""

    def caller(_: int) -> int:
        done = 0
        for number in range(calls):
            try:
                assert method(b"%d" % number, timeout=10.0) == b"%d" % number
                done += 1
            except grpc.RpcError:
                pass
        return done

    with futures.ThreadPoolExecutor(callers) as pool:
        done = sum(pool.map(caller, range(callers)))
    return done, callers * calls - done


async def in_tasks(method: Any, callers: int, calls: int) -> tuple[int, int]:
    async def caller() -> int:
        done = 0
        for number in range(calls):
            try:
                assert await method(b"%d" % number, timeout=10.0) == b"%d" % number
                done += 1
            except grpc.RpcError:
                pass
        return done

    done = sum(await asyncio.gather(*(caller() for _ in range(callers))))
    return done, callers * calls - done


@pytest.mark.parametrize("form", ["threads", "awaited"])
def test_after_the_first_refusals_few_calls_are_shed(shedding: Shedding, form: str) -> None:
    """Forty callers where three are served: of what each sends by itself nearly all would be shed."""
    if form == "threads":
        with grpc.insecure_channel(shedding.address) as channel:
            method = WindowedMethod(channel.unary_unary(channels.RECORD_USAGE))
            done, shed = in_threads(method, 40, 10)
            window = method.window
    else:

        async def awaited() -> tuple[int, int, CallWindow]:
            async with grpc.aio.insecure_channel(shedding.address) as channel:
                method = AioWindowedMethod(channel.unary_unary(channels.RECORD_USAGE))
                return *(await in_tasks(method, 40, 10)), method.window

        done, shed, window = asyncio.run(awaited())
    assert (done, shed) == (shedding.served, shedding.shed)
    # The first forty are on their way together, and then one in some ten.
    assert shed <= 40 + done / 3
    assert window.open == 0
    assert window.size <= 2 * TAKEN


@pytest.fixture
def held(shedding: Shedding) -> Shedding:
    """The same, where what is being done goes on until ``held`` is set."""
    shedding.taken = 1
    shedding.held.clear()
    return shedding


def test_a_call_that_found_no_room_was_not_sent(held: Shedding) -> None:
    with grpc.insecure_channel(held.address) as channel, futures.ThreadPoolExecutor(1) as pool:
        method = WindowedMethod(channel.unary_unary(channels.RECORD_USAGE))
        first = pool.submit(method, b"first", timeout=20.0)
        while held.open == 0:
            time.sleep(0.005)
        with pytest.raises(grpc.RpcError):
            method(b"shed", timeout=20.0)
        before = time.monotonic()
        with pytest.raises(errors.OverloadedError, match="not sent") as refused:
            method(b"kept back", timeout=0.4)
        assert time.monotonic() - before == pytest.approx(0.2, abs=0.15)
        assert refused.value.definite
        assert refused.value.retryable
        assert held.most == 2
        held.held.set()
        assert first.result() == b"first"
        assert method(b"last", timeout=20.0) == b"last"
        assert method.window.open == 0


class Interrupted(Exception):
    pass


def test_who_is_interrupted_while_he_waits_leaves_his_turn_to_the_next(held: Shedding) -> None:
    """A signal's handler may raise in the midst of a wait, as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with grpc.insecure_channel(held.address) as channel, futures.ThreadPoolExecutor(1) as pool:
            method = WindowedMethod(channel.unary_unary(channels.RECORD_USAGE))
            first = pool.submit(method, b"first", timeout=20.0)
            while held.open == 0:
                time.sleep(0.005)
            with pytest.raises(grpc.RpcError):
                method(b"shed", timeout=20.0)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupted):
                method(b"interrupted", timeout=20.0)
            held.held.set()
            assert first.result() == b"first"
            assert method(b"last", timeout=1.0) == b"last"
            assert (held.served, method.window.open) == (2, 0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_task_that_stops_waiting_leaves_its_turn_to_the_next(held: Shedding) -> None:
    async def told() -> None:
        async with grpc.aio.insecure_channel(held.address) as channel:
            method = AioWindowedMethod(channel.unary_unary(channels.RECORD_USAGE))
            first = asyncio.create_task(method(b"first", timeout=20.0))
            while held.open == 0:
                await asyncio.sleep(0.005)
            with pytest.raises(grpc.RpcError):
                await method(b"shed", timeout=20.0)
            gone, stays = (asyncio.create_task(method(each, timeout=20.0)) for each in (b"gone", b"stays"))
            await asyncio.sleep(0.05)
            gone.cancel()
            held.held.set()
            assert (await first, await stays) == (b"first", b"stays")
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert (held.served, method.window.open) == (2, 0)

    asyncio.run(told())


def test_a_task_cancelled_as_its_turn_comes_gives_it_back() -> None:
    async def told() -> None:
        answered = asyncio.Event()

        async def method(request: str, timeout: float) -> str:
            await answered.wait()
            return request

        windowed = AioWindowedMethod(method)
        windowed.window.end(windowed.window.begin(), shed=True)
        first = asyncio.create_task(windowed("first", timeout=20.0))
        await asyncio.sleep(0)
        gone = asyncio.create_task(windowed("gone", timeout=20.0))
        await asyncio.sleep(0)
        # In the moment in which the first ends, its turn is given, and before it could take it.
        first.add_done_callback(lambda _: gone.cancel())
        answered.set()
        assert await first == "first"
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert windowed.window.open == 0
        assert await windowed("last", timeout=20.0) == "last"

    asyncio.run(told())


@pytest.mark.parametrize("form", ["threads", "awaited"])
def test_the_batches_of_one_connection_go_through_one_window(server: ServerProcess, form: str) -> None:
    """What is kept back was never sent: it is certain that nothing of it was applied, and it is new later."""
    event = {"account": f"kept-back-{form}", "meter": "calls", "event_id": "e"}

    def fill(window: CallWindow) -> None:
        window.end(window.begin(), shed=True)
        window.begin()

    def with_threads() -> errors.DrawdownError:
        with drawdown.connect(server.target, timeout_s=1.0) as db:
            assert isinstance(db, Connection)
            fill(db._record_usage.window)
            with pytest.raises(errors.OverloadedError, match="not sent") as refused:
                db.record_batch([event])
        return refused.value

    async def with_tasks() -> errors.DrawdownError:
        async with drawdown.aio.connect(server.target, timeout_s=1.0) as db:
            fill(db._record_usage.window)
            with pytest.raises(errors.OverloadedError, match="not sent") as refused:
                await db.record_batch([event])
        return refused.value

    fault = with_threads() if form == "threads" else asyncio.run(with_tasks())
    assert fault.definite
    with drawdown.connect(server.target) as db:
        db.create_account(event["account"])
        db.create_grant(event["account"], "credits", amount="5", grant_id="g")
        assert [each.status for each in db.record_batch([event])] == ["OK"]
