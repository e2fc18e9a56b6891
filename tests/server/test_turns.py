"""Turns by bytes, and the queue of large calls: nobody crowds the others, and what is too late is refused."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from drawdown import errors
from drawdown.server import arrivals, call_queue, senders
from drawdown.server.access import LOCAL
from drawdown.server.arrivals import Arrivals
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


def queue_of_calls(begun: Callable[[], int] = lambda: 0) -> CallQueue:
    """As a server's own, with nothing in front of the loop unless ``begun`` says so."""
    return CallQueue(asyncio.get_running_loop(), Arrivals(begun))


def busy(done: list[str], name: str, seconds: float = 0.0) -> Callable[[], str]:
    def work() -> str:
        time.sleep(seconds)
        done.append(name)
        return name

    return work


def test_what_would_wait_too_long_is_refused_at_once_and_another_caller_is_not() -> None:
    async def story() -> None:
        queue = queue_of_calls()
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
        queue = queue_of_calls()
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
        queue = queue_of_calls()
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
        queue = queue_of_calls()
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
                await queue.run(quiet, bytes(call_queue.LARGE_BYTES), busy([], "late"))
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
        queue = queue_of_calls()
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


def test_whoever_sends_large_batches_is_refused_before_the_next_one_while_calls_stand_unseen() -> None:
    async def story() -> None:
        begun, now = [0], [0.0]
        watched = Arrivals(lambda: begun[0], lambda: now[0])
        queue = CallQueue(asyncio.get_running_loop(), watched)
        bulk, small = Sender(), Sender()
        large = bytes(call_queue.LARGE_BYTES)
        assert await queue.run(bulk, large, busy([], "first")) == "first"
        queue.admit(bulk)
        begun[0], now[0] = 1_000, 1.0
        with pytest.raises(errors.OverloadedError) as refused:
            queue.admit(bulk)
        assert refused.value.definite and refused.value.retryable and queue.refused == 1
        queue.admit(small)
        # Refusing has not made it shorter: then it is no help, but who will be gone is still refused.
        now[0] += arrivals.PROGRESS_S * 1.01
        watched.seen, begun[0] = 50, 1_050
        queue.admit(bulk)
        with pytest.raises(errors.OverloadedError):
            queue.admit(bulk, 0.000_001)
        now[0] += arrivals.RETRY_S
        watched.seen, begun[0] = 100, 1_100
        with pytest.raises(errors.OverloadedError):
            queue.admit(bulk)
        queue.close()

    asyncio.run(story())


def test_who_sent_large_batches_is_refused_by_the_size_of_the_last_before_the_next_has_arrived() -> None:
    async def story() -> None:
        queue = queue_of_calls()
        bulk, other = Sender(), Sender()
        hold = threading.Event()
        working = asyncio.create_task(queue.run(other, bytes(4 << 20), hold.wait))
        await asyncio.sleep(0)
        try:
            queue.admit(bulk)
            bulk.large_bytes = 64 << 10
            with pytest.raises(errors.OverloadedError):
                queue.admit(bulk)
        finally:
            hold.set()
        await working
        queue.admit(bulk)
        queue.close()

    asyncio.run(story())


def test_a_caller_that_sends_no_large_batch_for_a_while_is_taken_for_a_small_one_again() -> None:
    async def story() -> None:
        known = senders.Senders(asyncio.get_running_loop())
        sender = known.of(LOCAL, Peer())
        sender.large_bytes = 64 << 10
        await asyncio.sleep(senders.TICK_S * senders.LARGE_TICKS)
        assert sender.large_bytes
        await asyncio.sleep(senders.TICK_S * 2)
        assert not sender.large_bytes
        known.close()

    asyncio.run(story())


def test_calls_come_with_their_batch_until_somebody_sends_large_ones_in_calls() -> None:
    async def story() -> None:
        known = senders.Senders(asyncio.get_running_loop())
        assert not known.large_calls
        known.of(LOCAL, Peer()).large_bytes = 64 << 10
        known.large_calls = True
        await asyncio.sleep(senders.TICK_S * senders.LARGE_TICKS)
        assert known.large_calls
        await asyncio.sleep(senders.TICK_S * 2)
        assert not known.large_calls
        known.close()

    asyncio.run(story())


class Peer:
    """A connection."""

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"


def test_a_caller_that_would_be_gone_before_its_turn_is_over_is_refused_and_one_with_time_is_not() -> None:
    async def story() -> None:
        queue = queue_of_calls()
        sender, other, done = Sender(), Sender(), []
        hold = threading.Event()
        batch = bytes(64 << 10)
        # At the speed assumed before any is measured a batch is some 13 ms of work.
        working = asyncio.create_task(queue.run(sender, batch, hold.wait, 0.000_1))
        await asyncio.sleep(0)
        try:
            with pytest.raises(errors.OverloadedError) as refused:
                await queue.run(other, batch, busy(done, "hurried"), 0.02)
            patient = asyncio.create_task(queue.run(other, batch, busy(done, "patient"), 1.0))
            await asyncio.sleep(0)
        finally:
            hold.set()
        assert await working, "with nothing ahead even a hurried one is tried"
        assert refused.value.definite
        assert await patient == "patient" and done == ["patient"]
        queue.close()

    asyncio.run(story())
