"""Who is woken by what a transaction wrote, so that nobody has to look again and again.

One process writes the database, so what is committed is known here. A wake says that something may be
there and nothing more: one too many costs a look, and whoever sleeps looks now and then all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

NOTICES: Final = "notices"
DELIVERIES: Final = "deliveries"
JOBS: Final = "jobs"

Wake = Callable[[int], None]
"""Is given the instant, microseconds UTC, at which there is something to do; 0: now."""


class Written:
    """What one transaction wrote: by topic, the earliest instant at which it is to be dealt with."""

    def __init__(self) -> None:
        self.earliest_us: dict[str, int] = {}

    def note(self, topic: str, at_us: int = 0) -> None:
        """There is something of this topic to do from ``at_us`` on."""
        known = self.earliest_us.get(topic)
        self.earliest_us[topic] = at_us if known is None else min(known, at_us)


class Wakes:
    """Wakes by topic. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_topic: dict[str, set[Wake]] = {}

    def add(self, topic: str, wake: Wake) -> None:
        """Call ``wake`` after each commit that wrote of the topic; it must return at once."""
        with self._lock:
            self._by_topic.setdefault(topic, set()).add(wake)

    def discard(self, topic: str, wake: Wake) -> None:
        """Call it no more."""
        with self._lock:
            self._by_topic.get(topic, set()).discard(wake)

    def tell(self, written: Written) -> None:
        """A transaction that wrote this is durable."""
        for topic, at_us in written.earliest_us.items():
            with self._lock:
                woken = tuple(self._by_topic.get(topic, ()))
            for wake in woken:
                wake(at_us)
