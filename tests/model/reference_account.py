"""One account by the contract's text: its clock, pools, periods and remembered ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.model.reference_grants import Grant
from tests.model.reference_prices import Immutable, Rate

if TYPE_CHECKING:
    from tests.model.reference_payment import Payment
    from tests.model.reference_reservations import Reservation

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Match = tuple[tuple[str, str], ...]
CounterKey = tuple[str, Match, int]
Draw = tuple[str, int]
"""Grant id and amount."""


def month_start(at: int) -> int:
    """The first instant of the UTC calendar month that holds ``at``."""
    moment = EPOCH + timedelta(microseconds=at)
    return (moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0) - EPOCH) // MICROSECOND


@dataclass
class Policy:
    """What happens at zero (§5.4)."""

    kind: str = "hard"
    limit: int = 0
    cap: int | None = None


@dataclass
class Debt:
    """Open overdraft of one meter (None: of direct debits) and since when it is open."""

    amount: int
    opened: int


@dataclass
class Pool:
    """One account × one credit type."""

    credit_type: str
    policy: Policy = field(default_factory=Policy)
    grants: dict[str, Grant] = field(default_factory=dict)
    unmade_grants: dict[str, dict[str, object]] = field(default_factory=dict)
    """Ids used up by a formula that computed 0 (§4.10), with what was sent."""
    debts: dict[str | None, Debt] = field(default_factory=dict)
    overage: int = 0
    overage_by_period: dict[int, int] = field(default_factory=dict)
    charged: int = 0
    """Σ charged of applied usage, for the conservation law."""
    settled: dict[str | None, list[Draw]] = field(default_factory=dict)
    """Which grants settled the debt of each meter, oldest first; corrections take back the latest."""
    held_overdraft: int = 0
    held_overage: int = 0
    touched: bool = False
    """Something was ever said about this pool; before, a reader may not know of it."""

    @property
    def overdraft(self) -> int:
        return sum(debt.amount for debt in self.debts.values())

    @property
    def remaining(self) -> int:
        return sum(grant.remaining for grant in self.grants.values())

    def available(self, now: int) -> int:
        """§5.2: what is free in grants valid now, less the overdraft and its held headroom."""
        free = sum(g.free for g in self.grants.values() if g.is_valid(now))
        return free - self.overdraft - self.held_overdraft

    def payers(self, meter: str | None, *, drawn_at: int, now: int, late_grace: int) -> Iterator[Grant]:
        """Who pays, in order: grants valid at the event's time (§7: one expired since pays within
        ``late_grace``), then those valid at arrival."""
        in_order = sorted(self.grants.values(), key=Grant.burn_down_position)
        able = [grant for grant in in_order if grant.can_pay_for(meter) and grant.free > 0]
        first = [g for g in able if g.is_valid(drawn_at) and (now < g.ends or now < g.ends + late_grace)]
        yield from first
        yield from (g for g in able if g.is_valid(now) and g not in first)

    def settle(self, now: int) -> None:
        """§4.9: the oldest open debt first, each from the grants that can pay, in burn-down order."""
        for meter, debt in sorted(self.debts.items(), key=lambda item: item[1].opened):
            for grant in sorted(self.grants.values(), key=Grant.burn_down_position):
                if grant.is_valid(now) and grant.can_pay_for(meter):
                    paid = min(debt.amount, grant.free)
                    grant.burn(paid)
                    debt.amount -= paid
                    if paid > 0:
                        self.settled.setdefault(meter, []).append((grant.grant_id, paid))
            if debt.amount == 0:
                del self.debts[meter]

    def owe(self, meter: str | None, amount: int, opened: int) -> None:
        if amount == 0:
            return
        debt = self.debts.setdefault(meter, Debt(0, opened))
        debt.amount += amount

    def count_overage(self, amount: int, period: int) -> None:
        """More overage of this period; less where the amount is negative."""
        if amount != 0:
            self.overage += amount
            self.overage_by_period[period] = self.overage_by_period.get(period, 0) + amount

    def conserves(self) -> bool:
        """§4.8: every grant, and Σ charged = Σ burned + open overdraft + overage."""
        burned = sum(grant.burned for grant in self.grants.values())
        balanced = self.charged == burned + self.overdraft + self.overage
        return balanced and all(grant.conserves() for grant in self.grants.values())


@dataclass(frozen=True)
class AppliedEvent(Immutable):
    """A usage event as it stands now: what was sent, its own price, and who paid (§5.5, §7)."""

    content: tuple[object, ...]
    """What the caller sent; a later correction does not change it."""
    time: int
    """By which the key ages, the price is chosen and the period told."""
    order: int
    """Its position among all applied steps."""
    credit_type: str
    meter: str | None
    rate: Rate | None
    counter: CounterKey | None
    """The counter its quantity counts in; None where the price keeps none."""
    quantity: int
    """As it stands now: sent, or corrected to."""
    before: int
    """Its own tier position."""
    units: int
    """What its price is of, in the meter's smallest units; of direct debits the credits."""
    value: int | str | None
    """What it brings to the aggregate: its quantity, or the counted dimension's value."""
    charge: int
    """Its price, the uncovered part included."""
    payment: Payment
    is_cancelled: bool = False


@dataclass
class Account:
    """The unit of atomicity, here always on a test clock."""

    account: str
    now: int
    rate_tables: list[tuple[int | None, str]]
    """Dated assignments in the order they were made."""
    is_suspended: bool = False
    edges: list[int] = field(default_factory=list)
    pools: dict[str, Pool] = field(default_factory=dict)
    events: dict[str, AppliedEvent] = field(default_factory=dict)
    counters: dict[CounterKey, int] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    corrections: dict[str, tuple[object, ...]] = field(default_factory=dict)
    """Correction ids and what was sent with them."""

    def pool(self, credit_type: str) -> Pool:
        return self.pools.setdefault(credit_type, Pool(credit_type))

    def rate_table_at(self, at: int) -> str:
        """§5.7: the newest assignment at or before ``at``; of two at one instant the later made."""
        fitting = [
            (float("-inf") if since is None else since, made, table)
            for made, (since, table) in enumerate(self.rate_tables)
            if since is None or since <= at
        ]
        return max(fitting)[2]

    def period_start(self, at: int) -> int:
        """§3: calendar months in UTC; from the first edge on only edges begin periods, and the first comes
        with the start of the month that is open."""
        begun = [edge for edge in self.edges if edge <= at]
        return max(begun) if begun else month_start(at)

    def live_until(self, to: int, late_grace: int) -> None:
        """Advance the clock and live every instant between, in order (§3): at one instant first the
        holds that lapse, then activations; both may settle debt. Expiry is a comparison."""
        begins = {grant.effective_at for pool in self.pools.values() for grant in pool.grants.values()}
        lapses = {hold.expires_at for hold in self.reservations.values() if hold.is_open}
        for instant in sorted(at for at in begins | lapses if self.now < at <= to):
            for hold in self.reservations.values():
                if hold.is_open and hold.expires_at == instant:
                    hold.end("lapsed", self.pools[hold.credit_type], instant, late_grace)
            for pool in self.pools.values():
                pool.settle(instant)
        self.now = to

    def book_breakage(self, late_grace: int) -> int:
        """§4.6: what is free in grants whose ``expires_at + late_grace`` is reached becomes breakage.

        Advancing a test clock runs expiries as real time would (§14); how many grants had any.
        """
        booked = 0
        for pool in self.pools.values():
            for grant in pool.grants.values():
                due = grant.ends + late_grace <= self.now
                if due and not grant.is_void and not grant.pending and grant.free > 0:
                    grant.expired += grant.free
                    grant.remaining = grant.held
                    booked += 1
        return booked

    def find_grant(self, grant_id: str) -> Grant | None:
        for pool in self.pools.values():
            if grant_id in pool.grants:
                return pool.grants[grant_id]
        return None

    def find_grant_content(self, grant_id: str) -> dict[str, object] | None:
        """What was sent for this grant id, also where the formula computed 0."""
        for pool in self.pools.values():
            if grant_id in pool.grants:
                return pool.grants[grant_id].content
            if grant_id in pool.unmade_grants:
                return pool.unmade_grants[grant_id]
        return None
