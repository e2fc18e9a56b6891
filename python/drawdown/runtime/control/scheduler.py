"""The thread that does due jobs of real time.

Budget: at most ``jobs`` per step, and the thread rests so that it works at most ``share_percent`` of
the time; a backlog after downtime is worked off at that rate, in order. Never on the event loop.
"""

import time

from drawdown.runtime.background import Background
from drawdown.runtime.control.control_plane import ControlPlane


class Scheduler:
    """Runs due jobs again and again."""

    def __init__(self, plane: ControlPlane, *, interval_s: float, jobs: int, share_percent: int) -> None:
        self._plane = plane
        self._interval_s = interval_s
        self._jobs = jobs
        self._share_percent = share_percent
        self.background = Background("scheduler", self.step, fault_pause_s=max(1.0, interval_s))

    def step(self) -> float:
        """One step; answers the pause until the next."""
        began = time.monotonic()
        self._plane.delivery.deliver()
        tried = self._plane.jobs.run_due(self._jobs)
        took = time.monotonic() - began
        if tried < self._jobs:
            return self._interval_s
        return took * (100 - self._share_percent) / self._share_percent
