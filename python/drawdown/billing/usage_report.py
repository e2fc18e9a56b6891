"""Reports of use: by account, meter and day; the accounts charged most; how long balances last. Pure."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Final

from drawdown.model.request import Value

TENTH: Final = Decimal("0.1")
MILLIONTH: Final = Decimal("0.000001")


class UsageSums(Value, frozen=True):
    """What one account used of one meter on one day, UTC, by the time of its events."""

    account: str
    credit_type: str
    meter: str = ""
    """Empty: direct debits."""
    day: str = ""
    """Like 2026-03-01."""
    events: int = 0
    quantity: Decimal = Decimal(0)
    """In the meter's unit; corrections are in it."""
    charged: Decimal = Decimal(0)


class UsageReport(Value, frozen=True):
    """By account, meter, credit type and day."""

    rows: tuple[UsageSums, ...] = ()
    next: int = 0
    """Ask for what lies ``after`` this; 0: that was all."""


class TopAccount(Value, frozen=True):
    """An account among those that were charged most."""

    account: str
    credit_type: str
    events: int = 0
    charged: Decimal = Decimal(0)


class TopAccounts(Value, frozen=True):
    """By credit type, the most charged first."""

    rows: tuple[TopAccount, ...] = ()


class Runway(Value, frozen=True):
    """How long an account's credits last at the rate of the days looked back on."""

    account: str
    credit_type: str
    available: Decimal = Decimal(0)
    per_day: Decimal = Decimal(0)
    """Charged on average, to the millionth."""
    days: Decimal = Decimal(0)
    """Rounded down to a tenth; 0 where nothing is available."""


class RunwayReport(Value, frozen=True):
    """The shortest first."""

    rows: tuple[Runway, ...] = ()


def runway_of(account: str, credit_type: str, available: Decimal, charged: Decimal, days: int) -> Runway:
    """What is available over what was charged per day; ``charged`` is above 0."""
    per_day = (charged / days).quantize(MILLIONTH)
    lasts = max(available, Decimal(0)) * days / charged
    return Runway(
        account=account,
        credit_type=credit_type,
        available=available,
        per_day=per_day,
        days=lasts.quantize(TENTH, rounding=ROUND_FLOOR),
    )
