"""Nothing is answered before it is durable: who waits, and who is woken once per commit group.

The engine's commit thread signals one eventfd per group. The loop wakes once, reads how far the
journal is on disk, and completes everything at or below it. Streams register themselves and keep
their own queue of acks, so a batch costs one append and no future of its own.
"""

import asyncio
import os
from collections import deque
from typing import Protocol

from drawdown.engine import Engine


class DurableListener(Protocol):
    """Told after each commit group how far the journal is on disk."""

    def durable_up_to(self, seq: int) -> None: ...


class Durability:
    """The loop's view of the durable end of the journal. For use on the loop's thread only."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._durable_seq = engine.durable_seq
        self._fd = engine.notify_fd()
        self._listeners: set[DurableListener] = set()
        # Ascending by seq: engine calls of the loop's thread see the journal grow.
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._next_group: asyncio.Future[None] | None = None
        loop.add_reader(self._fd, self._on_group)

    def close(self) -> None:
        """Stop listening; waiters are left to be cancelled by their calls."""
        self._loop.remove_reader(self._fd)

    def add(self, listener: DurableListener) -> None:
        """Tell this listener of every group from now on."""
        self._listeners.add(listener)

    def discard(self, listener: DurableListener) -> None:
        """Stop telling it."""
        self._listeners.discard(listener)

    def is_durable(self, seq: int) -> bool:
        """Whether ``seq`` is on disk now."""
        return seq <= self._durable_seq()

    def reached(self, seq: int) -> asyncio.Future[None]:
        """Done when ``seq`` is on disk."""
        future = self._loop.create_future()
        if seq <= self._durable_seq():
            future.set_result(None)
            return future
        waiting = self._waiting
        if waiting and waiting[-1][0] > seq:
            seq = waiting[-1][0]
        waiting.append((seq, future))
        # The group may have been published between the first look and the append.
        if seq <= self._durable_seq():
            self._complete(self._durable_seq())
        return future

    async def next_group(self, seconds_max: float) -> None:
        """Return when a further group was written, and so left room, or after ``seconds_max``."""
        group = self._next_group
        if group is None:
            group = self._next_group = self._loop.create_future()
        await asyncio.wait((group,), timeout=seconds_max)

    def _on_group(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return
        durable = self._durable_seq()
        if self._next_group is not None:
            self._next_group.set_result(None)
            self._next_group = None
        self._complete(durable)
        for listener in tuple(self._listeners):
            listener.durable_up_to(durable)

    def _complete(self, durable: int) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] <= durable:
            _, future = waiting.popleft()
            if not future.done():
                future.set_result(None)
