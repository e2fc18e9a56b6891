"""How long webhook endpoints took lately: who was slow is kept apart, and who hung rests.

A sender that waits for a receiver sends to nobody else meanwhile, and any receiver may let it wait. So those
that did have senders of their own, where they hold up each other alone, and after an attempt that came to
nothing they are left alone for a while.
"""

import math
import threading
import time
from collections.abc import Callable
from typing import Final

# An attempt that takes longer is slow; and its endpoint for so long after it.
SLOW_S: Final = 1.0
SLOW_FOR_S: Final = 60.0
# After a slow attempt that failed, in times of what it took.
REST_FACTOR: Final = 4.0


class EndpointStanding:
    """In memory only: after a restart every endpoint is as good as another. Safe from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._slow_until: dict[str, float] = {}
        self._rests_until: dict[str, float] = {}

    def note(self, endpoint_id: str, took_s: float, *, delivered: bool) -> None:
        """An attempt has ended."""
        if took_s <= SLOW_S:
            return
        now = self._clock()
        with self._guard:
            self._forget(now)
            self._slow_until[endpoint_id] = now + SLOW_FOR_S
            if not delivered:
                self._rests_until[endpoint_id] = now + REST_FACTOR * took_s

    def is_slow(self, endpoint_id: str) -> bool:
        """Whether it is sent to apart from the others."""
        with self._guard:
            return self._slow_until.get(endpoint_id, 0.0) > self._clock()

    def rests(self, endpoint_id: str) -> bool:
        """Whether it is left alone now."""
        with self._guard:
            return self._rests_until.get(endpoint_id, 0.0) > self._clock()

    def next_end_s(self) -> float:
        """Seconds until the first that rests is sent to again; infinite where none does."""
        with self._guard:
            now = self._clock()
            self._forget(now)
            return min((until - now for until in self._rests_until.values()), default=math.inf)

    def _forget(self, now: float) -> None:
        for ends in (self._slow_until, self._rests_until):
            for endpoint_id in [each for each, until in ends.items() if until <= now]:
                del ends[endpoint_id]
