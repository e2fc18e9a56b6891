"""Turns by bytes, and the queue of large calls: nobody crowds the others, and what is too late is refused."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from drawdown import errors
from drawdown.server import call_queue
from drawdown.server.call_queue import CallQueue
from drawdown.server.senders import Sender
from drawdown.server.turns import BATCH_BYTES, QUANTUM_BYTES, Line, Ring, Turn

LARGE = QUANTUM_BYTES - BATCH_BYTES


def waiting(ring: Ring, line: Line, loop: asyncio.AbstractEventLoop, *sizes: int) -> list[Turn]:
    turns = [loop.create_future() for _ in sizes]
    for turn, size in zip(turns, sizes, strict=True):
        ring.add(line, size, turn)
    return turns


def given(turns: list[Turn]) -> int:
    return sum(turn.done() for turn in turns)


@pytest.fixture
def loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def test_a_round_gives_every_caller_as_many_bytes(loop: asyncio.AbstractEventLoop) -> None:
    ring, crowd, single = Ring(), Line(), Line()
    many = waiting(ring, crowd, loop, *[LARGE] * 100)
    one = waiting(ring, single, loop, 100)
    ring.give_round()
    assert (given(many), given(one)) == (1, 1)
    ring.give_round()
    assert given(many) == 2
    assert ring.bytes == 98 * QUANTUM_BYTES == crowd.bytes


def test_small_batches_share_a_visit_and_a_huge_one_saves_up(loop: asyncio.AbstractEventLoop) -> None:
    ring, small, huge = Ring(), Line(), Line()
    few = waiting(ring, small, loop, *[LARGE // 8] * 6)
    big = waiting(ring, huge, loop, 10 * QUANTUM_BYTES)
    ring.give_round()
    assert given(few) == 6
    for _ in range(9):
        ring.give_round()
    assert given(big) == 0
    ring.give_round()
    assert given(big) == 1
    assert len(ring) == 0 == ring.bytes


def test_one_turn_at_a_time_goes_around_too(loop: asyncio.AbstractEventLoop) -> None:
    ring, crowd, single = Ring(), Line(), Line()
    many = waiting(ring, crowd, loop, *[LARGE] * 50)
    ring.give_one()
    one = waiting(ring, single, loop, 100)
    for _ in range(3):
        assert ring.give_one()
    assert given(one) == 1
    while ring.give_one():
        pass
    assert given(many) == 50
    assert ring.bytes == 0 == len(ring)


def test_a_cancelled_turn_is_passed_over(loop: asyncio.AbstractEventLoop) -> None:
    ring, line = Ring(), Line()
    turns = waiting(ring, line, loop, 100, 100, 100)
    turns[0].cancel()
    turns[2].cancel()
    assert ring.give_one()
    assert turns[1].done() and not turns[1].cancelled()
    assert not ring.give_one()
    assert ring.bytes == 0 == line.bytes


def busy(done: list[str], name: str, seconds: float = 0.0) -> Callable[[], str]:
    def work() -> str:
        time.sleep(seconds)
        done.append(name)
        return name

    return work


def test_what_would_wait_too_long_is_refused_at_once_and_another_caller_is_not() -> None:
    async def story() -> None:
        queue = CallQueue(asyncio.get_running_loop())
        noisy, quiet, done = Sender(), Sender(), []
        batch = bytes(call_queue.LARGE_BYTES)

        async def call(sender: Sender, name: str) -> str:
            try:
                return await queue.run(sender, batch, busy(done, name, 0.02))
            except errors.OverloadedError as refused:
                assert refused.definite and refused.retryable
                return "refused"

        calls = [asyncio.create_task(call(noisy, "noisy")) for _ in range(200)]
        await asyncio.sleep(0)
        other = asyncio.create_task(call(quiet, "quiet"))
        answers = await asyncio.gather(*calls)
        assert await other == "quiet", "a caller within its share has its place"
        assert answers.count("refused") == queue.refused > 100
        assert done.count("noisy") == answers.count("noisy") >= call_queue.PLACES
        assert done.index("quiet") <= 2 * call_queue.PLACES + 1
        assert queue.waiting_bytes == 0
        queue.close()

    asyncio.run(story())


def test_a_caller_that_gives_up_leaves_its_place_to_others() -> None:
    async def story() -> None:
        queue = CallQueue(asyncio.get_running_loop())
        sender, done = Sender(), []
        hold = threading.Event()
        batch = bytes(100)
        first = [asyncio.create_task(queue.run(sender, batch, hold.wait)) for _ in range(call_queue.PLACES)]
        await asyncio.sleep(0)
        waits = [asyncio.create_task(queue.run(sender, batch, busy(done, str(n)))) for n in range(3)]
        await asyncio.sleep(0)
        waits[0].cancel()
        first[0].cancel()
        await asyncio.sleep(0)
        hold.set()
        assert await waits[1] == "1"
        assert await waits[2] == "2"
        # They may have run side by side, in either order.
        assert sorted(done) == ["1", "2"]
        assert await queue.run(sender, batch, busy(done, "3")) == "3"
        queue.close()

    asyncio.run(story())


def test_a_place_is_free_when_its_thread_is_not_when_its_caller_gave_up() -> None:
    async def story() -> None:
        queue = CallQueue(asyncio.get_running_loop())
        sender, done = Sender(), []
        hold = threading.Event()
        batch = bytes(100)
        first = [asyncio.create_task(queue.run(sender, batch, hold.wait)) for _ in range(call_queue.PLACES)]
        await asyncio.sleep(0)
        wait = asyncio.create_task(queue.run(sender, batch, busy(done, "next")))
        await asyncio.sleep(0)
        waiting_bytes, bytes_per_s = queue.waiting_bytes, queue.bytes_per_s
        for call in first:
            call.cancel()
        await asyncio.wait(first)
        still_waiting_bytes, still_bytes_per_s = queue.waiting_bytes, queue.bytes_per_s
        hold.set()
        assert all(call.cancelled() for call in first), "a caller is let go at once"
        assert still_waiting_bytes == waiting_bytes > 0, "both threads still work"
        assert still_bytes_per_s == bytes_per_s, "work that goes on took nobody knows how long"
        assert await wait == "next"
        assert queue.bytes_per_s != bytes_per_s
        assert queue.waiting_bytes == 0
        queue.close()

    asyncio.run(story())


def test_a_caller_with_nothing_waiting_is_let_in_whatever_the_others_do() -> None:
    async def story() -> None:
        queue = CallQueue(asyncio.get_running_loop())
        noisy, quiet = Sender(), Sender()
        hold = threading.Event()
        large = bytes(4 << 20)
        working = [asyncio.create_task(queue.run(noisy, large, hold.wait)) for _ in range(1)]
        await asyncio.sleep(0)
        refused = 0
        try:
            # Its call may be a small one, which does not wait here.
            queue.admit(quiet)
            try:
                queue.admit(quiet, call_queue.LARGE_BYTES)
            except errors.OverloadedError:
                refused += 1
        finally:
            hold.set()
        await asyncio.wait(working)
        assert refused == 1, "a large one would wait too long"
        queue.close()

    asyncio.run(story())


def test_streams_wait_for_their_place_in_turn_and_are_not_refused() -> None:
    async def story() -> None:
        queue = CallQueue(asyncio.get_running_loop())
        noisy, other, done = Sender(), Sender(), []
        batch = bytes(QUANTUM_BYTES - BATCH_BYTES)
        calls = [
            asyncio.create_task(queue.wait_and_run(noisy, batch, busy(done, "noisy", 0.002)))
            for _ in range(60)
        ]
        await asyncio.sleep(0)
        late = asyncio.create_task(queue.wait_and_run(other, batch, busy(done, "other", 0.002)))
        assert await late == "other"
        assert done.index("other") <= 2 * call_queue.PLACES + 1, "a crowd of one caller stands in one line"
        assert await asyncio.gather(*calls) == ["noisy"] * 60
        assert queue.refused == 0 == queue.waiting_bytes
        queue.close()

    asyncio.run(story())
