"""Results: frozen values handed to callers. Amounts are exact ``Decimal`` credits, instants are aware UTC.

Every result of a write or a read carries ``seq``, the journal position that it reflects.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from drawdown.model.status import is_applied
from drawdown.model.thresholds import Threshold


class UsageResult(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one usage event."""

    status: str
    charged: Decimal = Decimal(0)
    """Credits charged by this call; 0 unless ``OK``."""
    uncovered: Decimal = Decimal(0)
    """Under policy ``partial``: the priced rest that nothing paid for."""
    available: Decimal | None = None
    """The pool's available right after this event; ``None`` where no pool is known."""
    shortfall: Decimal | None = None
    """On ``INSUFFICIENT`` and ``LIMIT_REACHED``: what was missing for this meter."""
    event_id: str = ""
    seq: int = 0

    @property
    def applied(self) -> bool:
        """The event is in the ledger: now (``OK``) or since earlier (``DUPLICATE``)."""
        return is_applied(self.status)

    def __bool__(self) -> bool:
        return self.applied


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to "may this account use this now?"; truthy iff allowed."""

    allowed: bool
    reason: str
    """``OK`` when allowed, else the status that a record of the same would get now."""
    available: Decimal | None = None
    """Credits that can pay for this meter; ``None`` where no pool is known."""
    units: int = 0
    """Largest quantity whose price fits ``available``; i64 max if the meter is free."""
    seq: int = 0

    def __bool__(self) -> bool:
        return self.allowed


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of one command; truthy when what was asked holds now.

    ``facts`` are the command's own: ``forfeited`` of a void (credits), ``created`` ids, and so on.
    """

    status: str
    seq: int = 0
    reason: str = ""
    field: str | None = None
    facts: dict[str, Any] = {}

    @property
    def applied(self) -> bool:
        """Applied now (``OK``) or by an earlier call of the same content (``DUPLICATE``)."""
        return is_applied(self.status)

    def __bool__(self) -> bool:
        return self.applied


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One pool: an account × a credit type."""

    account: str
    credit_type: str
    scale: int
    available: Decimal
    """What can be spent now: valid grants' remaining − held − overdraft; may be negative."""
    remaining: Decimal = Decimal(0)
    """Remaining of grants valid now, held parts included."""
    held: Decimal = Decimal(0)
    overdraft: Decimal = Decimal(0)
    """Open debt."""
    overage: Decimal = Decimal(0)
    """Priced usage past zero of the current billing period."""
    policy: str = "hard"
    policy_limit: Decimal | None = None
    policy_cap: Decimal | None = None
    policy_price: str | None = None
    thresholds: tuple[Threshold, ...] = ()
    """As given: credits, then percentages of what was granted like ``"20%"``; each from the highest down."""
    seq: int = 0


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable allocation of credits, with how far it has been used.

    Always: amount = remaining + burned + expired + voided + moved, and 0 ≤ held ≤ remaining.
    """

    account: str
    grant_id: str
    credit_type: str
    scale: int
    amount: Decimal
    remaining: Decimal
    state: str
    """The first that fits of voided, pending, expired, scheduled, exhausted, active."""
    held: Decimal = Decimal(0)
    burned: Decimal = Decimal(0)
    expired: Decimal = Decimal(0)
    voided: Decimal = Decimal(0)
    moved: Decimal = Decimal(0)
    name: str = ""
    category: str = "paid"
    priority: int = 50
    """1 burns first, 100 last."""
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    """``None``: never."""
    scope: tuple[str, ...] | None = None
    """Meters it pays for; ``None``: all."""
    source: str = "adjustment"
    source_reference: str = ""
    cost_minor: int = 0
    cost_currency: str = ""
    reason: str = ""
    metadata: dict[str, str] = {}
    seq: int = 0


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of balances; the unit of atomicity."""

    account: str
    customer: str = ""
    suspended: bool = False
    rate_table: str = "default"
    test_clock: datetime | None = None
    """Where its own clock stands; ``None``: real time."""
    credit_types: tuple[str, ...] = ()
    """Credit types it has a pool of."""
    seq: int = 0


class CreditType(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of value; amounts are integers of 10^-``scale``."""

    name: str
    scale: int


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted."""

    key: str
    unit: str = ""
    quantity_scale: int = 0
    aggregation: str = "sum"
    dimensions: tuple[str, ...] = ()
    unique_of: str = ""
    """Of a ``unique`` meter: the dimension whose values it counts."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """The price of one meter for one match from one instant on: ``credits`` per ``per`` units, or tiers."""

    meter: str
    credit_type: str
    credits: str | None = None
    tiers: tuple[tuple[str | None, str], ...] = ()
    per: str = "1"
    package: bool = False
    match: dict[str, str] = {}
    valid_from: datetime | None = None


class RateTable(msgspec.Struct, frozen=True, kw_only=True):
    """The prices that an account has, by name."""

    name: str
    rates: tuple[Rate, ...] = ()


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine prices with."""

    credit_types: tuple[CreditType, ...] = ()
    meters: tuple[Meter, ...] = ()
    rate_tables: tuple[RateTable, ...] = ()
    seq: int = 0


class Conservation(msgspec.Struct, frozen=True, kw_only=True):
    """Whether every credit is accounted for (semantics §4.8); truthy iff it is."""

    holds: bool
    accounts: int = 0
    pools: int = 0
    grants: int = 0
    violations: tuple[str, ...] = ()
    """One sentence per violation, naming account and grant."""
    totals: dict[str, dict[str, Decimal]] = {}
    """By credit type: granted, remaining, burned, expired, voided, overdraft, overage, charged."""
    seq: int = 0

    def __bool__(self) -> bool:
        return self.holds


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody is told of, out of the journal."""

    seq: int
    account: str
    kind: str
    """A kind of ``Crossing``; ``grant.created``, ``grant.released``, ``grant.exhausted``, ``grant.voided``;
    ``clock.advanced``; ``account.entitling``: suspension, policy or rate table."""
    at: datetime
    """When its entry was made, by the machine's time."""
    clock: datetime | None = None
    """Of a grant that was created or released: where the account's own clock stood then; ``None``: it has
    none."""
    grant: Grant | None = None
    """As it is when it is read; one that was created, with the dates it was created with."""
    pending: bool = False
    """A grant that was created waits for payment or approval."""
    forfeited: Decimal | None = None
    moved: Decimal | None = None
    to: datetime | None = None
    """Where the account's own clock went."""


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """A balance passed a threshold, reached zero, or recovered."""

    seq: int
    account: str
    credit_type: str
    kind: str
    available: Decimal | None = None
    threshold: Decimal | None = None
    """In credits; what a percentage came to."""
    threshold_percent: str | None = None
    """As given, like ``"20%"``; ``None`` where the threshold is absolute."""
