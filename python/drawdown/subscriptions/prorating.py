"""Parts of a period: of money, rounded half-even once; of credits, down to the smallest unit."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from drawdown.model.credits import credits_from_units
from drawdown.model.money import round_half_even
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.subscription import Segment

_MICROSECOND = timedelta(microseconds=1)


def share(start: datetime, end: datetime, whole: Period) -> Fraction:
    """How much of ``whole`` lies between the instants."""
    part = (end - start) // _MICROSECOND
    return Fraction(part, (whole.end - whole.start) // _MICROSECOND)


def share_left(now: datetime, period: Period, whole: Period) -> Fraction:
    """How much of ``whole`` is left of ``period`` from ``now`` on."""
    return share(min(max(now, period.start), period.end), period.end, whole)


def credits_share(amount: Decimal, part: Fraction, scale: int) -> Decimal:
    """``part`` of the credits, rounded down: a share never gives more than it is."""
    units = Fraction(amount) * part * 10**scale
    return credits_from_units(units.numerator // units.denominator, scale)


def credits_rounded(amount: Decimal, part: Decimal, scale: int) -> Decimal:
    """``part`` of the credits, rounded half-even as the engine's formulas are."""
    return credits_from_units(round_half_even(Fraction(amount) * Fraction(part) * 10**scale), scale)


def accrued(segments: tuple[Segment, ...], period: Period, scale: int) -> Decimal:
    """Credits due for the cadence when each segment counts for its time and the last one to the end."""
    due = Fraction(0)
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        until = period.end if last else segments[number + 1].since
        start = max(segment.since, period.start)
        due += Fraction(segment.amount) * share(start, max(start, until), period)
    units = due * 10**scale
    return credits_from_units(units.numerator // units.denominator, scale)
