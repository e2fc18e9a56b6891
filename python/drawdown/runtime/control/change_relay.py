"""From what the journal says of grants to ``grant.*`` and ``entitlement.changed``, each once.

Beside ingest and off the writer: the journal is read from a cursor, and the cursor, the notices and the
instants at which a grant is to be told of again are one transaction. What time brings on the wall clock
is told when it comes; on an account's own clock, when the journal says that it was advanced. The order is
that of the journal, and the time of a change that of its entry, whatever the time is now: one who was away
tells the same as one who was there, but for the ends of grants that were used up meanwhile
(``grant_life.py``).
"""

from __future__ import annotations

import time
from datetime import datetime
from heapq import heappop, heappush
from typing import Final

from drawdown import errors
from drawdown.model.instants import us_from_instant
from drawdown.model.results import Change, Grant
from drawdown.notices import grant_life
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.entitlement_watch import look_again
from drawdown.runtime.control.recovering import CHANGES
from drawdown.runtime.control.step import Step

CURSOR: Final = CHANGES
CHANGES_AT_ONCE: Final = 256
# Of a backlog: a million grants put down at once are told of in the time that others leave. They leave less
# while the journal grows by so many entries a second: then ingest wants the interpreter.
SHARE: Final = 0.2
SHARE_UNDER_LOAD: Final = 0.02
LOAD_PER_S: Final = 10_000
# How far the cursor in the database may stay behind where nothing was to be told.
BEHIND_MAX: Final = 1_000_000


class ChangeRelay:
    """Reads on from the cursor. For one thread."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._stored: int | None = None
        self._cursor = 0
        self._next_due_us: int | None = None
        self._not_before = 0.0
        self._last_look = (time.monotonic(), plane.engine.durable_seq())

    def pause_s(self, most_s: float) -> float:
        """How long there is nothing to do at most, unless something becomes durable."""
        waits = [most_s]
        if self._not_before:
            waits.append(self._not_before - time.monotonic())
        if self._next_due_us is not None:
            waits.append((self._next_due_us - self._plane.now_us()) / 1e6)
        return max(min(waits), 0.0)

    def step(self) -> None:
        """Tell of what is there, a bounded number."""
        began = time.monotonic()
        if began < self._not_before:
            return
        self._not_before = 0.0
        if self._stored is None:
            self._open()
        following, changes = self._plane.engine.changes(self._cursor, CHANGES_AT_ONCE)
        now_us = self._plane.now_us()
        is_due = self._next_due_us is not None and self._next_due_us <= now_us
        if is_due:
            # What is told to have expired stays expired.
            self._plane.engine.keep_now_us()
        if not changes and not is_due and following - (self._stored or 0) < BEHIND_MAX:
            self._cursor = following
            return
        if self._relay(following, changes, now_us if is_due else None):
            self._not_before = began + (time.monotonic() - began) / self._share()

    def _share(self) -> float:
        """Of the time, by how much was written to the journal since the last look."""
        at, seq = self._last_look
        self._last_look = (time.monotonic(), self._plane.engine.durable_seq())
        is_under_load = self._last_look[1] - seq > LOAD_PER_S * (self._last_look[0] - at)
        return SHARE_UNDER_LOAD if is_under_load else SHARE

    def _open(self) -> None:
        with self._plane.sql.transaction() as work:
            stored = work.series.cursor(CURSOR)
            self._next_due_us = work.changes.next_us()
        # A restored engine may stand before the cursor: what it then does anew is told as it comes.
        self._stored = self._cursor = min(stored, self._plane.engine.durable_seq())

    def _relay(self, following: int, changes: list[Change], up_to_us: int | None) -> bool:
        """Tell of these, and of what has come on the wall clock; answers whether there is more."""
        plane = self._plane
        with plane.sql.transaction() as work:
            teller = _Teller(Step(plane, work), plane.expiring_soon_s, self._next_due_us)
            is_behind = len(changes) >= CHANGES_AT_ONCE
            for change in changes:
                # What time brought before the change is told before it: the grant may be voided by it.
                if not teller.live_wall_clock(us_from_instant(change.at)):
                    is_behind, following = True, change.seq - 1
                    break
                teller.tell(change)
            if up_to_us is not None and not is_behind:
                is_behind = not teller.live_wall_clock(up_to_us)
            teller.put_down()
            work.series.move_cursor(CURSOR, following)
            work.carry_out(teller.step.decision, plane.now_us())
            self._next_due_us = work.changes.next_us()
        self._stored = self._cursor = following
        return is_behind


class _Teller:
    """One transaction's worth of telling."""

    def __init__(self, step: Step, leads_s: tuple[int, ...], next_due_us: int | None) -> None:
        self.step = step
        self._leads_s = leads_s
        # Nothing is due on the wall clock before.
        self._next_due_us = next_due_us
        self._room = CHANGES_AT_ONCE
        self._rows: dict[tuple[str, str], tuple[str, int] | None] = {}
        self._grants: dict[str, dict[str, Grant]] = {}
        self._look_again: set[str] = set()

    def tell(self, change: Change) -> None:
        """One change of the journal."""
        grant = change.grant
        self._look_again.add(change.account)
        if change.kind == "clock.advanced" and change.to is not None:
            self._clock_advanced(change.account, change.to)
        elif grant is None:
            return
        elif change.kind == "grant.created":
            now = change.clock or change.at
            state = grant_life.state_at_creation(grant, pending=change.pending, now=now)
            self._notice(change.kind, grant, state=state)
            if not change.pending:
                self._begin(grant, change)
        elif change.kind == "grant.released":
            self._begin(grant, change)
        elif change.kind == "grant.exhausted":
            # It may be used up again after a correction: each is told.
            self.step.decision.notice(change.kind, grant.account, **grant_life.body_of(grant))
        elif change.kind == "grant.voided":
            moved = {} if not change.moved else {"moved": f"{change.moved:f}"}
            self._notice(change.kind, grant, forfeited=f"{change.forfeited or 0:f}", **moved)
            self._rows[grant.account, grant.grant_id] = None

    def live_wall_clock(self, up_to_us: int) -> bool:
        """Tell of what has come by then; answers whether that was all, for it may be much."""
        while self._next_due_us is not None and self._next_due_us <= up_to_us:
            if self._room <= 0:
                return False
            self._write_rows()
            self._room -= self._live("", up_to_us, self._room)
            self._write_rows()
            self._next_due_us = self.step.work.changes.next_us()
        return True

    def put_down(self) -> None:
        """Write when to look next, and look at what accounts may use."""
        self._write_rows()
        look_again(self.step, self._look_again)
        self._look_again = set()

    def _write_rows(self) -> None:
        if self._rows:
            self.step.work.changes.tell_at(self._rows)
            self._rows = {}

    def _clock_advanced(self, account: str, to: datetime) -> None:
        self._write_rows()
        while self._live(account, us_from_instant(to), CHANGES_AT_ONCE):
            self._write_rows()

    def _live(self, clock: str, up_to_us: int, limit: int) -> int:
        """Tell of the earliest that is due, instant by instant over all grants; answers how many grants."""
        due = self.step.work.changes.due(clock, up_to_us, limit)
        if len(due) == limit:
            # Of others there may be something to tell behind the last of these.
            up_to_us = due[-1].at_us
        waiting = [(each.at_us, each.account, each.grant_id) for each in due]
        while waiting:
            at_us, account, grant_id = heappop(waiting)
            self._rows[account, grant_id] = None
            grant = self._grant_of(account, grant_id)
            if grant is None:
                continue
            self._look_again.add(account)
            self._tell_instants(grant, at_us)
            following_us = self._look_next(grant, clock, at_us)
            if following_us is not None and following_us <= up_to_us:
                heappush(waiting, (following_us, account, grant_id))
        return len(due)

    def _begin(self, grant: Grant, change: Change) -> None:
        """The grant can be spent from its start on: at the change, or later."""
        clock = "" if change.clock is None else grant.account
        now = change.clock or change.at
        if grant.expires_at is not None and grant.expires_at <= now:
            self._tell_instants(grant, us_from_instant(grant.expires_at))
        elif grant.effective_at is not None and grant.effective_at <= now:
            # Lead times that lie in the past are passed: they were none of this grant's.
            self._notice(grant_life.ACTIVATED, grant)
        self._look_next(grant, clock, us_from_instant(now))

    def _tell_instants(self, grant: Grant, at_us: int) -> None:
        for instant in grant_life.instants_of(grant, self._leads_s):
            if us_from_instant(instant.at) == at_us and grant_life.is_told(instant, grant):
                self._notice_instant(grant, instant)

    def _look_next(self, grant: Grant, clock: str, since_us: int) -> int | None:
        """Put down when there is something to tell of next; answers when."""
        instants = (us_from_instant(each.at) for each in grant_life.instants_of(grant, self._leads_s))
        following_us = min((at_us for at_us in instants if at_us > since_us), default=None)
        self._rows[grant.account, grant.grant_id] = None if following_us is None else (clock, following_us)
        if following_us is not None and not clock:
            self._next_due_us = min(following_us, self._next_due_us or following_us)
        return following_us

    def _notice_instant(self, grant: Grant, instant: grant_life.GrantInstant) -> None:
        if instant.kind == grant_life.ACTIVATED:
            self._notice(instant.kind, grant)
            return
        left = f"{grant_life.left(grant):f}"
        lead = {} if not instant.lead_s else {"lead_s": str(instant.lead_s)}
        self._notice(instant.kind, grant, left=left, **lead)

    def _notice(self, kind: str, grant: Grant, **more: str) -> None:
        key = f"{kind}.{more['lead_s']}" if "lead_s" in more else kind
        self.step.decision.notice(
            kind,
            grant.account,
            # Ids may have colons: with its length it is plain where the account's ends.
            key=f"{key}:{len(grant.account)}:{grant.account}:{grant.grant_id}",
            **grant_life.body_of(grant),
            **more,
        )

    def _grant_of(self, account: str, grant_id: str) -> Grant | None:
        known = self._grants_of(account).get(grant_id)
        if known is not None:
            return known
        try:
            # Told late: it may have left memory meanwhile.
            return self.step.engine.grant(account, grant_id)
        except errors.NotFoundError:
            return None

    def _grants_of(self, account: str) -> dict[str, Grant]:
        if account not in self._grants:
            try:
                found = self.step.engine.grants(account, ended=False)
            except errors.AccountNotFoundError:
                found = []
            self._grants[account] = {each.grant_id: each for each in found}
        return self._grants[account]
