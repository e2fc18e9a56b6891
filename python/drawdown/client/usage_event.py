"""One usage event as a caller gives it, and the form that goes into a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from drawdown.engine import BatchEncoder, RawEngineError, translated
from drawdown.errors import InvalidRequestError
from drawdown.model import (
    AmountLike,
    InstantLike,
    commands,
    new_event_id,
    now_us,
    units_from_credits,
    us_from_instant,
)
from drawdown.model.check_question import not_utf8

ScaleOf = Callable[[str], int]
"""Scale of a credit type by its name; raises ``NotFoundError`` for an unknown one."""


class UsageEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reported use: either ``meter`` with ``quantity``, or ``credit_type`` with ``credits``."""

    account: str
    meter: str | None = None
    quantity: int = 1
    """In 10^-quantity_scale of the meter's unit, 0 or more."""
    credit_type: str | None = None
    credits: AmountLike | None = None
    """Of a direct debit."""
    event_id: str | None = None
    """Unique per account; absent: a random one, and over gRPC the time is stamped here too, unless this
    connection knows that the account has a clock of its own."""
    time: InstantLike | None = None
    """When the use happened; absent with an ``event_id``: the instant of arrival at the server."""
    dimensions: Mapping[str, str] | None = None
    force: bool = False


class SealedEvent(NamedTuple):
    """Arguments of ``BatchEncoder.add``, in its order: plain values, identical on every repeat."""

    account: str
    subject: str
    quantity: int
    event_id: str
    time_us: int | None
    dimensions: tuple[tuple[str, str], ...]
    direct: bool
    force: bool


def seal(event: UsageEvent, scale_of: ScaleOf, *, stamps: bool = True) -> SealedEvent:
    """``seal_fields`` of an event's fields."""
    return seal_fields(
        event.account,
        event.meter,
        event.quantity,
        event.credit_type,
        event.credits,
        event.event_id,
        event.time,
        event.dimensions,
        event.force,
        scale_of,
        stamps=stamps,
    )


def on_own_clocks(group: Iterable[commands.Command | Mapping[str, Any]]) -> set[str]:
    """Accounts that a group puts on a clock of their own, or moves: no clock of ours says their time."""
    return {account for account in map(_on_own_clock, group) if account is not None}


def _on_own_clock(command: commands.Command | Mapping[str, Any]) -> str | None:
    """The account of a command that says its time, however the command is written."""
    if isinstance(command, Mapping):
        kind, account, test_clock = (command.get(name) for name in ("type", "account", "test_clock"))
        says = kind == "advance_clock" or (kind == "create_account" and test_clock is not None)
        return account if says and isinstance(account, str) else None
    if isinstance(command, commands.CreateAccount):
        return None if command.test_clock is None else command.account
    return command.account if isinstance(command, commands.AdvanceClock) else None


def seal_fields(
    account: str,
    meter: str | None,
    quantity: int,
    credit_type: str | None,
    credits: AmountLike | None,
    event_id: str | None,
    time: InstantLike | None,
    dimensions: Mapping[str, str] | None,
    force: bool,
    scale_of: ScaleOf,
    *,
    stamps: bool = True,
) -> SealedEvent:
    """Give the event its id and turn amounts and instants into integers.

    An event without an id gets a random one and the present time, so that a repeat of the same
    bytes is exact however late it arrives. An event that brings its id keeps an absent time absent:
    the caller may repeat it, and another time would make it a ``CONFLICT``. Without ``stamps`` an absent
    time is always the engine's to fill in: nothing is ever repeated, or the account has its own clock.

    Raises ``InvalidRequestError`` naming the field.
    """
    time_us = None if time is None else us_from_instant(time, "time")
    if event_id is None:
        event_id = new_event_id()
        time_us = now_us() if time_us is None and stamps else time_us
    pairs = tuple(dimensions.items()) if dimensions else ()
    if meter is not None and credit_type is None:
        if credits is not None:
            raise InvalidRequestError(
                "credits: a metered event has a quantity; credits belong to a direct debit", field="credits"
            )
        return SealedEvent(account, meter, quantity, event_id, time_us, pairs, False, force)
    if credit_type is None or meter is not None:
        raise InvalidRequestError("meter: give exactly one of meter and credit_type", field="meter")
    if credits is None:
        raise InvalidRequestError("credits: a direct debit needs an amount", field="credits")
    units = units_from_credits(credits, scale_of(credit_type), "credits")
    return SealedEvent(account, credit_type, units, event_id, time_us, pairs, True, force)


def encode_event(encoder: BatchEncoder, event: SealedEvent) -> int:
    """Append the event to a batch and return how many wait in it.

    Raises ``InvalidRequestError`` with the field's name for what the server would call malformed;
    the batch is as it was.
    """
    try:
        return encoder.add(*event)
    except RawEngineError as raised:
        error = translated(raised)
        if error.field == "account_id":
            raise InvalidRequestError(
                f"account: {error.message.removeprefix('account_id: ')}", field="account"
            ) from raised
        raise error from raised
    except UnicodeEncodeError as raised:
        fields = {event.account: "account", event.subject: "meter", event.event_id: "event_id"}
        field = fields.get(raised.object, "dimensions")
        raise InvalidRequestError(f"{field}: {not_utf8(raised.object)}", field=field) from raised
    except (TypeError, OverflowError) as raised:
        raise _type_error(event) from raised


def _type_error(event: SealedEvent) -> InvalidRequestError:
    """Which field has a value of another type, or a number beyond 64 bits."""
    for field, value in (("account", event.account), ("event_id", event.event_id)):
        if not isinstance(value, str):
            return InvalidRequestError(f"{field}: give text, not {type(value).__name__}", field=field)
    if isinstance(event.quantity, int):
        message = f"quantity: {event.quantity} is outside the signed 64-bit range"
    else:
        message = f"quantity: give a whole number in 10^-quantity_scale, not {type(event.quantity).__name__}"
    if isinstance(event.quantity, int) and -(1 << 63) <= event.quantity < 1 << 63:
        return InvalidRequestError("dimensions: give a mapping of text to text", field="dimensions")
    return InvalidRequestError(message, field="quantity")


def event_from(value: UsageEvent | Mapping[str, Any]) -> UsageEvent:
    """A ``UsageEvent`` as it is, or built from a mapping of its fields.

    Raises ``InvalidRequestError`` for a field that does not exist.
    """
    if isinstance(value, UsageEvent):
        return value
    unknown = sorted(set(value) - set(UsageEvent.__struct_fields__))
    if unknown:
        raise InvalidRequestError(
            f"{unknown[0]}: not a field of a usage event; "
            f"there are {', '.join(UsageEvent.__struct_fields__)}",
            field=unknown[0],
        )
    if "account" not in value:
        raise InvalidRequestError("account: a usage event must name its account", field="account")
    return UsageEvent(**value)
