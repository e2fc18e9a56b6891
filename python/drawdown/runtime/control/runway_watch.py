"""The notice ``runway``: at the rate of the last days a balance lasts for less time than was set.

A look at set intervals, never in the way of ingest: use is summed out of the journal's files. Who has been
told stands in SQL, written with the notice, so that each fall below the limit is told once, over restarts
too; lasting longer again ends it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from drawdown.billing.report_requests import ReportRunway
from drawdown.billing.usage_report import Runway
from drawdown.config import ProcessConfig
from drawdown.runtime.background import Background
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.usage_report_calls import ROWS_MAX, runways

DAYS_BACK: Final = 7


class RunwayWatch:
    """``background`` looks again and again."""

    def __init__(self, plane: ControlPlane, *, below_days: int, interval_s: float) -> None:
        """Tell of balances that last for less than ``below_days``."""
        self._plane = plane
        self._below = Decimal(below_days)
        self._interval_s = interval_s
        self.background = Background("runway", self.step, fault_pause_s=max(1.0, interval_s))

    def step(self) -> float:
        """One look at every account; answers the pause until the next."""
        asked = ReportRunway(days=DAYS_BACK, limit=ROWS_MAX)
        short = {
            (each.account, each.credit_type): each
            for each in runways(self._plane, asked, "").rows
            if each.days < self._below
        }
        with self._plane.sql.transaction() as work:
            known = work.changes.runways_told()
            fresh = [each for key, each in short.items() if key not in known]
            work.changes.tell_runways(
                fresh=[(r.account, r.credit_type) for r in fresh], over=known - short.keys()
            )
            step = Step(self._plane, work)
            for each in fresh:
                _tell(step, each)
            work.carry_out(step.decision, self._plane.now_us())
        return self._interval_s


def runway_watch_of(plane: ControlPlane, process: ProcessConfig) -> RunwayWatch | None:
    """The watch of the settings; ``None`` where nobody wants to be told."""
    if not process.runway_days:
        return None
    return RunwayWatch(plane, below_days=process.runway_days, interval_s=process.runway_interval_s)


def _tell(step: Step, runway: Runway) -> None:
    step.decision.notice(
        "runway",
        runway.account,
        credit_type=runway.credit_type,
        available=f"{runway.available:f}",
        per_day=f"{runway.per_day:f}",
        days=f"{runway.days:f}",
    )
