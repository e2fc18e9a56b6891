"""Who pays a charge by the contract's text: grants first, then the pool's policy on the rest (§5.4).

Record, settle and an upward correction share these rules; what differs is told in arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.model.reference_account import Draw, Pool
from tests.model.reference_grants import Grant
from tests.model.reference_prices import I64_MAX


class Refused(Exception):
    """A step that the contract refuses with this status; the step changes nothing."""

    def __init__(self, status: str, field: str = "", **facts: Any) -> None:
        super().__init__(status, field)
        self.status = status
        self.field = field
        self.facts = facts


@dataclass(frozen=True)
class Decision:
    """What a policy says about the part of a charge that no grant covers; the remainder is owed."""

    refusal: str | None = None
    shortfall: int = 0
    """What was missing: beyond the grants that can pay, and beyond the headroom there is."""
    uncovered: int = 0
    overage: int = 0


@dataclass(frozen=True)
class Payment:
    """How one charge is paid; nothing has moved yet."""

    draws: tuple[Draw, ...]
    owed: int = 0
    overage: int = 0
    uncovered: int = 0

    @property
    def charged(self) -> int:
        return sum(amount for _, amount in self.draws) + self.owed + self.overage


def draws_from(payers: Iterable[Grant], charge: int) -> tuple[Draw, ...]:
    """Each grant's part, in the order given, until the charge is covered or the grants are empty."""
    draws: list[Draw] = []
    left = charge
    for grant in payers:
        part = min(left, grant.free)
        if part > 0:
            draws.append((grant.grant_id, part))
            left -= part
    return tuple(draws)


def policy_on(pool: Pool, covered: int, rest: int, period: int) -> Decision:
    """The policy's word on the part of a charge that no grant covers; held headroom is taken (§6)."""
    policy = pool.policy
    if rest == 0:
        return Decision()
    if policy.kind == "partial":
        return Decision(uncovered=rest) if covered > 0 else Decision("INSUFFICIENT", shortfall=rest)
    if policy.kind == "overdraft":
        headroom = max(0, policy.limit - pool.overdraft - pool.held_overdraft)
        return Decision() if rest <= headroom else Decision("LIMIT_REACHED", shortfall=rest - headroom)
    if policy.kind == "overage":
        used = pool.overage_by_period.get(period, 0) + pool.held_overage
        if policy.cap is None or used + rest <= policy.cap:
            return Decision(overage=rest)
        return Decision("LIMIT_REACHED", shortfall=rest - max(0, policy.cap - used))
    return Decision("INSUFFICIENT", shortfall=rest)


def passes_totals(pool: Pool, owed: int, overage: int) -> bool:
    """§2: the overdraft and the overage each fit 64 bits, what is held of them included."""
    overdraft = pool.overdraft + pool.held_overdraft + owed
    return max(overdraft, pool.overage + pool.held_overage + overage) > I64_MAX


def plan(
    pool: Pool,
    charge: int,
    payers: Iterable[Grant],
    *,
    period: int,
    now: int,
    force: bool = False,
    whole: bool = False,
) -> Payment:
    """How the charge would be paid; refuses with LIMIT_REACHED, INSUFFICIENT or OVERFLOW (of a total).

    ``force``: what the policy would not take whole becomes overdraft. ``whole``: all or nothing
    under ``partial`` too.
    """
    draws = draws_from(payers, charge)
    covered = sum(amount for _, amount in draws)
    decision = policy_on(pool, covered, charge - covered, period)
    if force and (decision.refusal is not None or decision.uncovered > 0):
        decision = Decision()
    if whole and decision.uncovered > 0:
        decision = Decision("INSUFFICIENT", shortfall=decision.uncovered)
    if decision.refusal is not None:
        raise Refused(decision.refusal, shortfall=decision.shortfall, available=pool.available(now))
    owed = charge - covered - decision.uncovered - decision.overage
    if passes_totals(pool, owed, decision.overage):
        raise Refused("OVERFLOW", available=pool.available(now))
    return Payment(draws, owed, decision.overage, decision.uncovered)


def pay(pool: Pool, meter: str | None, payment: Payment, *, period: int, step: int) -> None:
    """Burn, owe and count what was planned."""
    for grant_id, amount in payment.draws:
        pool.grants[grant_id].burn(amount)
    pool.owe(meter, payment.owed, step)
    pool.count_overage(payment.overage, period)
    pool.charged += payment.charged
    pool.touched = True
