"""Books breakage of grants whose expiry is past its grace, in small steps.

Budget: a step holds the engine for at most ``grants`` grants, and a sweep that has work rests
between steps so that it takes at most ``share_percent`` of one processor. Counted is what a step works,
not how long it stood behind ingest: a busy engine would else be swept ever more slowly. A sweep that is late
changes when breakage is booked, never what could be spent.

While what is due after a downtime is not done yet, nothing is booked: a rollover takes what is left of an
expired grant, and would find none.
"""

import time
from collections.abc import Callable
from typing import Final

from drawdown.engine import Engine
from drawdown.runtime.background import Background

HELD_PAUSE_S: Final = 0.1


class Sweeper:
    """The background expiry sweep."""

    def __init__(
        self,
        engine: Engine,
        *,
        interval_s: float,
        grants: int,
        share_percent: int,
        is_held: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine = engine
        self._interval_s = interval_s
        self._grants = grants
        self._share_percent = share_percent
        self._is_held = is_held
        self.booked = 0
        self.background = Background("sweeper", self.step, fault_pause_s=max(1.0, interval_s))

    def step(self) -> float:
        """One step; answers the pause until the next."""
        if self._is_held():
            return HELD_PAUSE_S
        began = time.thread_time()
        _, booked, more_due = self._engine.expire_due(self._grants)
        self.booked += booked
        if not more_due:
            return self._interval_s
        worked = time.thread_time() - began
        return worked * (100 - self._share_percent) / self._share_percent
