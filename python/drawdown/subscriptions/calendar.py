"""Periods: computed from an anchor, never chained, so that the 31st comes back after February.

``step(anchor, n, interval)`` is anchor + n × interval in the calendar of a zone: the local time of day
is kept across daylight saving, a day that a month lacks becomes its last. Periods are half-open, so
the edges of a schedule tile time without gap or overlap.
"""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from dateutil.relativedelta import relativedelta

from drawdown.errors import InvalidRequestError
from drawdown.model.request import Value

UNITS: Final = ("day", "week", "month", "year")
COUNT_MAX: Final = 1_000


class Interval(msgspec.Struct, frozen=True):
    """So many days, weeks, months or years of the calendar."""

    count: int
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise InvalidRequestError(f"unit: {self.unit!r} is not one of {', '.join(UNITS)}", field="unit")
        if not 1 <= self.count <= COUNT_MAX:
            raise InvalidRequestError(f"count: {self.count} is not 1–{COUNT_MAX}", field="count")

    def as_months(self) -> int | None:
        """Whole months, or ``None`` for days and weeks."""
        if self.unit == "month":
            return self.count
        return 12 * self.count if self.unit == "year" else None

    def as_days(self) -> int | None:
        """Whole days, or ``None`` for months and years."""
        if self.unit == "day":
            return self.count
        return 7 * self.count if self.unit == "week" else None


WEEKLY: Final = Interval(1, "week")
MONTHLY: Final = Interval(1, "month")
YEARLY: Final = Interval(1, "year")
NAMED: Final = {"weekly": WEEKLY, "monthly": MONTHLY, "yearly": YEARLY}


class Period(Value, frozen=True):
    """start ≤ t < end."""

    start: datetime
    end: datetime

    def holds(self, instant: datetime) -> bool:
        """Whether the instant lies in it."""
        return self.start <= instant < self.end


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises ``InvalidRequestError`` naming ``time_zone``."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequestError(
            f"time_zone: {name!r} is not an IANA time zone, like Europe/Berlin", field="time_zone"
        ) from None


def step(anchor: datetime, count: int, interval: Interval, zone: str = "UTC") -> datetime:
    """anchor + ``count`` × ``interval`` in the calendar of ``zone``, as a UTC instant."""
    if count == 0:
        return anchor.astimezone(UTC)
    if zone == "UTC":
        # Most are, and nothing is to be resolved.
        return _moved(anchor.astimezone(UTC), count, interval)
    local = anchor.astimezone(zone_of(zone)).replace(tzinfo=None)
    return _resolved(_moved(local, count, interval), zone)


def _moved(local: datetime, count: int, interval: Interval) -> datetime:
    months = interval.as_months()
    if months is None:
        return local + timedelta(days=(interval.as_days() or 0) * count)
    year, month = divmod(12 * local.year + local.month - 1 + months * count, 12)
    return local.replace(year=year, month=month + 1, day=min(local.day, _days_of(year, month + 1)))


@lru_cache(maxsize=4096)
def _days_of(year: int, month: int) -> int:
    return monthrange(year, month)[1]


def _resolved(local: datetime, zone: str) -> datetime:
    """The instant of a local time. One that a change of clocks skips becomes the instant after the gap;
    one that occurs twice is the first."""
    placed = local.replace(tzinfo=zone_of(zone), fold=0)
    instant = placed.astimezone(UTC)
    if instant.astimezone(zone_of(zone)).replace(tzinfo=None) == local:
        return instant
    # In a gap fold=0 reads the clock as it went before the change: that is the same instant, named anew.
    return instant


def local_midnight(instant: datetime, zone: str) -> datetime:
    """The start of the local day that holds ``instant``."""
    local = instant.astimezone(zone_of(zone)).replace(tzinfo=None)
    return _resolved(local.replace(hour=0, minute=0, second=0, microsecond=0), zone)


def first_of_next_month(instant: datetime, zone: str) -> datetime:
    """The next local midnight at the start of a month; ``instant`` itself when it is one."""
    midnight = local_midnight(instant, zone)
    local = midnight.astimezone(zone_of(zone)).replace(tzinfo=None)
    if midnight == instant and local.day == 1:
        return instant
    return _resolved(
        (local.replace(day=1) + relativedelta(months=1)).replace(hour=0, minute=0, second=0, microsecond=0),
        zone,
    )


class Schedule(Value, frozen=True):
    """Edges in time: the start, then anchor + n × interval. Period n is [edge n, edge n + 1)."""

    start: datetime
    anchor: datetime
    """At or after ``start``; the first period is short when it is after."""
    interval: Interval
    zone: str = "UTC"

    def edge(self, number: int) -> datetime:
        """The n-th edge; 0 is the start."""
        if number == 0:
            return self.start
        return step(self.anchor, number - self._stub(), self.interval, self.zone)

    def _stub(self) -> int:
        return 1 if self.anchor > self.start else 0

    def period(self, number: int) -> Period:
        """The n-th period."""
        return Period(start=self.edge(number), end=self.edge(number + 1))

    def whole_period(self, number: int) -> Period:
        """The period that the n-th would be if the first were not short."""
        if number == 0 and self._stub():
            return Period(start=step(self.anchor, -1, self.interval, self.zone), end=self.anchor)
        return self.period(number)

    def number_at(self, instant: datetime) -> int:
        """The number of the period that holds ``instant``; before the start it is −1."""
        if instant < self.start:
            return -1
        number = max(0, self._about(instant))
        while number > 0 and self.edge(number) > instant:
            number -= 1
        while self.edge(number + 1) <= instant:
            number += 1
        return number

    def _about(self, instant: datetime) -> int:
        """The number, or one beside it: months and days counted without looking at clock or zone."""
        months, days = self.interval.as_months(), self.interval.as_days()
        if months is not None:
            at, anchor = instant.astimezone(UTC), self.anchor.astimezone(UTC)
            return (12 * (at.year - anchor.year) + at.month - anchor.month) // months + self._stub()
        return (instant - self.anchor).days // (days or 1) + self._stub()


def cadences_in(schedule: Schedule, lifetime: Interval) -> int:
    """How many cadences a lifetime is; 0 where it is no whole number of them."""
    cadence_months, lifetime_months = schedule.interval.as_months(), lifetime.as_months()
    cadence_days, lifetime_days = schedule.interval.as_days(), lifetime.as_days()
    for cadence, life in ((cadence_months, lifetime_months), (cadence_days, lifetime_days)):
        if cadence and life and life % cadence == 0:
            return life // cadence
    return 0


def lifetime_end(
    schedule: Schedule, number: int, lifetime: Interval | None, *, cadence_default: bool = True
) -> datetime | None:
    """When what is delivered at edge ``number`` expires: its lifetime counted in the same calendar.

    A lifetime of k cadences ends exactly at edge ``number`` + k. ``None`` as lifetime means one
    cadence, or never where ``cadence_default`` is off.
    """
    if lifetime is None:
        return schedule.edge(number + 1) if cadence_default else None
    whole = cadences_in(schedule, lifetime)
    if whole:
        return schedule.edge(number + whole)
    cadence_months, lifetime_months = schedule.interval.as_months(), lifetime.as_months()
    if cadence_months and lifetime_months and schedule.anchor == schedule.start:
        # Counted from the anchor, so that the 31st survives a short month in between.
        unit = Interval(1, "month")
        return step(schedule.anchor, number * cadence_months + lifetime_months, unit, schedule.zone)
    return step(schedule.edge(number), 1, lifetime, schedule.zone)
