"""From what the journal says of grants to ``grant.*`` and ``entitlement.changed``, each once.

Beside ingest and off the writer: the journal is read from a cursor, and the cursor, the notices and the
instants at which a grant is to be told of again are one transaction. What time brings on the wall clock
is told when it comes; on an account's own clock, when the journal says that it was advanced. The order is
that of the journal, so that one who was away tells the same as one who was there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from drawdown import errors
from drawdown.model.instants import instant_from_us, us_from_instant
from drawdown.model.results import Change, Grant
from drawdown.notices import grant_life
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.entitlement_watch import look_again
from drawdown.runtime.control.recovering import CHANGES
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.change_book import DueGrant

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
        is_due = self._next_due_us is not None and self._next_due_us <= self._plane.now_us()
        if is_due:
            # What is told to have expired stays expired.
            self._plane.engine.keep_now_us()
        if not changes and not is_due and following - (self._stored or 0) < BEHIND_MAX:
            self._cursor = following
            return
        more = self._relay(following, changes)
        if more:
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

    def _relay(self, following: int, changes: list[Change]) -> bool:
        plane = self._plane
        with plane.sql.transaction() as work:
            teller = _Teller(Step(plane, work), plane.expiring_soon_s)
            for change in changes:
                teller.tell(change)
            due = teller.live_wall_clock(CHANGES_AT_ONCE)
            teller.put_down()
            work.series.move_cursor(CURSOR, following)
            work.carry_out(teller.step.decision, plane.now_us())
            self._next_due_us = work.changes.next_us()
        self._stored = self._cursor = following
        return len(changes) >= CHANGES_AT_ONCE or due >= CHANGES_AT_ONCE


class _Teller:
    """One transaction's worth of telling."""

    def __init__(self, step: Step, leads_s: tuple[int, ...]) -> None:
        self.step = step
        self._leads_s = leads_s
        self._rows: dict[tuple[str, str], tuple[str, int] | None] = {}
        self._clocks: dict[str, datetime | None] = {}
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
            state = grant_life.state_at_creation(
                grant, pending=change.pending, now=self._now_of(grant.account)
            )
            self._notice(change.kind, grant, state=state)
            if not change.pending:
                self._begin(grant)
        elif change.kind == "grant.released":
            self._begin(grant)
        elif change.kind == "grant.exhausted":
            # It may be used up again after a correction: each is told.
            self.step.decision.notice(change.kind, grant.account, **grant_life.body_of(grant))
        elif change.kind == "grant.voided":
            moved = {} if not change.moved else {"moved": f"{change.moved:f}"}
            self._notice(change.kind, grant, forfeited=f"{change.forfeited or 0:f}", **moved)
            self._rows[grant.account, grant.grant_id] = None

    def live_wall_clock(self, limit: int) -> int:
        """Tell of what has come by the wall clock; answers of how many grants."""
        now_us = self.step.plane.now_us()
        self.put_down()
        due = self.step.work.changes.due("", now_us, limit)
        self._live(due, "", instant_from_us(now_us))
        return len(due)

    def put_down(self) -> None:
        """Write when to look next, and look at what accounts may use."""
        if self._rows:
            self.step.work.changes.tell_at(self._rows)
            self._rows = {}
        look_again(self.step, self._look_again)
        self._look_again = set()

    def _clock_advanced(self, account: str, to: datetime) -> None:
        if self._rows:
            self.step.work.changes.tell_at(self._rows)
            self._rows = {}
        while due := self.step.work.changes.due(account, us_from_instant(to), CHANGES_AT_ONCE):
            self._live(due, account, to)
            self.step.work.changes.tell_at(self._rows)
            self._rows = {}

    def _live(self, due: Iterable[DueGrant], clock: str, now: datetime) -> None:
        for each in due:
            grant = self._grant_of(each.account, each.grant_id)
            self._rows[each.account, each.grant_id] = None
            if grant is not None:
                self._look_again.add(each.account)
                self._tell_instants(grant, instant_from_us(each.at_us), now, clock)

    def _begin(self, grant: Grant) -> None:
        """The grant can be spent from its start on: now, or later."""
        clock = grant.account if self._clock_of(grant.account) is not None else ""
        now = self._now_of(grant.account)
        if grant.expires_at is not None and grant.expires_at <= now:
            self._tell_instants(grant, grant.expires_at, now, clock)
        elif grant.effective_at is not None and grant.effective_at <= now:
            # Lead times that lie in the past are passed: they were none of this grant's.
            self._notice(grant_life.ACTIVATED, grant)
            self._tell_instants(grant, now, now, clock, is_begun=True)
        else:
            self._tell_instants(grant, now, now, clock)

    def _tell_instants(
        self, grant: Grant, since: datetime, now: datetime, clock: str, *, is_begun: bool = False
    ) -> None:
        """Tell of the instants from ``since`` to ``now``, and put down when to look next."""
        instants = grant_life.instants_of(grant, self._leads_s)
        for instant in instants:
            if since <= instant.at <= now and not is_begun and grant_life.is_told(instant, grant):
                self._notice_instant(grant, instant)
        later = [each.at for each in instants if each.at > now]
        following = (clock, us_from_instant(min(later))) if later else None
        self._rows[grant.account, grant.grant_id] = following

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

    def _clock_of(self, account: str) -> datetime | None:
        if account not in self._clocks:
            try:
                self._clocks[account] = self.step.engine.account(account).test_clock
            except errors.AccountNotFoundError:
                self._clocks[account] = None
        return self._clocks[account]

    def _now_of(self, account: str) -> datetime:
        return self._clock_of(account) or self.step.real_now()

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
