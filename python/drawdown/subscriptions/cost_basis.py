"""Cost basis: what was paid for a part of a grant, and for the credits that a change of plan makes.

Of a change: what was paid for the credits that are replaced goes along as far as they are not used, and
what the change charges for credits comes to it; together at most what the new plan asks for as many. So it
is never more than what came, and nothing of it is for what was used.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from drawdown.catalog.plan import Plan
from drawdown.model.money import Money, total, zero
from drawdown.model.results import Grant
from drawdown.subscriptions.prorating import share_left
from drawdown.subscriptions.renewing import cost_at, credits_at
from drawdown.subscriptions.subscription import Subscription


def share_of_cost(grant: Grant, credits: Decimal) -> Money | None:
    """What was paid for so many credits of the grant; ``None`` where nothing was."""
    if grant.cost_minor <= 0:
        return None
    return Money(grant.cost_minor, grant.cost_currency).times(Fraction(credits) / Fraction(grant.amount))


def change_cost(
    old: Subscription,
    old_plan: Plan,
    new: Subscription,
    plan: Plan,
    *,
    replaced: Iterable[Grant],
    credits: Decimal,
    now: datetime,
    sold: Fraction,
) -> Money:
    """Of ``credits`` that a change to ``plan`` makes out of the grants that are ``replaced``.

    ``sold``: the share of what it charges that promotional money does not pay.
    """
    assert new.grants is not None
    number = max(0, new.grants.number_at(now))
    whole, price = credits_at(new, plan, number), cost_at(new, plan, number)
    if whole <= 0:
        return zero(new.currency)
    most = price.times(Fraction(credits) / Fraction(whole))
    if new.epoch != old.epoch:
        # Of a period that begins with the change, and is charged for itself.
        return most.times(sold)
    free = [share_of_cost(each, each.remaining - each.held) for each in replaced]
    carried = [each for each in free if each is not None and each.currency == new.currency]
    charged = _charged(old, old_plan, price, plan, number, now)
    cost = total([*carried, charged.times(sold if charged.minor > 0 else 1)], new.currency)
    return max(zero(new.currency), min(cost, most))


def _charged(
    old: Subscription, old_plan: Plan, price: Money, plan: Plan, number: int, now: datetime
) -> Money:
    """The share of the change's price that is for the cadence; below zero where it gives back."""
    assert old.grants is not None
    difference = price - cost_at(old, old_plan, number)
    if plan.proration == "none":
        return max(zero(price.currency), difference)
    period = old.grants.period(number)
    return difference.times(share_left(now, period, period))
