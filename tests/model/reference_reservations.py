"""Reservations by the contract's text (§6): credits set aside, then settled, released or lapsed."""

from __future__ import annotations

from dataclasses import dataclass

from tests.model.reference_account import Draw, Match, Pool
from tests.model.reference_payment import Payment, Refused, draws_from, passes_totals, policy_on
from tests.model.reference_prices import Rate


@dataclass
class Reservation:
    """One hold: which grants hold how much of it, and the headroom beyond them."""

    reservation_id: str
    content: tuple[object, ...]
    """Account, meter or credit type, dimensions, quantity or credits, ttl, as sent."""
    reserved_at: int
    expires_at: int
    credit_type: str
    meter: str | None
    rate: Rate | None
    match: Match
    by_quantity: bool
    parts: tuple[Draw, ...]
    """In the order held, which is burn-down order."""
    headroom: int
    headroom_kind: str
    uncovered: int
    state: str = "open"
    settled_as: tuple[object, ...] | None = None
    """What the settle that ended it was sent with."""

    @property
    def is_open(self) -> bool:
        return self.state == "open"

    @property
    def held(self) -> int:
        return sum(amount for _, amount in self.parts)

    def end(self, state: str, pool: Pool, now: int, late_grace: int, burned: int = 0) -> int:
        """Burn the first ``burned`` of the held parts, return the others, let the headroom go.

        What returned to grants or was forfeited by them. Open debt takes what it can at once (§4.9);
        the caller settles it when headroom has become debt.
        """
        assert self.is_open
        returned = 0
        left = burned
        for grant_id, amount in self.parts:
            grant = pool.grants[grant_id]
            part = min(left, amount)
            grant.burn_held(part)
            grant.let_go(amount - part, now, late_grace)
            left -= part
            returned += amount - part
        assert left == 0, "a settle burned more held credits than there were"
        if self.headroom_kind == "overdraft":
            pool.held_overdraft -= self.headroom
        else:
            pool.held_overage -= self.headroom
        self.state = state
        return returned


def take_holds(pool: Pool, meter: str | None, charge: int, *, period: int, now: int) -> tuple[Payment, str]:
    """What a reserve of this price holds, as a payment that is not made, and the headroom's kind.

    Refuses as a record would: LIMIT_REACHED, INSUFFICIENT, OVERFLOW (of a total).
    """
    draws = draws_from(pool.payers(meter, drawn_at=now, now=now, late_grace=0), charge)
    covered = sum(amount for _, amount in draws)
    decision = policy_on(pool, covered, charge - covered, period)
    if decision.refusal is not None:
        raise Refused(decision.refusal, shortfall=decision.shortfall, available=pool.available(now))
    owed = charge - covered - decision.uncovered - decision.overage
    if passes_totals(pool, owed, decision.overage):
        raise Refused("OVERFLOW", available=pool.available(now))
    for grant_id, amount in draws:
        pool.grants[grant_id].hold(amount)
    pool.held_overdraft += owed
    pool.held_overage += decision.overage
    pool.touched = True
    kind = "overage" if decision.overage else "overdraft"
    return Payment(draws, owed, decision.overage, decision.uncovered), kind


@dataclass(frozen=True)
class Settlement:
    """What one settle does."""

    own: int
    """Of the held parts, burned in the order held."""
    from_headroom: int
    payment: Payment
    """The rest: free grants, held headroom, then the policy."""


def plan_settle(
    hold: Reservation, pool: Pool, charge: int, *, period: int, now: int, refuse_extra: bool
) -> Settlement:
    """§6: own held parts, then free grants, then held headroom, what is left an ordinary charge."""
    if refuse_extra and charge > hold.held + hold.headroom + hold.uncovered:
        missing = charge - hold.held - hold.headroom
        raise Refused("INSUFFICIENT", shortfall=missing, available=pool.available(now))
    own = min(charge, hold.held)
    payers = pool.payers(hold.meter, drawn_at=now, now=now, late_grace=0)
    draws = draws_from(payers, charge - own)
    covered = own + sum(amount for _, amount in draws)
    from_headroom = min(charge - covered, hold.headroom)
    rest = charge - covered - from_headroom
    decision = policy_on(pool, covered + from_headroom, rest, period)
    if decision.refusal is not None:
        raise Refused(decision.refusal, shortfall=decision.shortfall, available=pool.available(now))
    owed = rest - decision.uncovered - decision.overage
    if passes_totals(pool, owed, decision.overage):
        raise Refused("OVERFLOW", available=pool.available(now))
    if hold.headroom_kind == "overdraft":
        owed += from_headroom
        overage = decision.overage
    else:
        overage = decision.overage + from_headroom
    return Settlement(own, from_headroom, Payment(draws, owed, overage, decision.uncovered))
