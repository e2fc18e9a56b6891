"""What the demo knows by itself, from the acks alone, and holds against the server's books."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from drawdown.cli.demo_workload import CUSTOMERS, SCALE, Request
from drawdown.client.interface import Database
from drawdown.client.recorder import UsageException
from drawdown.client.usage_event import UsageEvent
from drawdown.model import is_applied, units_from_credits


class Check(NamedTuple):
    """One question with its answer."""

    question: str
    holds: bool
    found: str


class AckLedger:
    """Every event sent, its price, and what its ack said. Filled from two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[str, Request] = {}
        self._status: dict[str, str] = {}

    def sent(self, request: Request) -> None:
        """An event is about to be sent."""
        assert request.event.event_id is not None
        with self._lock:
            self._sent[request.event.event_id] = request

    def acknowledged(self, outcome: UsageException) -> None:
        """An ack has arrived."""
        with self._lock:
            self._status[outcome.event_id] = outcome.status

    def counts(self) -> dict[str, int]:
        """Acknowledged events by status."""
        with self._lock:
            counts: dict[str, int] = {}
            for status in self._status.values():
                counts[status] = counts.get(status, 0) + 1
            return counts

    def applied_units(self) -> dict[str, int]:
        """By account: the price of every event whose ack says that it is in the ledger."""
        with self._lock:
            units = {customer.account: 0 for customer in CUSTOMERS}
            for event_id, status in self._status.items():
                if is_applied(status):
                    request = self._sent[event_id]
                    units[request.event.account] += request.units
            return units

    def applied_events(self) -> list[UsageEvent]:
        """Every event that is in the ledger."""
        with self._lock:
            return [self._sent[each].event for each, status in self._status.items() if is_applied(status)]

    def unanswered(self) -> int:
        """Events sent without an ack yet."""
        with self._lock:
            return len(self._sent) - len(self._status)


def burned_units(database: Database) -> dict[str, int]:
    """By account: burned from grants and open overdraft, in smallest units, as the server's books say."""
    found: dict[str, int] = {}
    for customer in CUSTOMERS:
        burned = sum(units_from_credits(grant.burned, SCALE) for grant in database.grants(customer.account))
        overdraft = units_from_credits(database.balance(customer.account, "credits").overdraft, SCALE)
        found[customer.account] = burned + overdraft
    return found


def leaves_the_state(database: Database, act: Callable[[], object]) -> tuple[bool, str]:
    """Whether the state is the same to the last bit after ``act``, and the digests of before and after.

    The acceptance floor is state too and rises with the clock, once a minute: then ``act`` is done again.
    """
    while True:
        floor, before = _floor(database), database.digest()
        act()
        after = database.digest()
        if _floor(database) == floor:
            return before == after, f"digest {before} before, {after} after"


def _floor(database: Database) -> object:
    return database.stats()["dedupe_floor_us"]


def check_nothing_lost_after_kill(database: Database, acknowledged: dict[str, int]) -> Check:
    """Right after recovery: what was acknowledged before the kill is there."""
    burned = burned_units(database)
    lost = [account for account, units in acknowledged.items() if burned[account] < units]
    return Check(
        "every event acknowledged before kill -9 survived it",
        not lost,
        f"{sum(acknowledged.values()) / 10**SCALE:,.3f} credits acknowledged, "
        f"{sum(burned.values()) / 10**SCALE:,.3f} in the books" + (f"; lost: {lost}" if lost else ""),
    )


def check_books(database: Database, ledger: AckLedger) -> list[Check]:
    """At the end: books and acks agree to the smallest unit, and no credit is unaccounted for."""
    expected, burned = ledger.applied_units(), burned_units(database)
    wrong = {
        account: (expected[account], burned[account])
        for account in expected
        if expected[account] != burned[account]
    }
    applied = ledger.applied_events()
    statuses: set[str] = set()

    def send_again() -> None:
        for start in range(0, len(applied), 5000):
            statuses.update(result.status for result in database.record_batch(applied[start : start + 5000]))

    unchanged, digests = leaves_the_state(database, send_again)
    conservation = database.verify()
    counts = ledger.counts()
    dry = database.balance("wingtip", "credits").available
    below = database.balance("adatum", "credits").available
    return [
        Check("every event sent was answered", ledger.unanswered() == 0, f"{sum(counts.values()):,} answers"),
        Check(
            "nothing lost, nothing doubled: books = Σ price of the events acknowledged, per account",
            not wrong,
            "; ".join(f"{a}: {e:,} expected, {b:,} burned" for a, (e, b) in wrong.items())
            or f"{sum(burned.values()):,} smallest units over {len(burned)} accounts, equal",
        ),
        Check(
            "sending everything again changes nothing",
            statuses == {"DUPLICATE"} and unchanged,
            f"{len(applied):,} events: {', '.join(sorted(statuses))}; {digests}",
        ),
        Check(
            "hard policy: cut off at zero, never below",
            counts.get("INSUFFICIENT", 0) > 0 and dry >= 0,
            f"{counts.get('INSUFFICIENT', 0):,} events refused, wingtip has {dry:f} left",
        ),
        Check("overdraft policy: never below its limit", -50 <= below < 0, f"adatum stands at {below:f}"),
        Check(
            "conservation: every credit is accounted for",
            conservation.holds,
            f"{conservation.grants} grants in {conservation.pools} pools"
            + "".join(f"; {violation}" for violation in conservation.violations[:3]),
        ),
    ]
