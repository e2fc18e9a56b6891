"""The ledger as read back: entries, one event with its corrections, and why an event cost what it did."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from drawdown.model.results import Balance


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable fact about an account: its position, its kind, and what it changed.

    Kinds: ``usage``, ``granted``, ``grant_released``, ``voided``, ``grant_id_used``, ``expired``,
    ``overdraft_settled``, ``reserved``, ``settled``, ``released``, ``lapsed``, ``corrected``, ``crossed``,
    ``policy_set``, ``thresholds_set``, ``account_created``, ``rate_table_assigned``, ``period_edge_set``,
    ``clock_advanced``, ``suspended``, ``resumed``.
    """

    seq: int
    account: str
    kind: str
    received_at: datetime
    """The server's instant for it; the account's own clock where it has one."""
    credit_type: str | None = None
    """``None`` where no pool changed."""
    event_id: str | None = None
    meter: str | None = None
    quantity: int | None = None
    """In 10^-quantity_scale of the meter's unit."""
    time: datetime | None = None
    """The event's time as sent."""
    charged: Decimal | None = None
    draws: tuple[tuple[str, Decimal], ...] = ()
    """Grant id and credits burned from it, in the order drawn; below zero where they went back."""
    facts: dict[str, Any] = {}
    """What the kind adds: ``uncovered``, ``overdraft``, ``overage``, ``expired``, ``dimensions``, …"""


class LedgerPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some entries of one account in the order asked for."""

    entries: tuple[LedgerEntry, ...]
    more: bool
    """Whether entries follow in that order."""
    first_kept_seq: int = 1
    """Where the journal kept begins; above 1 where older entries are no longer, or never were, here."""
    seq: int = 0


class IndexProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How many closed segments of the journal have an index."""

    closed_segments: int
    indexed_segments: int


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An applied event as it was recorded, and its corrections in order."""

    event: LedgerEntry
    corrections: tuple[LedgerEntry, ...] = ()
    seq: int = 0


class GrantDraw(msgspec.Struct, frozen=True, kw_only=True):
    """What one grant paid of an event."""

    grant_id: str
    name: str
    amount: Decimal
    remaining_before: Decimal | None = None
    remaining_after: Decimal | None = None


class AppliedRate(msgspec.Struct, frozen=True, kw_only=True):
    """The rate that priced an event, and where it stands in the catalog."""

    table: str
    meter: str
    credit_type: str
    match: dict[str, str] = {}
    """The dimensions it is for; empty: the meter's default."""
    valid_from: datetime | None = None
    """``None``: since ever."""
    version: int = 1
    """Counts the rates of this table, meter and match in the order they were set."""
    sent: dict[str, Any] = {}
    """Its price as it was sent."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why an event cost what it did: event → rate → grants drawn → balance before and after."""

    event: LedgerEntry
    rate: AppliedRate | None
    """``None`` for direct debits."""
    units_before: int | None
    """Under a tiered or package rate: the units of the period applied before it."""
    draws: tuple[GrantDraw, ...]
    balance_before: Balance
    balance_after: Balance
    """Right after the event: what came later is not in it."""
    settlements: tuple[LedgerEntry, ...] = ()
    """Grants that later paid the debt of the event's meter, until it was gone."""
    corrections: tuple[LedgerEntry, ...] = ()
    seq: int = 0
