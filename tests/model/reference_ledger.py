"""The reference: usage in, balances out, decided slowly and in the order the contract says it.

Every rule is the text of the semantics turned into plain Python (integers, fractions, dicts),
apart from the engine and without looking at it. The stateful tests run both side by side.
All accounts live on test clocks, so time is an argument. Commands are the same JSON objects
that the engine takes (``reference_commands.py``); this file holds usage and entitlement.
Reservations and corrections are commands: ``reference_reservations.py``, ``reference_corrections.py``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.model.reference_account import Account, AppliedEvent, CounterKey, Match, Pool
from tests.model.reference_counters import READING_ALL, burns, counted_in
from tests.model.reference_grants import Grant
from tests.model.reference_payment import Refused, passes_totals, pay, plan, policy_on
from tests.model.reference_prices import I64_MAX, Immutable, Rate, rate_at

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class ReferenceSettings:
    """Settings that decide outcomes; all in microseconds."""

    dedupe_window: int = 35 * DAY
    dedupe_bucket: int = MINUTE
    future_margin: int = 5 * MINUTE
    late_grace: int = HOUR
    unique_values_max: int = 65_536
    """Not a time: values that one counter of a ``unique`` meter tells apart."""


@dataclass(frozen=True)
class Meter(Immutable):
    key: str
    quantity_scale: int
    aggregation: str
    dimensions: frozenset[str]
    unique_of: str | None = None


@dataclass(frozen=True)
class Event:
    """One reported use; ``direct`` makes ``subject`` a credit type and ``quantity`` its units."""

    event_id: str
    account: str
    subject: str
    quantity: int
    time: int | None = None
    dimensions: Match = ()
    direct: bool = False
    force: bool = False

    def content(self) -> tuple[object, ...]:
        """§5.5: what the caller sent; ``force`` is not content, an absent time is a value."""
        return (self.direct, self.subject, self.quantity, self.time, frozenset(self.dimensions))


@dataclass(frozen=True)
class Outcome:
    status: str
    charged: int = 0
    uncovered: int = 0
    available: int | None = None
    shortfall: int | None = None


@dataclass(frozen=True)
class Entitlement:
    """Answer of ``check`` (§8)."""

    allowed: bool
    reason: str
    available: int | None
    units: int | None


@dataclass(frozen=True)
class Price:
    """A charge before anyone decided who pays it."""

    credit_type: str
    meter: str | None
    charge: int
    rate: Rate | None = None
    counter: CounterKey | None = None
    """Where its units count; None where no price needs them."""
    before: int = 0
    """The tier position: units of the period before it."""
    units: int = 0
    value: int | str | None = None
    """What it brings to the aggregate of its period."""


def is_id(text: str) -> bool:
    """1–128 bytes of printable UTF-8."""
    return 1 <= len(text.encode()) <= 128 and text.isprintable()


class ReferenceLedger:
    """Accounts, a catalog, and the rules between them."""

    def __init__(self, settings: ReferenceSettings | None = None) -> None:
        self.settings = settings or ReferenceSettings()
        self.credit_types: dict[str, int] = {}
        self.meters: dict[str, Meter] = {}
        self.rates: list[Rate] = []
        self.accounts: dict[str, Account] = {}
        self.steps = 0

    def floor(self, now: int) -> int:
        """§5.6: the first bucket edge at or above received_at − window."""
        oldest = now - self.settings.dedupe_window
        bucket = self.settings.dedupe_bucket
        return -(-oldest // bucket) * bucket

    def rate_for(self, account: Account, meter: Meter, dimensions: Match, at: int) -> Rate | None:
        """§5.7: declared keys must equal a rate's match, else the meter's default rate."""
        table = account.rate_table_at(at)
        priced = [r for r in self.rates if r.table == table and r.meter == meter.key]
        declared = tuple(sorted(pair for pair in dimensions if pair[0] in meter.dimensions))
        return rate_at(priced, declared, at) or rate_at(priced, (), at)

    def price(self, account: Account, event: Event, at: int) -> Price:
        """The charge at the event's time; refuses with METER_UNKNOWN, NOT_ENTITLED or OVERFLOW.

        Quantities are i64 (§2), those that a period counted included.
        """
        if event.direct:
            if event.subject not in self.credit_types:
                raise Refused("METER_UNKNOWN")
            return Price(event.subject, None, event.quantity, units=event.quantity)
        meter = self.meters.get(event.subject)
        if meter is None:
            raise Refused("METER_UNKNOWN")
        rate = self.rate_for(account, meter, event.dimensions, at)
        if rate is None:
            raise Refused("NOT_ENTITLED")
        return self.price_at(account, meter, rate, event, at)

    def price_at(self, account: Account, meter: Meter, rate: Rate, event: Event, at: int) -> Price:
        """The charge of this quantity by this rate, after what the period counted before."""
        key = (rate.meter, rate.match, account.period_start(at))
        value: int | str | None = event.quantity
        if meter.aggregation in READING_ALL:
            if meter.aggregation == "unique":
                value = dict(event.dimensions).get(meter.unique_of or "")
            others = counted_in(account.events.values(), key)
            before, units = burns(meter.aggregation, others, (at, self.steps + 1, value))
            if units > 0 and meter.aggregation == "unique" and before >= self.settings.unique_values_max:
                raise Refused("OVERFLOW")
        else:
            before = account.counters.get(key, 0)
            units = 1 if meter.aggregation == "count" else event.quantity
        counts = rate.keeps_a_counter or meter.aggregation in READING_ALL
        scale = self.credit_types[rate.credit_type]
        charge = rate.charge(before, units, quantity_scale=meter.quantity_scale, scale=scale)
        if charge > I64_MAX or (counts and before + units > I64_MAX):
            raise Refused("OVERFLOW")
        return Price(rate.credit_type, meter.key, charge, rate, key if counts else None, before, units, value)

    def record(self, event: Event) -> Outcome:
        """One event, whole or not at all; statuses in the order of §5.3."""
        try:
            account = self._admit(event)
        except Refused as refused:
            return Outcome(refused.status)
        known = account.events.get(event.event_id)
        if known is not None:
            status = "DUPLICATE" if known.content == event.content() else "CONFLICT"
            return Outcome(status, available=self._available_for(account, event))
        try:
            if account.is_suspended and not event.force:
                raise Refused("ACCOUNT_SUSPENDED")
            price = self.price(account, event, account.now if event.time is None else event.time)
        except Refused as refused:
            return Outcome(refused.status, available=self._available_for(account, event))
        return self._pay(account, event, price)

    def _admit(self, event: Event) -> Account:
        """INVALID, TOO_EARLY, TOO_LATE, ACCOUNT_UNKNOWN; the account otherwise. Only for an account
        that nobody knows the stamp is real time."""
        if event.quantity < 0 or not is_id(event.event_id) or not is_id(event.account):
            raise Refused("INVALID")
        account = self.accounts.get(event.account)
        now = time.time_ns() // 1_000 if account is None else account.now
        if event.time is not None and event.time > now + self.settings.future_margin:
            raise Refused("TOO_EARLY")
        if event.time is not None and event.time < self.floor(now):
            raise Refused("TOO_LATE")
        if account is None:
            raise Refused("ACCOUNT_UNKNOWN")
        return account

    def _available_for(self, account: Account, event: Event) -> int | None:
        """The pool's balance as an answer shows it, where the pool can be told."""
        at = account.now if event.time is None else event.time
        if event.direct:
            credit_type = event.subject if event.subject in self.credit_types else None
        else:
            meter = self.meters.get(event.subject)
            rate = None if meter is None else self.rate_for(account, meter, event.dimensions, at)
            credit_type = None if rate is None else rate.credit_type
        return None if credit_type is None else account.pool(credit_type).available(account.now)

    def _pay(self, account: Account, event: Event, price: Price) -> Outcome:
        """§5.4: what grants cover, then the policy's word on the rest, then the burn."""
        pool = account.pool(price.credit_type)
        at = account.now if event.time is None else event.time
        period = account.period_start(at)
        payers = self.payers_at(account, pool, price.meter, at)
        try:
            payment = plan(pool, price.charge, payers, period=period, now=account.now, force=event.force)
        except Refused as refused:
            return Outcome(refused.status, **refused.facts)
        self.steps += 1
        pay(pool, price.meter, payment, period=period, step=self.steps)
        self.count(account, price.counter, price.units)
        account.events[event.event_id] = AppliedEvent(
            content=event.content(),
            time=at,
            order=self.steps,
            credit_type=price.credit_type,
            meter=price.meter,
            rate=price.rate,
            counter=price.counter,
            quantity=event.quantity,
            before=price.before,
            units=price.units,
            value=price.value,
            charge=price.charge,
            payment=payment,
        )
        return Outcome("OK", payment.charged, payment.uncovered, pool.available(account.now))

    def payers_at(self, account: Account, pool: Pool, meter: str | None, at: int) -> Iterator[Grant]:
        """Who pays for usage of this time; draws are decided as of min(event time, received_at)."""
        grace = self.settings.late_grace
        return pool.payers(meter, drawn_at=min(at, account.now), now=account.now, late_grace=grace)

    def count(self, account: Account, key: CounterKey | None, units: int) -> None:
        """Units of ``sum`` and ``count`` before the next event; the others are read from the events."""
        if key is not None and self.meters[key[0]].aggregation not in READING_ALL:
            account.counters[key] = account.counters.get(key, 0) + units

    def check(
        self, account_id: str, meter_key: str, quantity: int = 1, dimensions: Match = ()
    ) -> Entitlement:
        """§8: allowed iff a record of the same, without time and force, would now be OK."""
        probe = Event("check", account_id, meter_key, quantity, dimensions=dimensions)
        if quantity < 0:
            return Entitlement(False, "INVALID", None, None)
        account = self.accounts.get(account_id)
        if account is None:
            return Entitlement(False, "ACCOUNT_UNKNOWN", None, None)
        if account.is_suspended:
            return Entitlement(False, "ACCOUNT_SUSPENDED", None, None)
        try:
            price = self.price(account, probe, account.now)
        except Refused as refused:
            return Entitlement(False, refused.status, None, None)
        pool = account.pool(price.credit_type)
        payers = pool.payers(price.meter, drawn_at=account.now, now=account.now, late_grace=0)
        can_pay = sum(grant.free for grant in payers)
        covered = min(price.charge, can_pay)
        rest = price.charge - covered
        decision = policy_on(pool, covered, rest, account.period_start(account.now))
        owed = rest - decision.uncovered - decision.overage
        refusal = decision.refusal
        if refusal is None and passes_totals(pool, owed, decision.overage):
            refusal = "OVERFLOW"
        available = can_pay - pool.overdraft - pool.held_overdraft
        units = self._units_within(account, probe, price, available)
        return Entitlement(refusal is None, refusal or "OK", available, units)

    def _units_within(self, account: Account, probe: Event, price: Price, credits: int) -> int | None:
        """The largest quantity whose price fits ``credits``, or 0; None where quantity is ignored."""
        meter = self.meters[probe.subject]
        if meter.aggregation in {"count", "unique"}:
            return None
        assert price.rate is not None
        rate = price.rate

        scale = self.credit_types[price.credit_type]
        key = (rate.meter, rate.match, account.period_start(account.now))
        others = counted_in(account.events.values(), key)

        def fits(quantity: int) -> bool:
            units = quantity
            if meter.aggregation in READING_ALL:
                _, units = burns(meter.aggregation, others, (account.now, self.steps + 1, quantity))
            if price.counter is not None and price.before + units > I64_MAX:
                return False
            cost = rate.charge(price.before, units, quantity_scale=meter.quantity_scale, scale=scale)
            return rate.is_free or cost <= credits

        low, high = 0, I64_MAX
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(middle) else (low, middle - 1)
        return low
