"""A subscription: who is on which plan version, since when, and how far its schedules have run."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from drawdown.catalog.plan import Plan
from drawdown.model.money import Money
from drawdown.model.request import Value
from drawdown.subscriptions.calendar import NAMED, Period, Schedule
from drawdown.subscriptions.charge import Charge

STATES: Final = ("pending", "trialing", "active", "past_due", "paused", "ended")


class PlannedChange(Value, frozen=True):
    """A change that waits: for the end of the billing period, or for its invoice."""

    change_id: str
    plan_id: str
    version: int
    quantity: int
    policy: str
    asked_at: datetime
    invoice_id: str = ""
    """The invoice that must be paid first; empty: it waits for the period's end."""
    former_payment_method: str = ""
    """What the subscription had before: it stays where the change is not paid."""
    replaced: "PlannedChange | None" = None
    """What was planned for the period's end before: so it is again where the change is not paid."""


class LeftPrice(Value, frozen=True):
    """A price of credits past zero that held in the open period until another one followed."""

    plan_key: str
    """``id@version`` of the plan that has it."""
    until: datetime
    """Usage dated before this is billed at it, however late it is noted."""


class Segment(Value, frozen=True):
    """Since when in the present cadence so many credits per cadence are due."""

    since: datetime
    amount: Decimal
    """Below 0: as many of the cadence were used up elsewhere, before the subscription was brought here."""
    credit_type: str = ""
    """Empty: written before segments had it, and of the plan that the subscription is on."""


class Service(Value, frozen=True):
    """A pack on a subscription, delivered on a schedule between From and To."""

    service_id: str
    pack_id: str
    schedule: str
    """``one_off``, ``weekly`` or ``monthly``."""
    deliveries: Schedule
    quantity: int = 1
    until: datetime | None = None
    """To: no delivery at or after it; ``None``: open-ended."""
    bill_later: bool = False
    """Deliveries stand on the invoice after their period instead of the one before."""
    state: str = "active"
    """``active`` or ``terminated``."""
    delivered: int = 0
    """The next delivery's number."""
    adjusted: dict[str, str] = {}
    """Amounts set by hand, by delivery number; ``N.times``: how often, since delivery N was made."""
    unbilled: tuple[int, ...] | None = None
    """Bill-later: deliveries made that no invoice has yet; ``None``: written before they were noted."""
    charged_until: datetime | None = None
    """In advance: deliveries before this are on invoices of a rhythm that was left; ``None``: of none."""
    until_given: bool = False
    """To was asked for, so that it stays where a term that ends with it is followed by another."""


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
    """``pending`` (its first invoice is not paid), ``trialing``, ``active``, ``past_due`` (a payment for its
    present period has failed), ``paused`` or ``ended``."""
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
    segments: tuple[Segment, ...] = ()
    """What was due per cadence in the course of the present cadence."""
    waiting_charges: tuple[Charge, ...] = ()
    """Go onto the next invoice."""
    paused_at: datetime | None = None
    term: int = 0
    """Billing periods of a term; 0: each period stands for itself."""
    term_ends_at: datetime | None = None
    """With the billing period that the agreed end lies in."""
    services: tuple[Service, ...] = ()
    seen: tuple[str, ...] = ()
    """Ids of changes that were carried out or dropped."""
    left_plans: tuple[str, ...] = ()
    """``id@version`` of plans left in the open period that price its overage where the present does not."""
    unpaid_invoice_id: str = ""
    """Whose payment has failed; it is past due until that is paid."""
    past_due_since: datetime | None = None
    left_prices: tuple[LeftPrice, ...] = ()
    """Of the open period, oldest first."""
    term_months: int = 0
    """Agreed on for a term, where its periods are no whole number of these; 0: as long as its periods."""
    term_agreed_end: datetime | None = None
    """Where the term ended before periods of another length put its end off; ``None``: where it ends."""

    @property
    def live(self) -> bool:
        """Whether it still does anything."""
        return self.state != "ended"

    @property
    def is_served(self) -> bool:
        """Whether it has begun, beyond a trial, and has not ended."""
        return self.state in ("active", "past_due", "paused")

    def has_period_at(self, instant: datetime) -> bool:
        """Whether a billing period that was opened holds ``instant``."""
        return instant < self.billing.edge(self.billing_next)

    @property
    def plan_key(self) -> str:
        """Id and version of the plan that it is on."""
        return f"{self.plan_id}@{self.version}"

    def period_at(self, instant: datetime) -> Period:
        """The billing period that holds ``instant``."""
        return self.billing.period(max(0, self.billing.number_at(instant)))


class OwnGrant(Value, frozen=True, kw_only=True):
    """A grant that the plan gave."""

    grant_id: str
    credit_type: str
    amount: Decimal | None = None
    """As decided; ``None`` where the engine computed it."""
    period: Period
    """Of the cadence it stands for."""
    expires_at: datetime | None = None
    priority: int = 50
    cost: Money | None = None
    kind: str = "plan"
    """``plan``, ``trial``, ``rollover`` or ``service``."""
    rolled: int = 0
    """How often these credits have rolled over."""
    plan_key: str = ""
    """``id@version`` of the plan that gave it, whose caps it rolls by; empty: that of the subscription."""


def on_plan(subscription: Subscription, plan: Plan, quantity: int) -> Subscription:
    """The subscription on another plan or quantity; its schedules are as they were."""
    return msgspec.structs.replace(
        subscription, plan_id=plan.plan_id, version=plan.version, quantity=quantity
    )


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
