"""The thread that does due jobs of real time: woken when one is put down, asleep until the next is due.

Budget: at most ``jobs`` per step, and the thread rests so that it works at most ``share_percent`` of
the time; a backlog after downtime is worked off at that rate, in order. Never on the event loop.
"""

import time

from drawdown.runtime.background import Background
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.storage.sql.wakes import JOBS


class Scheduler:
    """Runs due jobs again and again."""

    def __init__(self, plane: ControlPlane, *, interval_s: float, jobs: int, share_percent: int) -> None:
        """``interval_s``: it looks at least this often, woken or not."""
        self._plane = plane
        self._interval_s = interval_s
        self._jobs = jobs
        self._share_percent = share_percent
        self.background = Background("scheduler", self.step, fault_pause_s=1.0, clock=plane.now_us)
        self.behind = True
        """What was due may not have been done, or what it asks of the engine may not have reached it."""
        self._did_all = False
        plane.sql.wakes.add(JOBS, self.background.wake_by)
        plane.jobs.lane_left = self.background.wake

    def step(self) -> float:
        """One step; answers the pause until the next."""
        began = time.monotonic()
        self._plane.delivery.deliver()
        self.behind = not self._did_all
        tried = self._plane.jobs.run_due(self._jobs)
        took = time.monotonic() - began
        self._did_all = tried < self._jobs
        if self._did_all:
            # Once more, to deliver what the last of them asks for.
            return 0.0 if self.behind else self._until_next()
        self.behind = True
        # Not to be woken from: more jobs do not make its share larger.
        self.background.pause(took * (100 - self._share_percent) / self._share_percent)
        return 0.0

    def _until_next(self) -> float:
        now_us = self._plane.now_us()
        with self._plane.sql.transaction() as work:
            following = work.jobs.next_look_us(now_us)
        return self._interval_s if following is None else min((following - now_us) / 1e6, self._interval_s)
