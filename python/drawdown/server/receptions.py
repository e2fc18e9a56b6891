"""Messages under way, of unary calls and of strangers: each has so long, and where told only so many at once.

gRPC keeps what has come of a message until it is whole. A caller that sends all but the end would have
``message_bytes_max`` of this process for as long as it likes, once per call.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

import grpc

from drawdown import errors
from drawdown.server.context import Context

# 8 MiB at 2.3 Mbit/s.
RECEIVED_WITHIN_S: Final = 30.0
# How often is looked for those that take longer.
LOOK_S: Final = 1.0

_MessageT = TypeVar("_MessageT")


class Receptions:
    """The messages that are under way. For use on the loop's thread only."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        at_once: int | None = None,
        within_s: float = RECEIVED_WITHIN_S,
    ) -> None:
        self._loop = loop
        self._at_once = at_once
        self._within_s = within_s
        self._began: dict[asyncio.Task[object], float] = {}
        self._cut_off: set[asyncio.Task[object]] = set()
        self._looking: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._began)

    async def message(self, context: Context) -> bytes:
        """The one message of the call.

        Raises ``InvalidRequestError`` where the call ends without one, and what ``whole`` raises.
        """
        message: bytes = await self.whole(context.read())
        if message is grpc.aio.EOF:
            raise errors.InvalidRequestError("the call carries no message")
        return message

    async def whole(self, receiving: Awaitable[_MessageT]) -> _MessageT:
        """What is received, once it is whole.

        Raises ``OverloadedError`` where that takes too long or, being the oldest of too many, was cut off.
        Nothing was applied then.
        """
        task = asyncio.current_task()
        assert task is not None
        if self._at_once is not None and len(self._began) >= self._at_once:
            self._cut(next(iter(self._began)))
        self._began[task] = self._loop.time()
        if self._looking is None:
            self._looking = self._loop.call_later(LOOK_S, self._look)
        try:
            return await receiving
        except asyncio.CancelledError:
            if task not in self._cut_off:
                raise
            task.uncancel()
            raise errors.OverloadedError(
                "the message did not come whole in time; nothing was applied"
            ) from None
        finally:
            self._began.pop(task, None)
            self._cut_off.discard(task)

    def _cut(self, task: asyncio.Task[object]) -> None:
        del self._began[task]
        self._cut_off.add(task)
        task.cancel()

    def _look(self) -> None:
        """Cut off those that have had their time; they stand in the order in which they began."""
        before = self._loop.time() - self._within_s
        for task, began in tuple(self._began.items()):
            if began > before:
                break
            self._cut(task)
        self._looking = self._loop.call_later(LOOK_S, self._look) if self._began else None
