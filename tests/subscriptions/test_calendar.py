# ruff: noqa: DTZ001 - local times without a zone are the subject.
"""Periods tile time: ten years × sixty zones × anchors 28–31, and whatever else Hypothesis thinks of."""

from __future__ import annotations

import itertools
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from drawdown import InvalidRequestError
from drawdown.subscriptions.calendar import (
    MONTHLY,
    WEEKLY,
    YEARLY,
    Interval,
    Schedule,
    first_of_next_month,
    lifetime_end,
    local_midnight,
    step,
    zone_of,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Lisbon",
    "Europe/Moscow",
    "Europe/Istanbul",
    "Europe/Helsinki",
    "Europe/Dublin",
    "Atlantic/Azores",
    "Atlantic/Reykjavik",
    "Atlantic/Stanley",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "America/Halifax",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/Bogota",
    "America/Lima",
    "America/Caracas",
    "America/Mexico_City",
    "America/Havana",
    "America/Asuncion",
    "America/Nuuk",
    "America/Argentina/Buenos_Aires",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Lagos",
    "Africa/Johannesburg",
    "Africa/Nairobi",
    "Africa/Monrovia",
    "Asia/Dubai",
    "Asia/Tehran",
    "Asia/Kabul",
    "Asia/Karachi",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Dhaka",
    "Asia/Yangon",
    "Asia/Bangkok",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Asia/Pyongyang",
    "Asia/Gaza",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Australia/Perth",
    "Australia/Adelaide",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Australia/Eucla",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Marquesas",
]
HOURS = (0, 2, 12, 23)
# How long a draw takes says how busy the machine is, nothing about the calendar.
BUSY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def anchors(day: int) -> list[datetime]:
    """Local times of that day in January 2024, also in hours that changes of clocks skip or repeat."""
    return [datetime(2024, 1, day, hour, 30) for hour in HOURS]


@pytest.mark.parametrize("day", [28, 29, 30, 31])
@pytest.mark.parametrize("interval", [MONTHLY, YEARLY, WEEKLY], ids=["month", "year", "week"])
def test_ten_years_in_sixty_zones_tile_without_gap_or_overlap(day: int, interval: Interval) -> None:
    """Edges ascend, an instant lies in exactly one period, and the local day is the anchor's or the last."""
    assert len(ZONES) >= 60
    count = {"month": 120, "year": 10, "week": 522}[interval.unit]
    for zone in ZONES:
        for local in anchors(day):
            anchor = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
            schedule = Schedule(start=anchor, anchor=anchor, interval=interval, zone=zone)
            edges = [schedule.edge(number) for number in range(count + 1)]
            assert all(early < late for early, late in itertools.pairwise(edges)), zone
            for number in (0, 1, count // 2, count - 1):
                for instant in (edges[number], edges[number + 1] - timedelta(microseconds=1)):
                    assert schedule.number_at(instant) == number
            for number, edge in enumerate(edges):
                _check_local(edge, local, number, interval, zone)


def _check_local(edge: datetime, anchor: datetime, number: int, interval: Interval, zone: str) -> None:
    placed = edge.astimezone(ZoneInfo(zone))
    if interval.unit == "week":
        expected = (anchor + timedelta(weeks=number)).date()
    else:
        months = number * (interval.as_months() or 0)
        year, month = anchor.year + (anchor.month - 1 + months) // 12, (anchor.month - 1 + months) % 12 + 1
        expected = datetime(year, month, min(anchor.day, monthrange(year, month)[1])).date()
    # A skipped local time is moved on by the width of the gap, at the end of a day into the next.
    assert placed.date() in (expected, expected + timedelta(days=1)), (zone, edge)
    if placed.date() == expected and (placed.hour, placed.minute) != (anchor.hour, anchor.minute):
        naive = datetime(expected.year, expected.month, expected.day, anchor.hour, anchor.minute)
        back = naive.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
        assert back.replace(tzinfo=None) != naive, (zone, edge)


def test_month_ends_come_back_from_february() -> None:
    """Jan 31 → Feb 28 → Mar 31; Feb 29 yearly is Feb 28 in common years and Feb 29 again in leap years."""
    january = datetime(2026, 1, 31, tzinfo=UTC)
    found = [step(january, number, MONTHLY) for number in range(4)]
    assert [(each.month, each.day) for each in found] == [(1, 31), (2, 28), (3, 31), (4, 30)]
    leap = datetime(2024, 2, 29, tzinfo=UTC)
    years = [step(leap, number, YEARLY) for number in range(5)]
    assert [(each.year, each.day) for each in years] == [
        (2024, 29),
        (2025, 28),
        (2026, 28),
        (2027, 28),
        (2028, 29),
    ]


def test_local_time_of_day_is_kept_across_changes_of_clocks() -> None:
    """09:00 in Berlin stays 09:00; a skipped hour is the hour after the gap, a repeated one the first."""
    berlin = ZoneInfo("Europe/Berlin")
    winter = datetime(2026, 2, 15, 9, tzinfo=berlin)
    assert step(winter, 2, MONTHLY, "Europe/Berlin") == datetime(2026, 4, 15, 9, tzinfo=berlin)
    skipped = step(datetime(2026, 2, 28, 2, 30, tzinfo=berlin), 29, Interval(1, "day"), "Europe/Berlin")
    assert skipped.astimezone(berlin).isoformat() == "2026-03-29T03:30:00+02:00"
    repeated = step(datetime(2026, 9, 25, 2, 30, tzinfo=berlin), 1, MONTHLY, "Europe/Berlin")
    assert repeated == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_midnight_and_the_first_of_the_month_are_local() -> None:
    instant = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
    assert local_midnight(instant, "Europe/Berlin") == datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert first_of_next_month(instant, "Europe/Berlin") == datetime(2026, 4, 30, 22, tzinfo=UTC)
    begin = datetime(2026, 4, 30, 22, tzinfo=UTC)
    assert first_of_next_month(begin, "Europe/Berlin") == begin


@BUSY_MACHINE
@given(
    day=st.integers(1, 31),
    hour=st.integers(0, 23),
    zone=st.sampled_from(ZONES),
    number=st.integers(0, 60),
    months=st.integers(1, 24),
)
def test_a_lifetime_ends_where_a_later_delivery_begins(
    day: int, hour: int, zone: str, number: int, months: int
) -> None:
    """Credits of k months granted at edge n end exactly at edge n + k, in every zone."""
    anchor = datetime(2024, 1, day, hour, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    schedule = Schedule(start=anchor, anchor=anchor, interval=MONTHLY, zone=zone)
    assert lifetime_end(schedule, number, Interval(months, "month")) == schedule.edge(number + months)
    assert lifetime_end(schedule, number, None) == schedule.edge(number + 1)
    yearly = Schedule(start=anchor, anchor=anchor, interval=YEARLY, zone=zone)
    assert lifetime_end(yearly, number, Interval(months, "month")) == step(
        anchor, 12 * number + months, MONTHLY, zone
    )


@BUSY_MACHINE
@given(
    start=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    zone=st.sampled_from(ZONES),
    interval=st.sampled_from([MONTHLY, YEARLY, WEEKLY, Interval(10, "day"), Interval(3, "month")]),
    later=st.timedeltas(timedelta(0), timedelta(days=4000)),
)
def test_every_instant_lies_in_one_period(
    start: datetime, zone: str, interval: Interval, later: timedelta
) -> None:
    """Also with a short first period: number_at and period agree."""
    begin = start.replace(tzinfo=UTC)
    schedule = Schedule(start=begin, anchor=first_of_next_month(begin, zone), interval=interval, zone=zone)
    instant = begin + later
    number = schedule.number_at(instant)
    assert schedule.period(number).holds(instant)
    assert number == 0 or not schedule.period(number - 1).holds(instant)
    assert schedule.number_at(begin - timedelta(microseconds=1)) == -1


def test_what_is_no_zone_or_interval_is_refused() -> None:
    for name in ("Mars/Olympus", "", "../etc/passwd"):
        with pytest.raises(InvalidRequestError) as raised:
            zone_of(name)
        assert raised.value.field == "time_zone"
    with pytest.raises(InvalidRequestError):
        Interval(0, "month")
    with pytest.raises(InvalidRequestError):
        Interval(1, "fortnight")
