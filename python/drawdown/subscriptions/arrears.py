"""What a billing period owes when it is over: overage, and the true-up to a minimum spend.

Usage of a period may be noted when the period is over, so both are worked out when its invoice becomes
final. ``Arrears`` is what has to be known then: the subscription may be on another plan by that time.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

import msgspec

from drawdown.catalog.plan import Plan
from drawdown.catalog.pricing import Price
from drawdown.model.money import Money, total
from drawdown.model.request import Value
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.prorating import share_left
from drawdown.subscriptions.renewing import cadence_share, period_stem, price_of
from drawdown.subscriptions.subscription import Subscription

_WHOLE: Final = Fraction(1)
_NONE: Final = Decimal(0)
_MICROSECOND: Final = timedelta(microseconds=1)


class Arrears(Value, frozen=True, kw_only=True):
    """A billing period that is over, and what its usage is priced by."""

    arrears_id: str
    """Subscription, epoch and number of the period: what its lines are called after."""
    subscription_id: str
    plan_id: str
    version: int
    credit_type: str
    """Of the credits past zero; empty: the plan has none."""
    period: Period
    until: datetime
    """Usage periods that began before this are billed with it."""
    cut: bool = False
    """It ended in the midst of a usage period, which goes on without it."""
    spent: Money | None = None
    """What else the period was charged; counts towards ``minimum``."""
    minimum: Money | None = None
    since: datetime | None = None
    """Usage periods that began before this are not billed with it."""
    part: str = ""
    """Names the part of the period where its price changed in between; empty: the last, or all of it."""

    @property
    def plan_key(self) -> str:
        """Id and version."""
        return f"{self.plan_id}@{self.version}"

    @property
    def stem(self) -> str:
        """What the lines of its usage are called after."""
        return f"{self.arrears_id}:{self.part}" if self.part else self.arrears_id

    def bills(self, start: datetime) -> bool:
        """Whether the usage period that began at ``start`` is billed with it."""
        return start < self.before and (self.since is None or start >= self.since)

    @property
    def before(self) -> datetime:
        """Usage periods that began before this: of one that was cut, what began with its end is its own."""
        return self.until + _MICROSECOND if self.cut else self.until


def arrears_of(
    subscription: Subscription,
    plan: Plan,
    number: int,
    *,
    until: datetime,
    cut: bool,
    spent: list[Money] | None,
    floor_share: Fraction = _WHOLE,
) -> Arrears:
    """Period ``number``, which is over at ``until``, under ``plan``; without ``spent`` it has no minimum.

    Of the minimum of a period that was cut short ``floor_share`` is due; of that of a short first one, the
    share that is due of its fee. It is due in a pause and past due as well, and not in a trial.
    """
    part = floor_share * cadence_share(plan, subscription.billing, number)
    floor = price_of(plan.minimum_spend, subscription, "minimum_spend")
    has_floor = floor is not None and spent is not None and subscription.is_served
    return Arrears(
        arrears_id=period_stem(subscription, number),
        subscription_id=subscription.subscription_id,
        plan_id=plan.plan_id,
        version=plan.version,
        credit_type=overage_type(plan),
        period=subscription.billing.period(number),
        until=until,
        cut=cut,
        spent=total(spent, subscription.currency) if has_floor and spent is not None else None,
        minimum=floor.of(Decimal(1)).times(part) if floor is not None and has_floor else None,
    )


def part_until(arrears: Arrears, until: datetime) -> Arrears:
    """The part of the period before ``until``, where another price followed; its minimum is the last's."""
    return msgspec.structs.replace(
        arrears,
        until=until,
        cut=False,
        part=f"until:{_stamp(until)}",
        period=Period(start=arrears.period.start, end=max(until, arrears.period.start)),
    )


def cut_share(subscription: Subscription, number: int, until: datetime, *, gives_back: bool) -> Fraction:
    """What is due of the minimum of period ``number`` that ends early at ``until``.

    All of it, as of its fee; the share of the time that ran where the fee's unused time is given back.
    """
    if not gives_back:
        return _WHOLE
    period = subscription.billing.period(number)
    return _WHOLE - share_left(until, period, period)


def _stamp(instant: datetime) -> str:
    return instant.strftime("%Y%m%dT%H%M%S.%f")


def overage_type(plan: Plan) -> str:
    """Of the credits past zero that the plan prices; empty: none."""
    return "" if plan.overage is None or plan.credits is None else plan.credits.credit_type


def overage_price(subscription: Subscription, plan: Plan) -> Price | None:
    """Money for credits past zero under the plan; ``None`` where they are not priced."""
    return None if plan.overage is None else price_of(plan.overage.prices, subscription, "overage.prices")


def overage_cost(price: Price, credits: Decimal) -> Money:
    """What so many credits past zero cost: nothing for none, whatever the pricing model.

    Below zero where corrections took back what had been billed.
    """
    cost = price.of(abs(credits))
    return cost if credits > 0 else cost.times(-1 if credits else 0)


def true_up(arrears: Arrears, overage: Money) -> Money | None:
    """What is missing up to the period's minimum; ``None`` where nothing is."""
    if arrears.minimum is None or arrears.spent is None:
        return None
    missing = arrears.minimum - arrears.spent - overage
    return missing if missing.minor > 0 else None


def overage_line_id(arrears: Arrears, credit_type: str) -> str:
    """Of the line for overage of the period."""
    return _charge_id(arrears, "overage", credit_type)


def overage_charge(
    arrears: Arrears, price: Price, credits: Decimal, before: Decimal = _NONE
) -> Charge | None:
    """The line for ``credits`` past zero in the period, beyond those ``before``; none for none."""
    if credits == 0:
        return None
    return _charge(
        arrears,
        "overage",
        f"Overage of {arrears.credit_type}",
        overage_cost(price, before + credits) - overage_cost(price, before),
        credits,
        arrears.credit_type,
    )


def late_charge(arrears: Arrears, closed: Arrears, price: Price, before: Decimal, credits: Decimal) -> Charge:
    """The line for usage of ``closed`` that was noted, or corrected, when its invoice was final.

    It had ``before`` credits past zero on its invoice and has ``credits`` now; each is priced, never the
    difference, and what the true-up of that period has paid for already is not paid for again.
    """
    owed = [_owed(closed, overage_cost(price, each)) for each in (before, credits)]
    begun = _stamp(closed.period.start) + (f":{closed.part}" if closed.part else "")
    return Charge(
        charge_id=f"{arrears.stem}:adjustment:{closed.credit_type}:{begun}",
        kind="adjustment",
        description=f"Overage of {closed.credit_type}, noted after its invoice",
        amount=owed[1] - owed[0],
        quantity=credits - before,
        period=closed.period,
        subscription_id=arrears.subscription_id,
        plan_key=closed.plan_key,
        reference=closed.credit_type,
        in_advance=False,
    )


def _owed(arrears: Arrears, overage: Money) -> Money:
    missing = true_up(arrears, overage)
    return overage if missing is None else overage + missing


def minimum_charge(arrears: Arrears, overage: Money) -> Charge | None:
    """The visible line that raises a period to its minimum."""
    missing = true_up(arrears, overage)
    if missing is None:
        return None
    return _charge(arrears, "minimum_spend", "Minimum spend, true-up", missing, Decimal(1), "")


def _charge_id(arrears: Arrears, kind: str, reference: str) -> str:
    return f"{arrears.stem}:{kind}:{reference}" if reference else f"{arrears.stem}:{kind}"


def _charge(
    arrears: Arrears, kind: str, description: str, amount: Money, quantity: Decimal, reference: str
) -> Charge:
    return Charge(
        charge_id=_charge_id(arrears, kind, reference),
        kind=kind,
        description=description,
        amount=amount,
        quantity=quantity,
        period=arrears.period,
        subscription_id=arrears.subscription_id,
        plan_key=arrears.plan_key,
        reference=reference,
        in_advance=False,
    )
