"""Somebody sets the clock of a real server: P14 from outside, kills and restarts included."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import drawdown
import pytest
from drawdown.cli.server_process import ServerProcess
from drawdown.client.interface import Database
from drawdown.errors import UnavailableError

from tests.control.conftest import prepare
from tests.control.plans import published
from tests.control.waiting import wait_until
from tests.stress import clock_loop
from tests.stress.false_clock import DAY_S, HOUR_S, FalseClock

PLAN = "monthly"
STEPS_S = (-HOUR_S + 60, -2 * HOUR_S, -400 * DAY_S, 2 * HOUR_S, 400 * DAY_S, -1, 0)
"""Less than an hour is slowed down to, more is held; the last two are a leap second and the truth."""
ANSWER_S_MAX = 20.0
WAIT_S = 90.0


@dataclass
class Server:
    """Lives of one server under one false clock, and what its clients were told."""

    folder: Path
    clock: FalseClock
    sent: list[tuple[str, datetime]] = field(default_factory=list)
    subscribed: int = 0

    @contextmanager
    def life(self, *, killed: bool = True, **settings: str) -> Iterator[Database]:
        """Serve until the block ends, and then end without warning."""
        wanted = {"payments": "test", "sweep_interval_ms": "60000", "reserve_bytes": "0", **settings}
        process = ServerProcess(
            self.folder, settings=wanted, program=(*self.clock.under, sys.executable, "-m", "drawdown")
        )
        process.start()
        try:
            with drawdown.connect(process.target) as connection:
                yield connection
        finally:
            if killed:
                process.kill()
            else:
                assert process.stop() == 0

    def use(self, db: Database) -> None:
        """One event with the time of a client whose clock is right; it is taken, and soon."""
        began = time.monotonic()
        event_id, at = f"event-{len(self.sent)}", datetime.now(UTC)
        assert db.record("user", "calls", event_id=event_id, time=at).status == "OK"
        assert time.monotonic() - began < ANSWER_S_MAX, "an answer stood still"
        self.sent.append((event_id, at))

    def send_again(self, db: Database, status: str) -> None:
        """Everything once more."""
        answers = [db.record("user", "calls", event_id=name, time=at).status for name, at in self.sent]
        assert Counter(answers) == {status: len(self.sent)}

    def subscribe_another(self, db: Database) -> None:
        """Jobs go on: first invoice, payment and grant of somebody new come by themselves."""
        self.subscribed += 1
        account = f"new-{self.subscribed}"
        assert db.create_account(account, customer_id="customer")
        db.subscribe(account, PLAN, subscription_id=account)
        wait_until(lambda: db.balance(account, "credits").available == 1000, WAIT_S)
        assert [invoice.state for invoice in db.invoices(account)] == ["paid"]


def minutes(db: Database) -> Decimal:
    """What is left of the user's grants that end one after the other."""
    return db.balance("user", "minutes").available


def held_us(db: Database) -> int | None:
    """How far the wall clock stands from the stamp while it is not followed."""
    told = db.stats().get("clock_held_us")
    return None if told is None else int(told)


def set_up(server: Server, db: Database) -> None:
    prepare(db)
    db.put_customer("customer", payment_method="test_ok")
    published(db, PLAN)
    assert db.create_account("user", customer_id="customer")
    db.subscribe("user", PLAN, subscription_id="user")
    wait_until(lambda: db.balance("user", "credits").available == 1000, WAIT_S)
    now = datetime.now(UTC)
    for amount, lifetime in ((20, timedelta(hours=3)), (40, timedelta(days=300)), (80, None)):
        expires = None if lifetime is None else now + lifetime
        assert db.create_grant("user", "minutes", amount, grant_id=f"g{amount}", expires_at=expires)
    server.use(db)


def steps_while_it_runs(server: Server, db: Database) -> None:
    """Whatever the clock is set to: calls are answered, jobs are done, nothing ends before its time."""
    assert db.reserve("user", credit_type="minutes", credits=5, reservation_id="long", ttl=3 * HOUR_S)
    for ahead_s in STEPS_S:
        server.clock.set(ahead_s)
        server.use(db)
        assert minutes(db) == 135, f"at {ahead_s:+} s"
        assert (held_us(db) is not None) == (abs(ahead_s) > HOUR_S), f"at {ahead_s:+} s"
        assert len(db.reservations("user")) == 1
        if abs(ahead_s) >= DAY_S:
            server.subscribe_another(db)
    assert db.release("user", "long")
    assert len(db.invoices("user")) == 1, "nothing was renewed"


def expire_seen(db: Database) -> None:
    """A grant and a hold end, and somebody is told so; nothing is written after that."""
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    assert db.create_grant("user", "minutes", 7, grant_id="soon", expires_at=soon)
    assert db.reserve("user", credit_type="minutes", credits=3, reservation_id="short", ttl=1.5)
    wait_until(lambda: minutes(db) == 140, WAIT_S)


def renewed_once_each(db: Database, months: int) -> None:
    """The user's invoices: one per month, none twice, each with its grant."""
    wait_until(lambda: {invoice.state for invoice in db.invoices("user")} == {"paid"}, WAIT_S)
    invoices = db.invoices("user")
    starts = sorted(invoice.period.start for invoice in invoices if invoice.period is not None)
    assert len(set(starts)) == len(starts) == months + 1, starts
    granted = [grant for grant in db.grants("user", "credits") if grant.source == "subscription"]
    assert len(granted) == months + 1
    assert len({grant.effective_at for grant in granted}) == months + 1
    # What is paid for after it would have expired lasts from then on: each month but the first was paid now.
    assert db.balance("user", "credits").available == 1000 * max(months, 1)


def months_within(days: int) -> int:
    """Renewals of a monthly subscription that began today, within so many days."""
    begun = datetime.now(UTC)
    end = begun + timedelta(days=days)
    whole = (end.year - begun.year) * 12 + end.month - begun.month
    return whole - (end.day < begun.day)


@pytest.mark.stress
@pytest.mark.timeout(300)
def test_no_step_of_the_clock_doubles_returns_or_ends_anything_unasked(tmp_path: Path) -> None:
    """Steps while it runs and between its lives, ±1 s to ±400 days; followed only once vouched for."""
    server = Server(tmp_path / "data", FalseClock(tmp_path / "clock"))
    with server.life() as db:
        set_up(server, db)
        steps_while_it_runs(server, db)
        expire_seen(db)
    server.clock.set(-HOUR_S + 60)
    with server.life() as db:
        assert minutes(db) == 140, "what was seen to end stays ended"
        assert not db.reservations("user")
        server.send_again(db, "DUPLICATE")
        server.use(db)
        server.clock.set(0)
        server.use(db)
    server.clock.set(400 * DAY_S)
    with server.life() as db:
        assert held_us(db) is not None, "nobody vouched for it"
        server.use(db)
        assert minutes(db) == 140
        server.subscribe_another(db)
        assert len(db.invoices("user")) == 1
    months = months_within(400)
    with server.life(accept_clock="true") as db:
        wait_until(lambda: len(db.invoices("user")) > 3, WAIT_S)
    with server.life(accept_clock="true") as db:
        wait_until(lambda: len(db.invoices("user")) > months, WAIT_S)
        renewed_once_each(db, months)
        assert minutes(db) == 80
        server.clock.set(0)
        assert held_us(db) is not None
        assert minutes(db) == 80
    with server.life(killed=False) as db:
        renewed_once_each(db, months)
        assert minutes(db) == 80
        server.send_again(db, "TOO_LATE")
        assert db.record("user", "calls", event_id="without a time").status == "OK"
        assert db.verify().holds


@pytest.mark.stress
@pytest.mark.timeout(120)
@pytest.mark.parametrize("year", [1970, 2100])
def test_a_new_store_refuses_a_clock_that_nobody_set(tmp_path: Path, year: int) -> None:
    """It says what it sees and what to do, and leaves nothing behind that a right clock stumbles over."""
    clock = FalseClock(tmp_path / "clock")
    clock.set((datetime(year, 1, 2, tzinfo=UTC) - datetime.now(UTC)).total_seconds())
    server = Server(tmp_path / "data", clock)
    with pytest.raises(UnavailableError, match=f"the year {year}"), server.life():
        pass
    with server.life(accept_clock="true") as db:
        assert db.create_account("user")
    clock.set(0)
    with server.life() as db:
        assert held_us(db) is not None or year == 1970, "a step forward needs consent, one back none"
        assert db.account("user").account == "user"


@pytest.mark.stress
@pytest.mark.timeout(180)
def test_nothing_is_lost_or_doubled_while_the_clock_is_set_to_and_fro(tmp_path: Path) -> None:
    """The crash loop, with its outside book, under a clock that somebody sets all the while."""
    loop = clock_loop.run(tmp_path, cycles=3, seed=7)
    assert loop.faults == [], loop.summary()
    assert loop.steps > 6 and loop.summary()["acknowledged"] > 300, loop.summary()
