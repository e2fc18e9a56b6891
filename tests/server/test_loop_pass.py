"""A pass of the loop is short however much is ready, and whoever calls is known to have called."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from drawdown.server import senders
from drawdown.server.access import LOCAL
from drawdown.server.loop_pass import PASS_BYTES, LoopPass
from drawdown.server.usage_service import UsageStream


class Peer:
    """A connection."""

    def __init__(self, port: int) -> None:
        self._port = port

    def peer(self) -> str:
        return f"ipv4:127.0.0.1:{self._port}"


async def work_done_per_pass(sizes: list[int], cancelled: int | None = None) -> tuple[list[list[int]], int]:
    """Which batches are done in each pass of the loop, all being ready in the first; passes of another call
    until the last was done."""
    loop = asyncio.get_running_loop()
    loop_pass = LoopPass(loop)
    passes: list[list[int]] = [[]]
    done = 0

    async def batch(number: int, size: int) -> None:
        nonlocal done
        if not loop_pass.takes(size):
            await loop_pass.room(size)
        passes[-1].append(number)
        done += 1

    tasks = [loop.create_task(batch(number, size)) for number, size in enumerate(sizes)]
    steps = 0
    while done < len(sizes) - (cancelled is not None):
        await asyncio.sleep(0)
        if cancelled is not None and steps == 0:
            tasks[cancelled].cancel()
        passes.append([])
        steps += 1
    return [each for each in passes if each], steps


def test_what_is_small_together_is_done_in_one_pass() -> None:
    passes, _ = asyncio.run(work_done_per_pass([1_000] * 100))
    assert passes == [list(range(100))]


def test_batches_that_are_ready_together_are_done_in_their_order_and_a_pass_each_if_large() -> None:
    passes, steps = asyncio.run(work_done_per_pass([2 * PASS_BYTES] * 16))
    assert passes == [[number] for number in range(16)]
    assert steps >= 16, "another call comes further between each two of them"


def test_a_pass_takes_as_much_as_fits_and_nobody_overtakes() -> None:
    sizes = [PASS_BYTES // 2, PASS_BYTES // 2, PASS_BYTES // 2, PASS_BYTES, 10]
    passes, _ = asyncio.run(work_done_per_pass(sizes))
    assert passes == [[0, 1], [2], [3], [4]]


def test_one_that_is_gone_takes_no_room() -> None:
    passes, _ = asyncio.run(work_done_per_pass([PASS_BYTES] * 4, cancelled=1))
    assert passes == [[0], [2], [3]]


def test_empty_batches_do_not_keep_a_pass_open() -> None:
    passes, _ = asyncio.run(work_done_per_pass([0] * 3 + [PASS_BYTES] * 2))
    assert passes == [[0, 1, 2], [3], [4]]


def test_who_calls_counts_as_a_caller_whatever_becomes_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was refused, or answered too late, took nothing: its caller is there all the same, at once
    and for a while after its last call."""
    monkeypatch.setattr(senders, "TICK_S", 3600.0)

    async def story() -> None:
        known = senders.Senders(asyncio.get_running_loop())
        busy = known.of(LOCAL, Peer(1))

        def tick() -> None:
            busy.bytes += 1_000
            known._tick()

        for _ in range(3):
            tick()
            known.of(LOCAL, Peer(1))
            assert (known.active, known.contended) == (1, False)
        known.of(LOCAL, Peer(2))
        assert known.contended, "no tick is waited for"
        tick()
        assert known.active == 2
        for _ in range(senders.CONTENDED_TICKS - 1):
            tick()
            assert (known.active, known.contended) == (1, True)
        tick()
        assert not known.contended
        known.close()

    asyncio.run(story())


class Calls:
    """What a stream needs of its service, and which of its batches were done in which pass of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.window = 8
        self.engine = SimpleNamespace(durable_seq=lambda: 1)
        self.senders = senders.Senders(loop)
        self.loop_pass = LoopPass(loop)
        self.passes = 0
        self.done: Counter[int] = Counter()
        self.in_turn = 0

    def offer(self, batch: bytes, _: Any) -> tuple[int, bytes]:
        self.done[self.passes] += 1
        return 1, b"ack"

    async def offer_in_turn(self, batch: bytes, _: Any, sender: Any) -> tuple[int, bytes]:
        self.in_turn += 1
        return 1, b"ack"

    def took(self, sender: Any, batch_bytes: int) -> None:
        sender.bytes += batch_bytes


class Batches:
    """A call that has all its batches sent already."""

    def __init__(self, count: int) -> None:
        self._left = [bytes(PASS_BYTES)] * count
        self.acks = 0

    async def read(self) -> Any:
        return self._left.pop() if self._left else grpc.aio.EOF

    async def write(self, _: bytes) -> None:
        self.acks += 1


@pytest.mark.parametrize("another_comes", [False, True])
def test_streams_of_one_caller_do_a_batch_in_a_pass_until_another_comes(
    another_comes: bool,
) -> None:
    """From then on what is left takes turns, what waited for its pass included."""

    async def story() -> tuple[Calls, list[Batches]]:
        service = Calls(asyncio.get_running_loop())
        sender = service.senders.of(LOCAL, Peer(1))
        service.senders._tick()
        contexts = [Batches(4) for _ in range(8)]
        streams: list[Any] = [UsageStream(service, each, sender) for each in contexts]  # type: ignore[arg-type]
        running = [asyncio.create_task(each.run(LOCAL)) for each in streams]
        while not all(each.done() for each in running):
            if another_comes and service.done.total() == 5 and not service.in_turn:
                service.senders.of(LOCAL, Peer(2))
            service.passes += 1
            await asyncio.sleep(0)
        for each in running:
            each.result()
        service.senders.close()
        return service, contexts

    service, contexts = asyncio.run(story())
    assert [each.acks for each in contexts] == [4] * 8
    assert max(service.done.values()) == 1
    # One may have had its pass already when the other came.
    assert service.done.total() in ((5, 6) if another_comes else (32,))
    assert service.done.total() + service.in_turn == 32
