"""Commands of the engine besides usage, as values; an ordered list of them is one atomic group.

They mirror ``rust/drawdown-core/src/command.rs`` field by field. Amounts are decimal text, instants
UTC microseconds; absent means the engine's default. The small builder functions below take what
people have (``Decimal``, aware ``datetime``) and say which field was wrong. All are idempotent by
the id they carry.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from drawdown.errors import InvalidRequestError

# Under the one name that callers import commands by.
from drawdown.model.correct_command import Correct as Correct
from drawdown.model.correct_command import correct as correct
from drawdown.model.credits import AmountLike, decimal_text
from drawdown.model.instants import InstantLike, optional_us, us_from_instant
from drawdown.model.reservation_commands import Release as Release
from drawdown.model.reservation_commands import Reserve as Reserve
from drawdown.model.reservation_commands import Settle as Settle
from drawdown.model.reservation_commands import release as release
from drawdown.model.reservation_commands import reserve as reserve
from drawdown.model.reservation_commands import settle as settle
from drawdown.model.thresholds import threshold_text


class _Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Fields that are absent are left out of the JSON, so the engine's defaults apply."""


CATEGORIES = ("paid", "promotional")
SOURCES = ("purchase", "subscription", "recharge", "promotion", "signup", "trial", "rollover", "adjustment")
AGGREGATIONS = ("sum", "count", "max", "last", "unique")
POLICY_KINDS = ("hard", "partial", "overdraft", "overage")


def _require(field: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises ``InvalidRequestError`` naming ``field``: the engine could only say where in the JSON it was."""
    if value not in allowed:
        raise InvalidRequestError(f"{field}: {value!r} is not one of {', '.join(allowed)}", field=field)


class Formula(_Command, frozen=True):
    """An amount over a voided grant's ``free`` = remaining − held, measured inside the step.

    Exactly one of ``min`` (min(n, free)), ``fraction`` (free × fraction, 0–1) and ``minus``
    (max(0, free − n)).
    """

    of: str
    min: str | None = None
    fraction: str | None = None
    minus: str | None = None


class GrantInput(_Command, frozen=True):
    """A grant's content as sent (semantics §4.1); it is immutable once created."""

    grant_id: str
    credit_type: str
    amount: str | Formula
    name: str | None = None
    category: str = "paid"
    priority: int = 50
    effective_at: int | None = None
    expires_at: int | None = None
    scope: list[str] | None = None
    pending: bool = False
    source: str = "adjustment"
    source_reference: str = ""
    cost_minor: int = 0
    cost_currency: str = ""
    reason: str = ""
    metadata: dict[str, str] = {}

    def __post_init__(self) -> None:
        _require("category", self.category, CATEGORIES)
        _require("source", self.source, SOURCES)


class CreateCreditType(_Command, frozen=True, tag="create_credit_type"):
    name: str
    scale: int = 9


class CreateMeter(_Command, frozen=True, tag="create_meter"):
    key: str
    unit: str = ""
    quantity_scale: int = 0
    aggregation: str = "sum"
    dimensions: list[str] = []
    unique_of: str | None = None

    def __post_init__(self) -> None:
        _require("aggregation", self.aggregation, AGGREGATIONS)


class Tier(_Command, frozen=True):
    """Units up to and including ``up_to`` (absent: no end) at ``credits`` per ``per`` units."""

    credits: str
    up_to: str | None = None


class SetRate(_Command, frozen=True, tag="set_rate"):
    table: str
    meter: str
    credit_type: str
    credits: str | None = None
    tiers: list[Tier] = []
    per: str = "1"
    package: bool = False
    match: dict[str, str] = {}
    valid_from: int | None = None


class CreateAccount(_Command, frozen=True, tag="create_account"):
    account: str
    customer: str | None = None
    rate_table: str | None = None
    test_clock: int | None = None


class AssignRateTable(_Command, frozen=True, tag="assign_rate_table"):
    account: str
    table: str
    valid_from: int | None = None


class SetPeriodEdge(_Command, frozen=True, tag="set_period_edge"):
    account: str
    at: int
    withdrawn: bool = False


class AdvanceClock(_Command, frozen=True, tag="advance_clock"):
    account: str
    to: int


class SuspendAccount(_Command, frozen=True, tag="suspend_account"):
    account: str


class ResumeAccount(_Command, frozen=True, tag="resume_account"):
    account: str


class SetPolicy(_Command, frozen=True, tag="set_policy"):
    account: str
    credit_type: str
    kind: str
    limit: str | None = None
    price: str | None = None
    cap: str | None = None
    since: int | None = None

    def __post_init__(self) -> None:
        _require("kind", self.kind, POLICY_KINDS)


class SetThresholds(_Command, frozen=True, tag="set_thresholds"):
    account: str
    credit_type: str
    thresholds: list[str]


class CreateGrant(_Command, frozen=True, tag="create_grant"):
    account: str
    grant: GrantInput


class ReleaseGrant(_Command, frozen=True, tag="release_grant"):
    account: str
    grant_id: str
    effective_at: int | None = None
    expires_at: int | None = None


class VoidGrant(_Command, frozen=True, tag="void_grant"):
    account: str
    grant_id: str
    reason: str = ""


class MoveOut(_Command, frozen=True):
    """So much of what the voided grant ``of`` has free leaves the account; all of it or ``INSUFFICIENT``."""

    of: str
    amount: str


class VoidAndReplace(_Command, frozen=True, tag="void_and_replace"):
    account: str
    void: list[str]
    create: list[GrantInput]
    move_out: list[MoveOut] = []


Command: TypeAlias = (
    CreateCreditType
    | CreateMeter
    | SetRate
    | CreateAccount
    | AssignRateTable
    | SetPeriodEdge
    | AdvanceClock
    | SuspendAccount
    | ResumeAccount
    | SetPolicy
    | SetThresholds
    | CreateGrant
    | ReleaseGrant
    | VoidGrant
    | VoidAndReplace
    | Reserve
    | Settle
    | Release
    | Correct
)

TierLike: TypeAlias = tuple[AmountLike | None, AmountLike]
"""``(up_to, credits)``; ``up_to`` in whole units of the meter, ``None`` for the last."""

GrantAmountLike: TypeAlias = AmountLike | Formula


def formula(
    of: str,
    *,
    at_most: AmountLike | None = None,
    fraction: AmountLike | None = None,
    minus: AmountLike | None = None,
) -> Formula:
    """The amount of a replacing grant, computed from what the voided grant ``of`` has free.

    Exactly one of ``at_most``, ``fraction`` and ``minus``; else ``InvalidRequestError``.
    """
    given = [part for part in (at_most, fraction, minus) if part is not None]
    if len(given) != 1:
        raise InvalidRequestError(
            f"amount: a formula has exactly one of at_most, fraction and minus, not {len(given)}",
            field="amount",
        )
    return Formula(
        of=of,
        min=_optional_text(at_most, "amount.min"),
        fraction=_optional_text(fraction, "amount.fraction"),
        minus=_optional_text(minus, "amount.minus"),
    )


def grant_input(
    grant_id: str,
    credit_type: str,
    amount: GrantAmountLike,
    *,
    name: str | None = None,
    category: str = "paid",
    priority: int = 50,
    effective_at: InstantLike | None = None,
    expires_at: InstantLike | None = None,
    scope: Iterable[str] | None = None,
    pending: bool = False,
    source: str = "adjustment",
    source_reference: str = "",
    cost_minor: int = 0,
    cost_currency: str = "",
    reason: str = "",
    metadata: Mapping[str, str] | None = None,
) -> GrantInput:
    """A grant's content from ``Decimal`` credits and aware datetimes.

    Raises ``InvalidRequestError`` with the field's name.
    """
    if isinstance(scope, str):
        raise InvalidRequestError("scope: give a list of meters, not one text", field="scope")
    return GrantInput(
        grant_id=grant_id,
        credit_type=credit_type,
        amount=amount if isinstance(amount, Formula) else decimal_text(amount, "amount"),
        name=name,
        category=category,
        priority=priority,
        effective_at=optional_us(effective_at, "effective_at"),
        expires_at=optional_us(expires_at, "expires_at"),
        scope=None if scope is None else list(scope),
        pending=pending,
        source=source,
        source_reference=source_reference,
        cost_minor=cost_minor,
        cost_currency=cost_currency,
        reason=reason,
        metadata=dict(metadata or {}),
    )


def set_rate(
    *,
    table: str,
    meter: str,
    credit_type: str,
    credits: AmountLike | None = None,
    tiers: Sequence[TierLike] | None = None,
    per: AmountLike = 1,
    package: bool = False,
    match: Mapping[str, str] | None = None,
    valid_from: InstantLike | None = None,
) -> SetRate:
    """The price of a meter: ``credits`` per ``per`` units, or graduated ``tiers``.

    Raises ``InvalidRequestError`` when not exactly one of the two is given.
    """
    if (credits is None) == (tiers is None):
        raise InvalidRequestError("credits: give exactly one of credits and tiers", field="credits")
    return SetRate(
        table=table,
        meter=meter,
        credit_type=credit_type,
        credits=_optional_text(credits, "credits"),
        tiers=[
            Tier(up_to=_optional_text(up_to, "tiers.up_to"), credits=decimal_text(price, "tiers.credits"))
            for up_to, price in tiers or ()
        ],
        per=decimal_text(per, "per"),
        package=package,
        match=dict(match or {}),
        valid_from=optional_us(valid_from, "valid_from"),
    )


def set_policy(
    account: str,
    credit_type: str,
    kind: str,
    *,
    limit: AmountLike | None = None,
    price: AmountLike | None = None,
    cap: AmountLike | None = None,
    since: InstantLike | None = None,
) -> SetPolicy:
    """At zero: ``hard``, ``partial``, ``overdraft`` (``limit``) or ``overage`` (``price``, ``cap``).

    Overage of events from ``since`` on is counted apart from what was before: its price is another.
    """
    return SetPolicy(
        account=account,
        credit_type=credit_type,
        kind=kind,
        limit=_optional_text(limit, "limit"),
        price=_optional_text(price, "price"),
        cap=_optional_text(cap, "cap"),
        since=optional_us(since, "since"),
    )


def set_thresholds(account: str, credit_type: str, thresholds: Iterable[AmountLike]) -> SetThresholds:
    """Replace the pool's low-balance thresholds: credits, or text like ``"20%"`` of what was granted."""
    return SetThresholds(
        account=account,
        credit_type=credit_type,
        thresholds=[threshold_text(each) for each in thresholds],
    )


def release_grant(
    account: str,
    grant_id: str,
    *,
    effective_at: InstantLike | None = None,
    expires_at: InstantLike | None = None,
) -> ReleaseGrant:
    """Make a pending grant spendable; its dates stay those of creation unless given here."""
    return ReleaseGrant(
        account=account,
        grant_id=grant_id,
        effective_at=optional_us(effective_at, "effective_at"),
        expires_at=optional_us(expires_at, "expires_at"),
    )


def create_account(
    account: str,
    *,
    customer_id: str | None = None,
    rate_table: str | None = None,
    test_clock: InstantLike | None = None,
) -> CreateAccount:
    """An account; with ``test_clock`` it lives on a clock of its own that moves only by ``advance_clock``."""
    return CreateAccount(
        account=account,
        customer=customer_id,
        rate_table=rate_table,
        test_clock=optional_us(test_clock, "test_clock"),
    )


def advance_clock(account: str, to: InstantLike) -> AdvanceClock:
    """Move a test-clock account's time forward."""
    return AdvanceClock(account=account, to=us_from_instant(to, "to"))


def set_period_edge(account: str, at: InstantLike, *, withdrawn: bool = False) -> SetPeriodEdge:
    """A billing period of the account ends and the next begins at this instant, or ``withdrawn`` does not."""
    return SetPeriodEdge(account=account, at=us_from_instant(at, "at"), withdrawn=withdrawn)


def assign_rate_table(account: str, table: str, *, valid_from: InstantLike | None = None) -> AssignRateTable:
    """The account's prices are this table's, for event times from ``valid_from`` (default now) on."""
    return AssignRateTable(account=account, table=table, valid_from=optional_us(valid_from, "valid_from"))


_encoder = msgspec.json.Encoder()


def encode_group(commands: Sequence[Command | Mapping[str, Any]]) -> bytes:
    """The JSON array that the engine takes as one atomic group; plain mappings pass as they are.

    Raises ``InvalidRequestError`` naming the field of a command whose value is of another type.
    """
    for command in commands:
        if isinstance(command, _Command):
            _require_types(command)
    return _encoder.encode(commands)


def _require_types(command: _Command) -> None:
    """Structs take whatever they are made of; the engine could only say where in the JSON it stood."""
    try:
        # Bytes stay what they are: JSON would make text of them, and an id nobody chose.
        msgspec.convert(msgspec.to_builtins(command, builtin_types=(bytes, bytearray)), type(command))
    except (msgspec.ValidationError, TypeError) as raised:
        wrong, _, place = str(raised).partition(" - at `$")
        field = re.sub(r"\[.*?\]", "", place.rstrip("`")).rpartition(".")[2] or None
        raise InvalidRequestError(f"{field or command.__struct_config__.tag}: {wrong}", field=field) from None


def _optional_text(amount: AmountLike | None, field: str) -> str | None:
    return None if amount is None else decimal_text(amount, field)
