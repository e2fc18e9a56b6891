"""A subscription: who is on which plan version, since when, and how far its schedules have run."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from drawdown.catalog.plan import Plan
from drawdown.model.money import Money
from drawdown.model.request import Value
from drawdown.subscriptions.calendar import NAMED, Period, Schedule

STATES: Final = ("trialing", "active", "paused", "ended")


class PlannedChange(Value, frozen=True):
    """A change that waits for the end of the billing period."""

    change_id: str
    plan_id: str
    version: int
    quantity: int
    policy: str


class Subscription(Value, frozen=True):
    """One subscription. The schedules are edges in time; the numbers say which edge comes next."""

    subscription_id: str
    account: str
    customer_id: str
    plan_id: str
    version: int
    quantity: int
    currency: str
    country: str
    state: str
    started_at: datetime
    billing: Schedule
    grants: Schedule | None = None
    billing_next: int = 0
    """The next billing period to open."""
    grant_next: int = 0
    """The next grant to make."""
    epoch: int = 0
    """Grows when the schedules are laid anew (change of plan, conversion, resume); part of every id."""
    trial_ends_at: datetime | None = None
    ends_at: datetime | None = None
    """When it ends for good, if that is settled."""
    ended_at: datetime | None = None
    auto_renew: bool = True
    payment_method: str = ""
    own_grants: tuple["OwnGrant", ...] = ()
    """Grants of this subscription that are not known to be over."""
    planned_change: PlannedChange | None = None
    changes: int = 0
    paused_at: datetime | None = None

    @property
    def live(self) -> bool:
        """Whether it still does anything."""
        return self.state in ("trialing", "active", "paused")

    def period_at(self, instant: datetime) -> Period:
        """The billing period that holds ``instant``."""
        return self.billing.period(max(0, self.billing.number_at(instant)))


class OwnGrant(Value, frozen=True):
    """A grant that the plan gave."""

    grant_id: str
    credit_type: str
    amount: Decimal | None
    """As decided; ``None`` where the engine computed it."""
    period: Period
    """Of the cadence it stands for."""
    expires_at: datetime | None
    priority: int = 50
    cost: Money | None = None
    kind: str = "plan"
    """``plan``, ``trial``, ``rollover`` or ``service``."""
    rolled: int = 0
    """How often these credits have rolled over."""


def schedules_from(
    plan: Plan, start: datetime, zone: str, anchor: datetime
) -> tuple[Schedule, Schedule | None]:
    """The billing and the grant schedule of a plan from ``start`` on."""
    billing = Schedule(start=start, anchor=anchor, interval=NAMED[plan.billing_period], zone=zone)
    if plan.credits is None:
        return billing, None
    cadence = NAMED[plan.credits.cadence or plan.billing_period]
    # A week has no first of the month: weekly grants count from the start.
    grant_anchor = start if cadence.unit == "week" else anchor
    return billing, Schedule(start=start, anchor=grant_anchor, interval=cadence, zone=zone)
