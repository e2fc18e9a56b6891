"""From the engine's crossings to notices and recharges, each once.

The engine's queue only wakes; the truth is the journal, read from a cursor that moves in the same
transaction as what follows from it. After a crash the relay goes on where it stood, however long ago.
The wake comes with a durable group, so a crossing is a notice milliseconds after its debit; between two
looks it rests a moment, so that a stream of groups costs it little.
"""

from __future__ import annotations

import logging
from typing import Final

from drawdown import errors
from drawdown.model.results import Crossing
from drawdown.runtime.background import Background
from drawdown.runtime.control.change_relay import BEHIND_MAX, ChangeRelay
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.recharge_calls import evaluate_crossing
from drawdown.runtime.control.recovering import CROSSINGS
from drawdown.runtime.control.step import Step

_log = logging.getLogger("drawdown.control")

CURSOR: Final = CROSSINGS
CROSSINGS_AT_ONCE: Final = 256
# Longest wait for a durable group; only the time to notice that the thread is to stop.
WAIT_S: Final = 0.25
REST_S: Final = 0.01


class Relay:
    """Reads on from the cursor; ``background`` is the thread that does so."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._stored: int | None = None
        self._cursor = 0
        self._changes = ChangeRelay(plane)
        self.background = Background("relay", self.step, fault_pause_s=1.0)

    def step(self) -> float:
        """Relay what is there, or wait for more; answers the pause until the next look."""
        engine = self._plane.engine
        durable = engine.durable_seq()
        if self.relay_some():
            return 0.0
        self._changes.step()
        try:
            engine.wait_durable(durable + 1, self._changes.pause_s(WAIT_S))
        except errors.EngineHaltedError:
            raise
        except errors.UnavailableError:
            # Nothing became durable meanwhile.
            return 0.0
        return REST_S

    def relay_some(self) -> int:
        """Relay up to a bounded number of crossings; answers how many."""
        plane = self._plane
        if self._stored is None:
            with plane.sql.transaction() as work:
                # A restored engine may stand before the cursor: what it then does anew is told as it comes.
                self._stored = min(work.series.cursor(CURSOR), plane.engine.durable_seq())
            self._cursor = self._stored
        # Most looks find nothing: only a crossing is worth a transaction.
        following, crossings = plane.engine.crossings(self._cursor, CROSSINGS_AT_ONCE)
        if not crossings and following - self._stored < BEHIND_MAX:
            self._cursor = following
            return 0
        with plane.sql.transaction() as work:
            step = Step(plane, work)
            for crossing in crossings:
                relay_crossing(step, crossing)
            work.series.move_cursor(CURSOR, following)
            work.carry_out(step.decision, plane.now_us())
        self._stored = self._cursor = following
        if step.decision.groups:
            plane.delivery.deliver()
        # Jobs that came of it, payments among them, are the scheduler's: the relay waits for nobody.
        return len(crossings)


def relay_crossing(step: Step, crossing: Crossing) -> None:
    """One crossing is one notice, and may begin a recharge."""
    step.decision.notice(
        crossing.kind,
        crossing.account,
        key=f"crossing:{step.plane.name_of(crossing.seq)}",
        credit_type=crossing.credit_type,
        available=f"{crossing.available:f}",
        **({} if crossing.threshold is None else {"threshold": f"{crossing.threshold:f}"}),
        **({} if crossing.threshold_percent is None else {"threshold_percent": crossing.threshold_percent}),
    )
    if crossing.kind not in ("balance.low", "balance.depleted"):
        return
    try:
        evaluate_crossing(step, crossing)
    except errors.DrawdownError as fault:
        # A plan without a top-up any more, a currency without a price: told, and the relay goes on.
        _log.warning("a recharge could not begin: %s", fault, extra={"account": crossing.account})
        step.decision.notice(
            "recharge.failed",
            crossing.account,
            key=f"recharge.failed:crossing:{step.plane.name_of(crossing.seq)}",
            credit_type=crossing.credit_type,
            reason=fault.reason,
        )
