"""The thread that forgets what is over and done with, once it has been kept for as long as was set.

Budget: so many rows of one kind per transaction, and it works a small share of the time; nobody waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from drawdown.config import ProcessConfig
from drawdown.runtime.background import Background
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.webhooks import CURSOR as SPREAD
from drawdown.storage.sql.finished import Finished
from drawdown.storage.sql.work import Work

ROWS_AT_ONCE: Final = 500
SHARE_PERCENT: Final = 10
# Longest pause between looks; nothing depends on being forgotten soon.
LOOK_S_MAX: Final = 3_600.0

Forgetting = Callable[[Work], int]


class Retention:
    """``background`` looks again and again."""

    def __init__(self, plane: ControlPlane, *, finished_s: int, notices_s: int) -> None:
        """Jobs, deliveries and commands are kept ``finished_s`` after their end, notices ``notices_s``.

        0: for ever.
        """
        self._plane = plane
        self._finished_s = finished_s
        self._notices_s = notices_s
        self.forgotten = 0
        self.background = Background("retention", self.step, fault_pause_s=60.0)

    def step(self) -> float:
        """Forget what is due; answers the pause until the next look."""
        for forget in self._work():
            while not self.background.stopping:
                began = time.monotonic()
                with self._plane.sql.transaction() as work:
                    taken = forget(work)
                self.forgotten += taken
                if taken < ROWS_AT_ONCE:
                    break
                self.background.pause((time.monotonic() - began) * (100 - SHARE_PERCENT) / SHARE_PERCENT)
        shortest = min((each for each in (self._finished_s, self._notices_s) if each), default=LOOK_S_MAX)
        return min(shortest, LOOK_S_MAX)

    def _work(self) -> list[Forgetting]:
        now_us = self._plane.now_us()
        found: list[Forgetting] = []
        if self._finished_s:
            before = now_us - self._finished_s * 1_000_000
            found += [
                lambda work: finished_of(work).forget_jobs(before, ROWS_AT_ONCE),
                lambda work: finished_of(work).forget_deliveries(before, ROWS_AT_ONCE),
                lambda work: finished_of(work).forget_commands(before, ROWS_AT_ONCE),
            ]
        if self._notices_s:
            told_before = now_us - self._notices_s * 1_000_000
            found.append(lambda work: _forget_notices(work, told_before))
        return found


def finished_of(work: Work) -> Finished:
    """What is over in a transaction's view."""
    return Finished(work.connection, work.series)


def _forget_notices(work: Work, told_before: int) -> int:
    spread_up_to = work.series.cursor(SPREAD)
    return finished_of(work).forget_notices(told_before, ROWS_AT_ONCE, spread_up_to)


def retention_of(plane: ControlPlane, process: ProcessConfig) -> Retention | None:
    """As the settings say; ``None`` where everything is kept for ever."""
    if not process.finished_retention_s and not process.notice_retention_s:
        return None
    return Retention(plane, finished_s=process.finished_retention_s, notices_s=process.notice_retention_s)
