"""Calls that have arrived and that nobody has looked at yet: the part of the queue that gRPC keeps to itself.

::

    connection → gRPC: calls that have begun ──one at a time──→ loop: calls that were seen → CallQueue
                 └────── stand unseen here: begun − seen ─────┘

gRPC hands the loop one call after the other, oldest first, and keeps the rest in a list that has no bound
and no limit of time a second would not reach. When the loop comes too late to that list once, every call it
is given from then on is as old as the list is long: its caller has given up or is about to, what is done for
it is done for nobody, and that leaves no time to catch up. So the list is counted, and while it is long
whoever sends large batches is refused before anything of the call is received, which is the cheapest there
is; within some hundredths of a second the list is short again, and what is taken then is fresh.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

_log = logging.getLogger("drawdown.server")

# The list is long when its last call waits for more than the first of these, until it waits for less than the
# second.
LONG_S: Final = 0.1
SHORT_S: Final = 0.03
# So few are never too many: they come in one breath.
CALLS_MIN: Final = 8
# Counting costs as much as a refusal. A long list is counted anew when it should have been worked off, and
# after this at the latest.
LOOK_S: Final = 0.05
LOOK_SHORT_S: Final = 0.02
LOOK_LONG_S: Final = 0.1
# All are refused for as long as that makes the list shorter than it was. Where it did not for the first of
# these, callers come back as fast as they are refused: then it is tried again only after the second.
PROGRESS_S: Final = 0.5
RETRY_S: Final = 2.0
# What is still there after so long, or where for a tenth of it no other call was seen, is no list but calls
# that broke between their begin and being handed out. No case is known, but nobody may be refused for ever.
LOST_S: Final = 10.0
# Before the first measurement.
FIRST_S_PER_CALL: Final = 0.0003


class Arrivals:
    """The count of one server. For use on the loop's thread only."""

    def __init__(self, begun: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._begun = begun
        self._clock = clock
        self._looked_at = clock()
        self._seen_then = 0
        self._unseen = 0
        # Begun and never handed out: known once the loop has caught up with all others.
        self._lost = begun()
        self._s_per_call = FIRST_S_PER_CALL
        self._long_since: float | None = None
        self._least = 0
        self._least_at = 0.0
        self.seen = 0
        """Calls that were looked at; the method table counts them."""

    @property
    def unseen(self) -> int:
        """Calls that stood in the list at the last look."""
        return self._unseen

    def are_long(self) -> bool:
        """Whether a call that arrives now would wait for longer than it should before anybody sees it."""
        now = self._clock()
        if now - self._looked_at >= self._pause_s():
            self._look(now)
        return self._long_since is not None

    @property
    def shrink(self) -> bool:
        """Whether the long list has become shorter of late."""
        return self._looked_at - self._least_at < PROGRESS_S

    def _pause_s(self) -> float:
        """How long after the last look the next one is worth its cost."""
        if self._long_since is None:
            return LOOK_S
        worked_off = self.seen - self._seen_then
        return LOOK_LONG_S if self._unseen - worked_off >= CALLS_MIN else LOOK_SHORT_S

    def _look(self, now: float) -> None:
        if now - self._looked_at > LOST_S / 10 and self.seen - self._seen_then <= 1:
            self._lost, self._unseen = self._lost + self._unseen, 0
        behind = self._begun() - self.seen
        self._lost = min(self._lost, behind)
        before, self._unseen = self._unseen, behind - self._lost
        if min(before, self._unseen) >= CALLS_MIN:
            self._measure(now)
        self._looked_at, self._seen_then = now, self.seen
        self._judge(now)

    def _measure(self, now: float) -> None:
        """Seconds per call while one follows the other."""
        took = (now - self._looked_at) / max(1, self.seen - self._seen_then)
        self._s_per_call += (took - self._s_per_call) / 4

    def _judge(self, now: float) -> None:
        bound = LONG_S if self._long_since is None else SHORT_S
        if self._unseen < CALLS_MIN or self._unseen * self._s_per_call < bound:
            self._long_since = None
        elif self._long_since is None:
            self._long_since = self._least_at = now
            self._least = self._unseen
        elif now - self._long_since > LOST_S:
            self._lost, self._unseen, self._long_since = self._lost + self._unseen, 0, None
        elif self._unseen < self._least or now - self._least_at > RETRY_S:
            self._least, self._least_at = self._unseen, now


class _Figures(msgspec.Struct):
    begun: str = msgspec.field(name="callsStarted", default="0")


class _Server(msgspec.Struct):
    data: _Figures


class _Servers(msgspec.Struct):
    server: list[_Server] = []


def begun_calls() -> Callable[[], int]:
    """Counts the calls that ever began on the gRPC servers of this process, as gRPC itself does.

    The count is of gRPC's own diagnosis (channelz), for which the package has no public name. Where it is
    gone nothing has ever begun: no list is seen, and only what waits behind the loop is bounded.
    """
    try:
        from grpc._cython import cygrpc

        servers: Callable[[int], bytes] = cygrpc.channelz_get_servers
    except (ImportError, AttributeError):
        _log.warning("this grpcio does not count its calls: those in front of the loop are not bounded")
        return lambda: 0
    decoder: Any = msgspec.json.Decoder(_Servers)
    return lambda: sum(int(server.data.begun) for server in decoder.decode(servers(0)).server)
