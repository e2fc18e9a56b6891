"""How many calls are open at once, all connections together: bounded, and next to nothing for a call.

gRPC's own bound (``maximum_concurrent_rpcs``) has the loop call back at the end of every call, and answers
without a reason or a word on whether anything was applied. Here calls are counted when it matters: where
there is room for a thousand more, the next thousand are let in before anybody counts again.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import grpc

from drawdown import errors
from drawdown.server import status
from drawdown.server.context import Context, Handler

# Calls of all connections together; beyond it a call is refused before anything of it is received.
CALLS_MAX: Final = 20_000
# Room for less than this part of them is none: counting goes through all that is open.
ROOM_PARTS: Final = 64
# So often it is looked whether there is room again.
LOOK_S: Final = 0.25
# ``grpc.aio`` has two tasks per call: for its handler, and for its end. A stream of ours has one or two more.
TASKS_PER_CALL: Final = 2


def open_calls() -> int:
    """The calls that the running loop has in hand, rather too many than too few."""
    return len(asyncio.all_tasks()) // TASKS_PER_CALL


class OpenCalls:
    """The bound of one server. For use on the loop's thread only."""

    def __init__(
        self,
        calls_max: int = CALLS_MAX,
        count: Callable[[], int] = open_calls,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls_max = calls_max
        self._count = count
        self._clock = clock
        self._room = 0
        self._look_at = clock()
        self.refused = 0

    def admit(self) -> bool:
        """Whether one more call may begin."""
        self._room -= 1
        if self._room >= 0 or self._look():
            return True
        self.refused += 1
        return False

    def _look(self) -> bool:
        """Whether there is room, of which the call that asks takes its part."""
        now = self._clock()
        if now < self._look_at:
            return False
        room = self._calls_max - self._count()
        if room <= self._calls_max // ROOM_PARTS:
            self._look_at = now + LOOK_S
            return False
        self._room = room - 1
        return True


async def _refuse(_: Any, context: Context) -> bytes:
    await status.abort(
        context, errors.OverloadedError("too many calls are open on this server; nothing was applied")
    )


# Whatever the call's form: nothing of it is received, and its status alone is sent.
REFUSING: Final[Handler] = grpc.stream_unary_rpc_method_handler(_refuse)
