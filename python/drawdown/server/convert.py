"""Messages of typed calls ⇄ values of ``model``. No other file translates, and nothing is decided here."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from google.protobuf import duration_pb2, timestamp_pb2

from drawdown import errors, model
from drawdown.model import commands
from drawdown.model.credits import decimal_text
from drawdown.model.instants import INSTANT_US_MAX, INSTANT_US_MIN
from drawdown.v1 import account_pb2, catalog_pb2, grant_pb2, usage_pb2


def optional_us(message: Any, field: str) -> int | None:
    """UTC microseconds of a Timestamp field; ``None`` where it is absent."""
    return instant_us(getattr(message, field), field) if message.HasField(field) else None


def instant_us(timestamp: timestamp_pb2.Timestamp, field: str) -> int:
    """UTC microseconds of a Timestamp.

    Raises ``InvalidRequestError`` for nanoseconds that are not whole microseconds and for years
    outside 1–9999.
    """
    if timestamp.nanos % 1000 or not 0 <= timestamp.nanos < 1_000_000_000:
        raise errors.InvalidRequestError(
            f"{field}: {timestamp.nanos} ns are not whole microseconds", field=field
        )
    us = timestamp.seconds * 1_000_000 + timestamp.nanos // 1000
    if not INSTANT_US_MIN <= us <= INSTANT_US_MAX:
        raise errors.InvalidRequestError(f"{field}: outside the years 1–9999", field=field)
    return us


def timestamp(instant: datetime | None) -> timestamp_pb2.Timestamp | None:
    """The Timestamp of an aware datetime; absence stays absence."""
    if instant is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(instant.astimezone(UTC))
    return message


def duration_us(duration: duration_pb2.Duration, field: str) -> int:
    """Microseconds of a Duration, negative ones too, of any size.

    Raises ``InvalidRequestError`` for nanoseconds that are not whole microseconds.
    """
    if duration.nanos % 1000 or not -1_000_000_000 < duration.nanos < 1_000_000_000:
        raise errors.InvalidRequestError(
            f"{field}: {duration.nanos} ns are not whole microseconds", field=field
        )
    return duration.seconds * 1_000_000 + duration.nanos // 1000


def optional_text(amount: Decimal | None) -> str:
    """Plain decimal text; empty where there is no amount."""
    return "" if amount is None else credits_text(amount)


def status_number(name: str) -> Any:
    """``drawdown.v1.Status`` of a status by its name."""
    return usage_pb2.Status.Value(f"STATUS_{name}")


def credits_text(amount: Decimal) -> str:
    """Plain decimal text."""
    return decimal_text(amount)


def _named(enum: Any, prefix: str, number: int, default: str, field: str) -> str:
    """The lower-case word of an enum number; 0 means ``default``."""
    if number == 0:
        return default
    try:
        name: str = enum.Name(number)
    except ValueError:
        raise errors.InvalidRequestError(
            f"{field}: {number} is not one of {enum.DESCRIPTOR.name}", field=field
        ) from None
    return name.removeprefix(prefix).lower()


def _number(enum: Any, prefix: str, word: str) -> int:
    number: int = enum.Value(prefix + word.upper())
    return number


_CATEGORY: Final = (grant_pb2.GrantCategory, "GRANT_CATEGORY_")
_SOURCE: Final = (grant_pb2.GrantSource, "GRANT_SOURCE_")
_STATE: Final = (grant_pb2.GrantState, "GRANT_STATE_")
_POLICY: Final = (account_pb2.PolicyKind, "POLICY_KIND_")
_AGGREGATION: Final = (catalog_pb2.Aggregation, "AGGREGATION_")


def grant_input(content: grant_pb2.GrantContent) -> commands.GrantInput:
    """A grant's content as a command has it."""
    kind = content.WhichOneof("amount_of")
    amount: str | commands.Formula
    if kind == "formula":
        amount = _formula(content.formula)
    elif kind == "amount":
        amount = decimal_text(content.amount, "grant.amount")
    else:
        raise errors.InvalidRequestError("grant.amount: missing; give decimal credits", field="grant.amount")
    return commands.GrantInput(
        grant_id=content.grant_id,
        credit_type=content.credit_type,
        amount=amount,
        name=content.name or None,
        category=_named(*_CATEGORY, content.category, "paid", "grant.category"),
        priority=content.priority or 50,
        effective_at=optional_us(content, "effective_at"),
        expires_at=optional_us(content, "expires_at"),
        scope=list(content.scope) or None,
        pending=content.pending,
        source=_named(*_SOURCE, content.source, "adjustment", "grant.source"),
        source_reference=content.source_reference,
        cost_minor=content.cost_minor,
        cost_currency=content.cost_currency,
        reason=content.reason,
        metadata=dict(content.metadata),
    )


def _formula(formula: grant_pb2.GrantFormula) -> commands.Formula:
    return commands.formula(
        formula.of,
        at_most=formula.min or None,
        fraction=formula.fraction or None,
        minus=formula.minus or None,
    )


def grant_message(grant: model.Grant) -> grant_pb2.Grant:
    """A grant with how far it has been used."""
    content = grant_pb2.GrantContent(
        grant_id=grant.grant_id,
        credit_type=grant.credit_type,
        amount=credits_text(grant.amount),
        name=grant.name,
        category=_number(*_CATEGORY, grant.category),  # type: ignore[arg-type]
        priority=grant.priority,
        effective_at=timestamp(grant.effective_at),
        expires_at=timestamp(grant.expires_at),
        scope=grant.scope or (),
        pending=grant.state == "pending",
        source=_number(*_SOURCE, grant.source),  # type: ignore[arg-type]
        source_reference=grant.source_reference,
        cost_minor=grant.cost_minor,
        cost_currency=grant.cost_currency,
        reason=grant.reason,
        metadata=grant.metadata,
    )
    return grant_pb2.Grant(
        account_id=grant.account,
        content=content,
        state=_number(*_STATE, grant.state),  # type: ignore[arg-type]
        remaining=credits_text(grant.remaining),
        held=credits_text(grant.held),
        burned=credits_text(grant.burned),
        expired=credits_text(grant.expired),
        voided=credits_text(grant.voided),
        moved=credits_text(grant.moved),
        scale=grant.scale,
    )


def account_message(account: model.Account) -> account_pb2.Account:
    """An account."""
    return account_pb2.Account(
        account_id=account.account,
        customer_id=account.customer,
        suspended=account.suspended,
        rate_table=account.rate_table,
        test_clock=timestamp(account.test_clock),
        credit_types=account.credit_types,
    )


def set_policy(request: account_pb2.SetPolicyRequest) -> commands.SetPolicy:
    """The policy command of a request."""
    policy = request.policy
    return commands.set_policy(
        request.account_id,
        request.credit_type,
        _named(*_POLICY, policy.kind, "hard", "policy.kind"),
        limit=policy.limit or None,
        price=policy.price or None,
        cap=policy.cap or None,
        since=optional_us(request, "since"),
    )


def balance_message(balance: model.Balance) -> account_pb2.Balance:
    """One pool."""
    policy = account_pb2.Policy(
        kind=_number(*_POLICY, balance.policy),  # type: ignore[arg-type]
        limit="" if balance.policy_limit is None else credits_text(balance.policy_limit),
        price=balance.policy_price or "",
        cap="" if balance.policy_cap is None else credits_text(balance.policy_cap),
    )
    return account_pb2.Balance(
        account_id=balance.account,
        credit_type=balance.credit_type,
        scale=balance.scale,
        available=credits_text(balance.available),
        remaining=credits_text(balance.remaining),
        held=credits_text(balance.held),
        overdraft=credits_text(balance.overdraft),
        overage=credits_text(balance.overage),
        policy=policy,
        thresholds=[each if isinstance(each, str) else credits_text(each) for each in balance.thresholds],
    )


def create_meter(meter: catalog_pb2.Meter) -> commands.CreateMeter:
    """The command that declares a meter."""
    return commands.CreateMeter(
        key=meter.key,
        unit=meter.unit,
        quantity_scale=meter.quantity_scale,
        aggregation=_named(*_AGGREGATION, meter.aggregation, "sum", "meter.aggregation"),
        dimensions=list(meter.dimensions),
        unique_of=meter.unique_of or None,
    )


def meter_message(meter: model.Meter) -> catalog_pb2.Meter:
    """A meter."""
    return catalog_pb2.Meter(
        key=meter.key,
        unit=meter.unit,
        quantity_scale=meter.quantity_scale,
        aggregation=_number(*_AGGREGATION, meter.aggregation),  # type: ignore[arg-type]
        dimensions=meter.dimensions,
        unique_of=meter.unique_of,
    )


def set_rate(request: catalog_pb2.SetRateRequest) -> commands.SetRate:
    """The command that sets a price."""
    rate = request.rate
    tiers = [(tier.up_to or None, tier.credits) for tier in rate.tiers]
    return commands.set_rate(
        table=request.rate_table or "default",
        meter=rate.meter,
        credit_type=rate.credit_type,
        credits=rate.credits or None,
        tiers=tiers or None,
        per=rate.per or "1",
        package=rate.package,
        match=dict(rate.match),
        valid_from=optional_us(rate, "valid_from"),
    )


def rate_message(rate: model.Rate) -> catalog_pb2.Rate:
    """A price."""
    return catalog_pb2.Rate(
        meter=rate.meter,
        credit_type=rate.credit_type,
        credits=rate.credits or "",
        tiers=[catalog_pb2.Tier(up_to=up_to or "", credits=price) for up_to, price in rate.tiers],
        per=rate.per,
        package=rate.package,
        match=rate.match,
        valid_from=timestamp(rate.valid_from),
    )


def rate_table_messages(tables: Iterable[model.RateTable]) -> list[catalog_pb2.RateTable]:
    """Rate tables with their prices."""
    return [
        catalog_pb2.RateTable(name=table.name, rates=[rate_message(rate) for rate in table.rates])
        for table in tables
    ]
