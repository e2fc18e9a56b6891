"""Calls in front of the loop: what gRPC counts is what the server sees, and a long list is known as one."""

import asyncio
import itertools
import time

import grpc
import grpc.aio
from drawdown import config
from drawdown.server import arrivals
from drawdown.server.arrivals import CALLS_MIN, LOST_S, Arrivals, begun_calls
from drawdown.server.context import Context
from drawdown.server.method_table import MethodTable
from drawdown.server.options import channel_arguments

# A little more than the pause between two counts.
LOOK_S = arrivals.LOOK_S * 1.01


class World:
    """A clock, and calls that begin and are seen."""

    def __init__(self) -> None:
        self.now = 100.0
        self.begun = 0
        self.arrivals = Arrivals(lambda: self.begun, lambda: self.now)

    def after(self, seconds: float, *, begun: int = 0, seen: int = 0) -> bool:
        self.now += seconds
        self.begun += begun
        self.arrivals.seen += seen
        return self.arrivals.are_long()


def test_a_list_is_long_from_the_wait_that_it_means_until_it_has_been_worked_off() -> None:
    world = World()
    assert not world.after(LOOK_S, begun=100, seen=100)
    assert not world.after(LOOK_S, begun=CALLS_MIN - 1)
    assert world.after(LOOK_S, begun=1_000)
    assert world.arrivals.unseen == 1_000 + CALLS_MIN - 1
    assert world.after(0.01, seen=1_005), "not counted anew at once"
    assert not world.after(LOOK_S, begun=3), "but soon, as it should be worked off by now"
    assert world.arrivals.unseen == 5


def test_how_long_a_call_waits_is_measured_where_one_follows_the_other() -> None:
    slow, quick = World(), World()
    for _ in range(40):
        assert not slow.after(LOOK_S, begun=2, seen=2), "one at a time is no list however slow it is"
    slow.after(LOOK_S, begun=20)
    for _ in range(20):
        slow.after(0.2, begun=20, seen=20)
    assert slow.after(0.2, begun=20, seen=20), "twenty calls of 10 ms"
    quick.after(LOOK_S, begun=20)
    for _ in range(20):
        quick.after(0.2, begun=2_000, seen=2_000)
    assert not quick.after(0.2, begun=2_500, seen=2_000), "five hundred of 0.1 ms"


def test_all_are_refused_while_that_makes_the_list_shorter_and_from_time_to_time_to_see_whether_it_does() -> (
    None
):
    world = World()
    assert world.after(LOOK_S, begun=2_000)
    for _ in range(15):
        assert world.after(0.1, begun=50, seen=100) and world.arrivals.shrink
    told = []
    for _ in range(40):
        assert world.after(0.1, begun=100, seen=100)
        told.append(world.arrivals.shrink)
    assert told[:4] == [True] * 4 and not any(told[6:18]) and any(told[18:24]) and not all(told[24:])


def test_it_is_not_counted_anew_for_every_call() -> None:
    counted = 0

    def begun() -> int:
        nonlocal counted
        counted += 1
        return 1_000 * (counted > 1)

    times = itertools.count(5.0, arrivals.LOOK_LONG_S / 50)
    watched = Arrivals(begun, lambda: next(times))
    for _ in range(200):
        watched.are_long()
    assert 4 <= counted <= 7


def test_calls_that_are_never_handed_out_are_forgotten() -> None:
    busy = World()
    assert busy.after(LOOK_S, begun=1_000)
    told = [busy.after(0.11, begun=50, seen=50) for _ in range(int(LOST_S * 10) + 5)]
    assert told[0] and not told[-1]
    assert busy.after(LOOK_S, begun=500), "another list is seen as before"
    idle = World()
    assert idle.after(LOOK_S, begun=1_001, seen=1)
    assert not idle.after(LOST_S / 5, begun=1, seen=1), "in between nothing was there to be seen"
    assert idle.after(LOOK_S, begun=500, seen=1)


def test_grpc_counts_the_calls_that_stand_in_front_of_a_busy_loop() -> None:
    assert asyncio.run(_stand_in_front()) == (0, True, 0)


async def _stand_in_front() -> tuple[int, bool, int]:
    """Unseen calls before, whether they were many while the loop was busy, and after."""
    watched = Arrivals(begun_calls())
    table = MethodTable(watched)

    async def answer(request: bytes, _: Context) -> bytes:
        return request

    table.add("test.Front", {"Call": grpc.unary_unary_rpc_method_handler(answer)})
    server = grpc.aio.server(options=channel_arguments(config.load(environment={}, flags={}).process))
    server.add_generic_rpc_handlers((table,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary("/test.Front/Call")
            await call(b"")
            time.sleep(LOOK_S)
            watched.are_long()
            before = watched.unseen
            flying = [call(b"", timeout=20) for _ in range(200)]
            most = 0
            for _ in range(200):
                # The loop sees some of them, and stands still meanwhile.
                await asyncio.sleep(0)
                time.sleep(LOOK_S / 4)
                watched.are_long()
                most = max(most, watched.unseen)
                if most > CALLS_MIN:
                    break
            await asyncio.gather(*flying)
            time.sleep(arrivals.LOOK_LONG_S)
            watched.are_long()
            return before, most > CALLS_MIN, watched.unseen
    finally:
        await server.stop(None)
