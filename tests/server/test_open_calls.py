"""Open calls are bounded on all connections together, and whoever comes when there is no room is told so."""

import asyncio
from typing import Any

import grpc
import grpc.aio
from drawdown import errors
from drawdown.client.rpc_errors import error_of
from drawdown.server.context import Context
from drawdown.server.method_table import MethodTable
from drawdown.server.open_calls import LOOK_S, ROOM_PARTS, OpenCalls, open_calls

METHODS = {"unary": "/test.Held/Unary", "stream": "/test.Held/Stream"}


class World:
    """A clock, and calls that begin and end."""

    def __init__(self, calls_max: int) -> None:
        self.now = 100.0
        self.open = 0
        self.counted = 0
        self.bound = OpenCalls(calls_max, self._count, lambda: self.now)

    def _count(self) -> int:
        self.counted += 1
        return self.open

    def begin(self, calls: int) -> int:
        """How many of them were let in."""
        before = self.open
        for _ in range(calls):
            self.open += self.bound.admit()
        return self.open - before


def test_never_more_than_the_bound_are_open_and_few_counts_are_made() -> None:
    world = World(1_000)
    assert world.begin(5_000) <= 1_000
    assert world.open >= 1_000 - 1_000 // ROOM_PARTS
    assert world.bound.refused == 5_000 - world.open
    assert world.counted < 20
    assert world.begin(1) == 0


def test_calls_that_come_and_go_are_counted_once_in_as_many_as_there_is_room_for() -> None:
    world = World(1_000)
    for _ in range(10_000):
        assert world.begin(1) == 1
        world.open -= 1
    assert world.counted <= 11


def test_room_is_looked_for_again_after_a_while() -> None:
    world = World(100)
    world.begin(200)
    world.open = 10
    assert world.begin(1) == 0, "not at once: to count costs something"
    world.now += LOOK_S * 1.01
    assert world.begin(80) == 80


def test_a_call_too_many_is_refused_definitely_and_one_later_is_served() -> None:
    asyncio.run(_hold_and_refuse())


async def _hold_and_refuse() -> None:
    release, begun, now = asyncio.Event(), [0], [0.0]

    async def unary(request: bytes, _: Context) -> bytes:
        begun[0] += 1
        await release.wait()
        return request

    async def stream(_: object, context: Context) -> None:
        await context.write(b"said")

    calls_max = 64
    bound = OpenCalls(calls_max, clock=lambda: now[0])
    table = MethodTable(open_calls=bound)
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Stream": grpc.stream_stream_rpc_method_handler(stream),
    }
    table.add("test.Held", handlers)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((table,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The caller's threads are none of this loop's tasks.
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(METHODS["unary"])
        held = [call.future(b"said", timeout=20) for _ in range(2 * calls_max)]
        while begun[0] + bound.refused < len(held):
            await asyncio.sleep(0.01)
        assert calls_max * 3 // 4 < begun[0] <= calls_max
        assert begun[0] <= open_calls() <= begun[0] + 4
        release.set()
        answers = await asyncio.to_thread(lambda: [_answer_of(each) for each in held])
        refused = [each for each in answers if isinstance(each, errors.DrawdownError)]
        assert len(refused) == bound.refused and answers.count(b"said") == begun[0]
        assert all(isinstance(each, errors.OverloadedError) and each.definite for each in refused)
        streamed = channel.stream_stream(METHODS["stream"])(iter([b"said"]), timeout=20)
        assert isinstance(await asyncio.to_thread(_first_of, streamed), errors.OverloadedError)
        now[0] += LOOK_S * 1.01
        assert await asyncio.to_thread(call, b"again", 20) == b"again"
    await server.stop(None)


def _answer_of(call: Any) -> bytes | errors.DrawdownError:
    try:
        answer: bytes = call.result()
    except grpc.RpcError as failure:
        return error_of(failure)
    return answer


def _first_of(stream: Any) -> bytes | errors.DrawdownError:
    try:
        answer: bytes = next(stream)
    except grpc.RpcError as failure:
        return error_of(failure)
    return answer
