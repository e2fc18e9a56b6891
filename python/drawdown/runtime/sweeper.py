"""Books breakage of grants whose expiry is past its grace, in small steps.

Budget: a step holds the engine for at most ``grants`` grants, and a sweep that has work rests
between steps so that it takes at most ``share_percent`` of one processor. Counted is what a step works,
not how long it stood behind ingest: a busy engine would else be swept ever more slowly. A sweep that is late
changes when breakage is booked, never what could be spent.
"""

import time

from drawdown.engine import Engine
from drawdown.runtime.background import Background


class Sweeper:
    """The background expiry sweep."""

    def __init__(self, engine: Engine, *, interval_s: float, grants: int, share_percent: int) -> None:
        self._engine = engine
        self._interval_s = interval_s
        self._grants = grants
        self._share_percent = share_percent
        self.booked = 0
        self.background = Background("sweeper", self.step, fault_pause_s=max(1.0, interval_s))

    def step(self) -> float:
        """One step; answers the pause until the next."""
        began = time.thread_time()
        _, booked, more_due = self._engine.expire_due(self._grants)
        self.booked += booked
        if not more_due:
            return self._interval_s
        worked = time.thread_time() - began
        return worked * (100 - self._share_percent) / self._share_percent
