"""How many calls one client has open at a server that sheds them.

To refuse a call costs a server an eighth of what it costs to do one of 2,000 events, and a client's threads
that each learn of an overload by a refusal of their own have it refuse more than it does. So what one call
is told holds for all of its client: the window closes to a part of what was open, the others wait here in
their order and cost the server nothing, and each call that is served opens it again a little (additive
increase, multiplicative decrease, as in RFC 5681). A client that was never shed has no window, and one that
is not shed any more has soon none again, whether it calls meanwhile or not.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from drawdown.client.rpc_errors import error_of
from drawdown.errors import OverloadedError

# Of a call's time it may wait here; what is sent with no time left is done for nobody.
WAIT_SHARE: Final = 0.5


class CallWindow:
    """The arithmetic. For use by one thread at a time."""

    KEPT: Final = 0.7
    GROWN: Final = 0.1
    # After each such time without a refusal it has twice the size: what one call once met says little of
    # now, and a place that an interrupted thread took with it is not missing for ever.
    DOUBLES_AFTER_S: Final = 2.0
    SIZE_MAX: Final = 1_000.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = math.inf
        self.open = 0
        self._closings = 0
        self._clock = clock
        self._doubled_at = 0.0

    def has_room(self) -> bool:
        """Whether one more may be sent; there is always room for one."""
        if self.size < math.inf:
            self._double()
        return self.open + 1 <= self.size

    def begin(self) -> int:
        """One more is open. Answers what ``end`` has to be given back."""
        self.open += 1
        return self._closings

    def end(self, begun: int, *, shed: bool) -> None:
        """A call is over. Of those that were open together one refusal closes the window, not each."""
        used = self.open + 1 > self.size
        if not shed:
            self.size += self.GROWN / self.size if used else 0
        else:
            self._doubled_at = self._clock()
            if begun == self._closings:
                self.size = max(1.0, min(self.size, self.open) * self.KEPT)
                self._closings += 1
        self.open -= 1

    def _double(self) -> None:
        times = int((self._clock() - self._doubled_at) / self.DOUBLES_AFTER_S)
        self._doubled_at += times * self.DOUBLES_AFTER_S
        self.size *= 2.0 ** min(times, 10)
        if self.size > self.SIZE_MAX:
            self.size = math.inf


def _is_shed(failure: grpc.RpcError) -> bool:
    """Not where the rate of a key is exceeded: that is no word about the server."""
    return error_of(failure).reason == OverloadedError.reason


def _no_room(waited_s: float) -> OverloadedError:
    return OverloadedError(
        f"not sent: the server sheds calls, and for {waited_s:.1f} s, half of timeout_s, earlier ones of this"
        " client went first; send again with the same ids, from fewer threads or with a longer timeout_s"
    )


class _Waiter(threading.Event):
    begun: int | None = None


class WindowedMethod:
    """A method of a stub whose calls go through one window. Safe to call from any thread."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self._lock = threading.Lock()
        self._waiting: deque[_Waiter] = deque()
        self.window = CallWindow()

    def __call__(self, request: Any, *, timeout: float, **options: Any) -> Any:
        """The answer. Raises ``OverloadedError`` where there was no room in time: nothing was sent then."""
        ends = time.monotonic() + timeout
        begun = self._begin(timeout * WAIT_SHARE)
        shed = False
        try:
            return self._method(request, timeout=max(0.001, ends - time.monotonic()), **options)
        except grpc.RpcError as failure:
            shed = _is_shed(failure)
            raise
        finally:
            self._end(begun, shed=shed)

    def _begin(self, wait_s_max: float) -> int:
        with self._lock:
            if not self._waiting and self.window.has_room():
                return self.window.begin()
            waiter = _Waiter()
            self._waiting.append(waiter)
        try:
            waiter.wait(wait_s_max)
        except BaseException:
            # A signal's handler raised: its turn is the next one's, also where it has just come.
            if not self._stopped_waiting(waiter):
                assert waiter.begun is not None
                self._end(waiter.begun, shed=False)
            raise
        if self._stopped_waiting(waiter):
            raise _no_room(wait_s_max)
        assert waiter.begun is not None
        return waiter.begun

    def _stopped_waiting(self, waiter: _Waiter) -> bool:
        """Whether its turn had not come; it will not come any more then."""
        with self._lock:
            if waiter.begun is not None:
                return False
            self._waiting.remove(waiter)
            return True

    def _end(self, begun: int, *, shed: bool) -> None:
        with self._lock:
            self.window.end(begun, shed=shed)
            while self._waiting and self.window.has_room():
                waiter = self._waiting.popleft()
                waiter.begun = self.window.begin()
                waiter.set()


class AioWindowedMethod:
    """The same for one event loop."""

    def __init__(self, method: Callable[..., Awaitable[Any]]) -> None:
        self._method = method
        self._waiting: deque[asyncio.Future[int]] = deque()
        self.window = CallWindow()

    async def __call__(self, request: Any, *, timeout: float, **options: Any) -> Any:
        """See ``WindowedMethod``."""
        ends = time.monotonic() + timeout
        begun = await self._begin(timeout * WAIT_SHARE)
        shed = False
        try:
            return await self._method(request, timeout=max(0.001, ends - time.monotonic()), **options)
        except grpc.RpcError as failure:
            shed = _is_shed(failure)
            raise
        finally:
            self._end(begun, shed=shed)

    async def _begin(self, wait_s_max: float) -> int:
        if not self._waiting and self.window.has_room():
            return self.window.begin()
        place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await asyncio.wait((place,), timeout=wait_s_max)
        except BaseException:
            # Who gave up waiting gives back what came at the same moment.
            if place.done():
                self._end(place.result(), shed=False)
            else:
                self._waiting.remove(place)
            raise
        if not place.done():
            self._waiting.remove(place)
            raise _no_room(wait_s_max)
        return place.result()

    def _end(self, begun: int, *, shed: bool) -> None:
        self.window.end(begun, shed=shed)
        while self._waiting and self.window.has_room():
            self._waiting.popleft().set_result(self.window.begin())
