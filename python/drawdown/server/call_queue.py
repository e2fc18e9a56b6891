"""Large batches: a queue that is as long as it is quick, worked off beside the loop.

A batch of thousands of events is milliseconds of work. Done on the loop's thread, calls would queue up in
front of it unseen, and by the time one is looked at its caller has given up. So large batches go to threads
of their own, the loop stays free to look at every call as it comes, and what would wait too long is refused
at once: definitely, and for a small part of what doing it would cost. So is what its caller will not wait
for until it is done.

Large batches of streams come here too where several callers send: a batch on the loop would stand before
every step of a small call of another caller, and such a call takes half a dozen of them. Streams wait
instead of being refused.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from drawdown import errors
from drawdown.server.appointments import Appointments
from drawdown.server.arrivals import Arrivals
from drawdown.server.senders import Sender
from drawdown.server.turns import BATCH_BYTES, Ring

# Smaller ones are done before a thread would have been woken.
LARGE_BYTES: Final = 16 << 10
# Two at a time, so that one is decoded while the other has the engine; but a processor is left to the loop,
# or calls would stand in front of it.
PLACES: Final = min(2, max(1, len(os.sched_getaffinity(0)) - 1))
# A call that would wait longer than this is refused when it arrives.
QUEUE_S: Final = 0.05
# All that waits together.
WAITING_BYTES_MAX: Final = 64 << 20
# Before the first measurement: a tenth of what a slow machine does.
FIRST_BYTES_PER_S: Final = 5e6

_REFUSAL: Final = "this caller has more calls waiting than can be done in time; nothing was applied"
_REFUSAL_UNSEEN: Final = "more calls arrive than can be looked at in time; nothing was applied"

AnswerT = TypeVar("AnswerT")


class CallQueue:
    """The queue of one server. For use on the loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, arrivals: Arrivals) -> None:
        self._loop = loop
        self._arrivals = arrivals
        self._appointments = Appointments()
        self._executor = ThreadPoolExecutor(PLACES, thread_name_prefix="usage-call")
        self._ring = Ring()
        self._working = 0
        self._working_bytes = 0
        self._last_end = 0.0
        self._s_per_byte = 1 / FIRST_BYTES_PER_S
        self.refused = 0

    @property
    def waiting_bytes(self) -> int:
        """What waits for a place."""
        return self._ring.bytes

    @property
    def bytes_per_s(self) -> float:
        """How much is worked off, as measured."""
        return 1 / self._s_per_byte

    async def run(
        self, sender: Sender, batch: bytes, work: Callable[[], AnswerT], left_s: float | None = None
    ) -> AnswerT:
        """The answer of ``work``, run in a thread when it is this sender's turn.

        Raises ``OverloadedError`` at once where that would be too late to be worth waiting for: for anybody,
        or for a caller that waits for ``left_s`` at most.
        """
        sender.large_bytes, sender.large_ticks = len(batch), 0
        self._admit_batch(sender, len(batch), left_s)
        return await self.wait_and_run(sender, batch, work)

    async def wait_and_run(self, sender: Sender, batch: bytes, work: Callable[[], AnswerT]) -> AnswerT:
        """As ``run``, however long it takes: for a stream, whose sender is held back meanwhile."""
        if self._working < PLACES and not self._ring:
            self._working += 1
        else:
            await self._place(sender, len(batch))
        return await self._in_thread(len(batch), work)

    async def _in_thread(self, batch_bytes: int, work: Callable[[], AnswerT]) -> AnswerT:
        """The place is free again when the thread is, which may be after the caller has given up."""
        began = self._loop.time()
        answer: asyncio.Future[AnswerT] = self._loop.create_future()

        def ended(done: Future[AnswerT]) -> None:
            self._working_bytes -= batch_bytes
            self._measure(began, batch_bytes + BATCH_BYTES)
            self._free_place()
            if answer.cancelled():
                # Nobody is there to be told; what the engine took is in the journal.
                return
            if failure := done.exception():
                answer.set_exception(failure)
            else:
                answer.set_result(done.result())

        # There is a thread for every place, so it begins at once: nothing is taken back any more.
        working = self._executor.submit(work)
        self._working_bytes += batch_bytes
        working.add_done_callback(lambda done: self._loop.call_soon_threadsafe(ended, done))
        return await answer

    def admit(self, sender: Sender, left_s: float | None = None) -> None:
        """Raises ``OverloadedError`` where a further call of this sender would come too late.

        That is before its batch has arrived. A caller with nothing waiting that has sent no large batch of
        late is let in: its call may be a small one, which waits for nobody and costs no more than a refusal.
        """
        if sender.large_bytes:
            if self._arrivals.are_long():
                if self._arrivals.shrink:
                    raise self._refusal(_REFUSAL_UNSEEN, sender.large_bytes)
                if self._is_late(sender.large_bytes, 0.0, left_s):
                    raise self._refusal_by_speed(_REFUSAL_UNSEEN, sender.large_bytes)
            self._admit_batch(sender, sender.large_bytes, left_s)
        elif sender.calls.bytes and self._ahead_s(sender) > QUEUE_S:
            raise self._refusal(_REFUSAL, BATCH_BYTES)

    def _admit_batch(self, sender: Sender, batch_bytes: int, left_s: float | None) -> None:
        """``admit`` once the size is known."""
        ahead_s = self._ahead_s(sender)
        # With nothing ahead it is begun whatever is known of the speed: so that is measured anew.
        if ahead_s > 0 and self._is_late(batch_bytes, ahead_s, left_s):
            raise self._refusal_by_speed(_REFUSAL, batch_bytes)
        if ahead_s > QUEUE_S or self._ring.bytes + batch_bytes > WAITING_BYTES_MAX:
            raise self._refusal(_REFUSAL, batch_bytes)

    def _is_late(self, batch_bytes: int, ahead_s: float, left_s: float | None) -> bool:
        """Whether the caller will have given up before its batch is done, at the speed measured."""
        return left_s is not None and ahead_s + batch_bytes * self._s_per_byte > left_s

    def _ahead_s(self, sender: Sender) -> float:
        """How long a further batch of this sender would wait."""
        # Others get turns of their own in between: at most as much of each as this caller has waiting.
        mine = sender.calls.bytes * max(1, len(self._ring))
        return (min(self._ring.bytes, mine) + self._working_bytes) * self._s_per_byte

    def _refusal_by_speed(self, message: str, batch_bytes: int) -> errors.OverloadedError:
        """A refusal for what was measured, which is believed a little less after each of them."""
        # What was slow may be quick by now, and only what is done is measured.
        self._s_per_byte *= 1 - 1 / 64
        return self._refusal(message, batch_bytes)

    def _refusal(self, message: str, batch_bytes: int) -> errors.OverloadedError:
        self.refused += 1
        refused = errors.OverloadedError(message)
        refused.retry_after_s = self._appointments.next_s(batch_bytes * self._s_per_byte)
        return refused

    async def _place(self, sender: Sender, batch_bytes: int) -> None:
        turn = self._loop.create_future()
        self._ring.add(sender.calls, batch_bytes, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free_place()
            raise

    def _free_place(self) -> None:
        """Hand the place on, or leave it free."""
        self._working -= 1
        while self._working < PLACES and self._ring.give_one():
            self._working += 1

    def _measure(self, began: float, cost: int) -> None:
        """Seconds per byte while calls follow each other: from the end of the last one to that of this."""
        now = self._loop.time()
        took = now - max(began, self._last_end)
        self._last_end = now
        self._s_per_byte += (took / cost - self._s_per_byte) / 16

    def close(self) -> None:
        """Wait for what is being worked on."""
        self._executor.shutdown(wait=True)
