"""One pass of the loop is short, however many batches are ready: what does not fit waits for the next.

Where one caller sends, its batches are done on the loop's thread as they come. With many streams many are
ready at a time, and done in one pass they would be half a second of work where batches are large. A call of
anybody else takes half a dozen passes, and its caller would have given up before it is first looked at.
"""

import asyncio
from collections import deque
from typing import Final

# Some milliseconds of work; a batch that is larger has a pass to itself.
PASS_BYTES: Final = 512 << 10


class LoopPass:
    """What the present pass has done. For use on the loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def takes(self, batch_bytes: int) -> bool:
        """Whether the batch may be done in this pass; where not, await ``room``."""
        if self._waiting or (self._bytes and self._bytes + batch_bytes > PASS_BYTES):
            return False
        self._add(batch_bytes)
        return True

    async def room(self, batch_bytes: int) -> None:
        """Return when the batch may be done: in the order of asking."""
        turn = self._loop.create_future()
        self._waiting.append((batch_bytes, turn))
        await turn

    def _add(self, batch_bytes: int) -> None:
        if not self._bytes:
            self._loop.call_soon(self._next)
        # An empty one is work too.
        self._bytes += max(1, batch_bytes)

    def _next(self) -> None:
        self._bytes = 0
        while self._waiting:
            batch_bytes, turn = self._waiting[0]
            if self._bytes and self._bytes + batch_bytes > PASS_BYTES:
                return
            self._waiting.popleft()
            if not turn.done():
                self._add(batch_bytes)
                turn.set_result(None)
