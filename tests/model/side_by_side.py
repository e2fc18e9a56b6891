"""The comparison: every answer and every readable fact of engine and reference, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.model.engine_side import EngineSide
from tests.model.generators import USERS_MAX
from tests.model.reference_account import Account
from tests.model.reference_commands import execute, sweep
from tests.model.reference_ledger import Entitlement, Event, Outcome, ReferenceLedger, ReferenceSettings
from tests.model.views import HoldView, PoolView

POOL_KNOWN = {"OK", "DUPLICATE", "LIMIT_REACHED", "INSUFFICIENT"}
"""Statuses whose answer carries the pool's ``available``; with others it may be absent."""


WITHOUT_ID = {"set_rate", "assign_rate_table", "set_policy", "suspend_account", "resume_account"}
"""Commands that carry no id: whether saying again what holds already is new or a repeat is not ruled."""


WITH_FACTS = {"reserve", "settle", "release", "correct"}
"""Commands whose outcome says amounts."""


class SideBySide:
    """One engine and one reference, told the same things."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.reference = ReferenceLedger(ReferenceSettings(unique_values_max=USERS_MAX))
        self.engine = EngineSide(folder, unique_values_max=USERS_MAX, **settings)

    def execute(self, *group: dict[str, Any]) -> list[str]:
        """One atomic group on both sides; the statuses both gave."""
        given = self.engine.execute(list(group))
        wanted = execute(
            self.reference,
            [
                {**command, "regranted": outcome.get("regranted", [])} if command.get("regrant") else command
                for command, outcome in zip(group, given, strict=True)
            ],
        )
        expected = [outcome["status"] for outcome in wanted]
        answered = [outcome["status"] for outcome in given]
        for index, command in enumerate(group):
            if command["type"] in WITHOUT_ID and answered[index] == "DUPLICATE":
                answered[index] = "OK"
        assert expected == answered, f"{group}: {wanted}, answered {given}"
        for command, one, other in zip(group, wanted, given, strict=True):
            if command["type"] in WITH_FACTS:
                self._compare_facts(command, one, other)
        self.compare_reads()
        return expected

    @staticmethod
    def _compare_facts(command: dict[str, Any], expected: dict[str, Any], answered: dict[str, Any]) -> None:
        """Whatever the reference has to say about the outcome, the engine says too."""
        for name in expected.keys() - {"status", "field"}:
            said = (expected[name] or 0) == (answered.get(name) or 0)
            assert said, f"{name} of {command}: {expected}, answered {answered}"

    def record(self, event: Event) -> Outcome:
        expected = self.reference.record(event)
        self._compare_outcome(expected, self.engine.record(event), event)
        self.compare_reads()
        return expected

    def record_batch(self, events: list[Event], encoding: str) -> list[Outcome]:
        expected = [self.reference.record(event) for event in events]
        answered = self.engine.record_batch(events, encoding)
        for one, other, event in zip(expected, answered, events, strict=True):
            self._compare_outcome(one, other, event)
        self.compare_reads()
        return expected

    def check(
        self, account: str, meter: str, quantity: int, dimensions: tuple[tuple[str, str], ...]
    ) -> Entitlement:
        expected = self.reference.check(account, meter, quantity, dimensions)
        answered = self.engine.check(account, meter, quantity, dimensions)
        asked = f"check of {quantity} {meter} by {account}: {expected}, answered {answered}"
        assert (expected.allowed, expected.reason) == (answered.allowed, answered.reason), asked
        assert expected.available is None or expected.available == (answered.available or 0), asked
        assert expected.units is None or expected.units == answered.units, asked
        return expected

    def sweep(self) -> None:
        """Book all breakage that is due, on both sides."""
        sweep(self.reference)
        rounds = 0
        more_due = True
        while more_due:
            _seq, _booked, more_due = self.engine.engine.expire_due(3)
            rounds += 1
            assert rounds < 1_000, "the sweep never ends"
        self.compare_reads()

    def compare_reads(self) -> None:
        """Every grant and every pool of every account: expected on the left."""
        for account in self.reference.accounts.values():
            answered = self.engine.grants(account.account)
            expected = {
                grant.grant_id: grant.view(account.now)
                for pool in account.pools.values()
                for grant in pool.grants.values()
            }
            differing = {
                grant_id: (expected.get(grant_id), answered.get(grant_id))
                for grant_id in expected.keys() | answered.keys()
                if expected.get(grant_id) != answered.get(grant_id)
            }
            assert differing == {}, f"grants of {account.account} at {account.now}: {differing}"
            for pool in account.pools.values():
                overage = pool.overage_by_period.get(account.period_start(account.now), 0)
                view = PoolView(pool.available(account.now), pool.overdraft, overage)
                balance = self.engine.balance(account.account, pool.credit_type)
                assert view == balance, f"{pool.credit_type} of {account.account}: {view}, answered {balance}"
                assert pool.conserves(), f"the reference lost credits: {pool}"
            if account.reservations:
                self.compare_holds(account)

    def compare_holds(self, account: Account) -> None:
        """Every open hold with the grants that hold it; together they are what the grants hold."""
        expected = {
            hold.reservation_id: HoldView(hold.credit_type, hold.parts, hold.headroom, hold.expires_at)
            for hold in account.reservations.values()
            if hold.is_open
        }
        answered = self.engine.reservations(account.account)
        assert expected == answered, f"holds of {account.account} at {account.now}: {expected}, {answered}"
        held = sum(amount for hold in expected.values() for _, amount in hold.parts)
        assert held == sum(g.held for pool in account.pools.values() for g in pool.grants.values())

    @staticmethod
    def _compare_outcome(expected: Outcome, answered: Outcome, event: Event) -> None:
        assert (expected.status, expected.charged, expected.uncovered, expected.shortfall or 0) == (
            answered.status,
            answered.charged,
            answered.uncovered,
            answered.shortfall or 0,
        ), f"{event}: expected {expected}, answered {answered}"
        if expected.status in POOL_KNOWN or answered.available is not None:
            assert (expected.available or 0) == (answered.available or 0), f"{event}: {expected} {answered}"
