"""Commands of reservations: set credits aside, settle what was used, release the rest (semantics §6).

They mirror ``rust/drawdown-core/src/command.rs`` field by field, as ``commands`` does.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import TypeAlias

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.model.credits import AmountLike, decimal_text

TTL_US_DEFAULT = 60_000_000
TTL_US_MAX = 24 * 3600 * 1_000_000

TtlLike: TypeAlias = int | float | timedelta
"""Seconds, or a ``timedelta``."""


class _Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Fields that are absent are left out of the JSON, so the engine's defaults apply."""


class Reserve(_Command, frozen=True, tag="reserve"):
    """Exactly one of meter and quantity, meter and credits, credit type and credits."""

    account: str
    reservation_id: str
    meter: str | None = None
    quantity: int | None = None
    credit_type: str | None = None
    credits: str | None = None
    dimensions: dict[str, str] = {}
    ttl_us: int = TTL_US_DEFAULT


class Settle(_Command, frozen=True, tag="settle"):
    """What was really used, as it was reserved: by quantity or by credits."""

    account: str
    reservation_id: str
    quantity: int | None = None
    credits: str | None = None
    refuse_extra: bool = False


class Release(_Command, frozen=True, tag="release"):
    account: str
    reservation_id: str


def ttl_us(ttl: TtlLike) -> int:
    """Microseconds of a time to live; raises ``InvalidRequestError`` outside 1 µs–24 h."""
    try:
        us = ttl // timedelta(microseconds=1) if isinstance(ttl, timedelta) else round(ttl * 1_000_000)
    except (TypeError, ValueError, OverflowError):
        raise InvalidRequestError(f"ttl: {ttl!r} is not a number of seconds", field="ttl") from None
    check_ttl(us, ttl)
    return us


def check_ttl(us: int, said: object) -> None:
    """Raises ``InvalidRequestError``, with what was said, for microseconds outside 1 µs–24 h."""
    if not 0 < us <= TTL_US_MAX:
        raise InvalidRequestError(f"ttl: {said} is outside 1 µs–24 h", field="ttl")


def _whole(value: int | None, field: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise InvalidRequestError(
            f"{field}: a quantity is a whole number, not {type(value).__name__}", field=field
        )
    return value


def reserve(
    account: str,
    reservation_id: str,
    *,
    meter: str | None = None,
    quantity: int | None = None,
    credit_type: str | None = None,
    credits: AmountLike | None = None,
    dimensions: Mapping[str, str] | None = None,
    ttl: TtlLike = 60,
) -> Reserve:
    """Set aside ``quantity`` of a meter, or ``credits`` of a meter or credit type, for ``ttl`` seconds.

    Raises ``InvalidRequestError`` naming the field when not exactly one subject and amount are given.
    """
    if (meter is None) == (credit_type is None):
        raise InvalidRequestError("meter: give exactly one of meter and credit_type", field="meter")
    if credits is not None and quantity is not None:
        raise InvalidRequestError("credits: give either quantity or credits", field="credits")
    if credit_type is not None and credits is None:
        raise InvalidRequestError("credits: a hold of a credit type needs an amount", field="credits")
    return Reserve(
        account=account,
        reservation_id=reservation_id,
        meter=meter,
        quantity=_whole(quantity, "quantity") if credits is not None or quantity is not None else 1,
        credit_type=credit_type,
        credits=None if credits is None else decimal_text(credits, "credits"),
        dimensions=dict(dimensions or {}),
        ttl_us=ttl_us(ttl),
    )


def settle(
    account: str,
    reservation_id: str,
    *,
    quantity: int | None = None,
    credits: AmountLike | None = None,
    refuse_extra: bool = False,
) -> Settle:
    """End a reservation with what was used: exactly one of ``quantity`` and ``credits``."""
    if (quantity is None) == (credits is None):
        raise InvalidRequestError("quantity: give exactly one of quantity and credits", field="quantity")
    return Settle(
        account=account,
        reservation_id=reservation_id,
        quantity=_whole(quantity, "quantity"),
        credits=None if credits is None else decimal_text(credits, "credits"),
        refuse_extra=refuse_extra,
    )


def release(account: str, reservation_id: str) -> Release:
    """End a reservation with nothing used: everything held returns."""
    return Release(account=account, reservation_id=reservation_id)
