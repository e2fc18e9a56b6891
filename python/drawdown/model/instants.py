"""Instants: aware ``datetime`` at the human edge, UTC microseconds since the Unix epoch inside."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from drawdown.errors import InvalidRequestError

InstantLike: TypeAlias = datetime | int
"""An aware ``datetime``, or UTC microseconds since the Unix epoch."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# What a datetime can hold: 0001-01-01 to 9999-12-31 23:59:59.999999 UTC.
INSTANT_US_MIN: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
INSTANT_US_MAX: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def us_from_instant(instant: InstantLike, field: str = "time") -> int:
    """UTC microseconds of an instant.

    Raises ``InvalidRequestError`` naming ``field`` for naive datetimes (their zone is a guess),
    other types and years outside 1–9999.
    """
    if isinstance(instant, datetime):
        if instant.tzinfo is None or instant.utcoffset() is None:
            raise InvalidRequestError(
                f"{field}: {instant.isoformat()} has no time zone; give an aware datetime, "
                "for example datetime.now(timezone.utc)",
                field=field,
            )
        return (instant - _EPOCH) // _MICROSECOND
    if isinstance(instant, bool) or not isinstance(instant, int):
        raise InvalidRequestError(
            f"{field}: give an aware datetime or whole microseconds, not {type(instant).__name__}",
            field=field,
        )
    if not INSTANT_US_MIN <= instant <= INSTANT_US_MAX:
        raise InvalidRequestError(f"{field}: {instant} µs is outside the years 1–9999", field=field)
    return instant


def optional_us(instant: InstantLike | None, field: str = "time") -> int | None:
    """``us_from_instant``, passing absence on."""
    return None if instant is None else us_from_instant(instant, field)


def instant_from_us(us: int) -> datetime:
    """The aware UTC ``datetime`` of microseconds since the Unix epoch, exact.

    Raises ``InvalidRequestError`` outside the years 1–9999, which a ``datetime`` cannot hold.
    """
    try:
        return _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        raise InvalidRequestError(f"{us} µs is outside the years 1–9999") from None


def optional_instant(us: int | None) -> datetime | None:
    """``instant_from_us``, passing absence on."""
    return None if us is None else instant_from_us(us)


def now_us() -> int:
    """This machine's wall clock, for stamping what a caller reports; the engine has a stamp of its own."""
    return time.time_ns() // 1000
