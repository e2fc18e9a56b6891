"""What a change of plan costs now, and what it brings to the next invoice.

With the same rhythm (billing period and cadence) the present billing period goes on:

======== =====================================================================================
none     the new price is due for the period: what it is above the dearest so far, now; nothing back
first    the difference for the time that is left, upwards now, downwards on the next invoice
both     as ``first``
======== =====================================================================================

With another rhythm a new period begins at the change: its price is due, less (``first``, ``both``) the
unused time of the old one.
"""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from drawdown.catalog.plan import Plan
from drawdown.model.money import Money, total
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.prorating import share_left
from drawdown.subscriptions.renewing import period_charges
from drawdown.subscriptions.subscription import Subscription

# Ends the id of a line that gives money back for time before the period it stands in.
UNUSED: Final = ":unused"


def same_rhythm(old: Plan, new: Plan) -> bool:
    """Whether the schedules of the old plan serve the new one as they are."""
    cadences = [None if plan.credits is None else plan.credits.cadence for plan in (old, new)]
    return (
        old.billing_period == new.billing_period and (cadences[0] == cadences[1]) and old.anchor == new.anchor
    )


def period_price(subscription: Subscription, plan: Plan, number: int) -> Money:
    """The price in advance of a whole billing period."""
    charges = period_charges(subscription, plan, number)
    return total([each.amount for each in charges], subscription.currency)


def difference_charge(
    old: Subscription,
    old_plan: Plan,
    new: Subscription,
    plan: Plan,
    change_id: str,
    now: datetime,
    charged: Money,
) -> Charge | None:
    """The one amount that a change within the same rhythm makes; negative when it is given back.

    ``charged``: what the period has cost so far, changes inside it included.
    """
    number = max(0, old.billing.number_at(now))
    period = old.billing.period(number)
    price, before = period_price(new, plan, number), period_price(old, old_plan, number)
    if plan.proration == "none":
        # A dearer plan that was left is paid for to the end of the period; what it cost elsewhere, before it
        # was brought here, is on no line.
        paid_for = max(before.minor, charged.minor)
        amount = Money(max(0, price.minor - paid_for), price.currency)
    else:
        amount = (price - before).times(share_left(now, period, period))
    if not amount:
        return None
    return _charge(new, plan, change_id, f"Change from {old_plan.name} to {plan.name}", amount, now, period)


def unused_charge(
    old: Subscription, old_plan: Plan, plan: Plan, change_id: str, now: datetime
) -> Charge | None:
    """What is given back for the old plan's unused time when a new period begins at the change."""
    if plan.proration == "none":
        return None
    number = max(0, old.billing.number_at(now))
    period = old.billing.period(number)
    left: Fraction = share_left(now, period, period)
    amount = -period_price(old, old_plan, number).times(left)
    if not amount:
        return None
    return _charge(
        old, old_plan, f"{change_id}{UNUSED}", f"Unused time of {old_plan.name}", amount, now, period
    )


def change_line_id(subscription: Subscription, change_id: str) -> str:
    """The line of a change of plan, whichever invoice has it."""
    return f"{subscription.subscription_id}:change:{change_id}"


def _charge(
    subscription: Subscription,
    plan: Plan,
    change_id: str,
    description: str,
    amount: Money,
    now: datetime,
    period: Period,
) -> Charge:
    return Charge(
        charge_id=change_line_id(subscription, change_id),
        kind="proration",
        description=description,
        amount=amount,
        quantity=Decimal(1),
        period=Period(start=max(now, period.start), end=period.end),
        subscription_id=subscription.subscription_id,
        plan_key=plan.key,
    )
