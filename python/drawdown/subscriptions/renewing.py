"""The steps that every subscription repeats: open a billing period, make a grant.

Both are functions of the subscription, its plan and the number of the edge; what they name follows
from those, so a step done twice is one step.
"""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

import msgspec

from drawdown.catalog.plan import Lifetime, Plan
from drawdown.catalog.pricing import Price, price_for
from drawdown.errors import PreconditionError
from drawdown.model import commands
from drawdown.model.decision import Job
from drawdown.model.money import Money, zero
from drawdown.subscriptions.calendar import Interval, Period, Schedule, lifetime_end
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.identifiers import grant_id, lane_of
from drawdown.subscriptions.prorating import credits_share, share
from drawdown.subscriptions.subscription import OwnGrant, Segment, Subscription

PERIOD_JOB = "subscription.period"
GRANT_JOB = "subscription.grant"
# Behind the opening of the period that begins at the same instant, whose invoice they wait for.
_GRANT_RANK: Final = 55
# Kinds of lines that a period is paid with when it begins.
IN_ADVANCE: Final = ("base_fee", "credits")


def price_of(
    prices: tuple[Price, ...], subscription: Subscription, field: str, sold: str = ""
) -> Price | None:
    """The price for this customer; ``None`` where the charge has no prices at all.

    Raises ``PreconditionError`` where it has some, but none in the subscription's currency; it names what is
    ``sold``, which is the plan unless said.
    """
    if not prices:
        return None
    price = price_for(prices, subscription.currency, subscription.country)
    if price is None:
        raise PreconditionError(
            f"{field}: {sold or f'plan {subscription.plan_id!r}'} has no price in {subscription.currency}",
            reason="CURRENCY_UNAVAILABLE",
            field="currency",
        )
    return price


def check_currency(subscription: Subscription, plan: Plan) -> None:
    """Whether all that the plan charges, also when a period is over, has a price in the currency.

    Raises ``PreconditionError``.
    """
    charged = {"base_fee": plan.base_fee, "minimum_spend": plan.minimum_spend}
    if plan.credits is not None:
        charged["credits.prices"] = plan.credits.prices
    if plan.overage is not None:
        charged["overage.prices"] = plan.overage.prices
    for field, prices in charged.items():
        price_of(prices, subscription, field)


def period_job(subscription: Subscription, number: int) -> Job:
    """The opening of a billing period, due when it starts."""
    return _job(PERIOD_JOB, subscription, number, subscription.billing.edge(number), rank=50)


def grant_job(subscription: Subscription, number: int) -> Job | None:
    """The grant of a cadence, due when that starts; ``None`` for plans without credits."""
    if subscription.grants is None:
        return None
    return _job(GRANT_JOB, subscription, number, subscription.grants.edge(number), rank=_GRANT_RANK)


def _job(kind: str, subscription: Subscription, number: int, due_at: datetime, *, rank: int) -> Job:
    return Job(
        kind=kind,
        key=f"{kind}:{subscription.subscription_id}:{subscription.epoch}:{number}",
        lane=lane_of(subscription.account),
        account=subscription.account,
        due_at=due_at,
        rank=rank,
        payload={
            "subscription_id": subscription.subscription_id,
            "epoch": subscription.epoch,
            "number": number,
        },
    )


def grants_in(subscription: Subscription, period: Period) -> list[int]:
    """Numbers of the cadences that start inside a billing period."""
    grants = subscription.grants
    if grants is None:
        return []
    number = grants.number_at(period.start)
    if number < 0 or grants.edge(number) < period.start:
        number += 1
    found = []
    while grants.edge(number) < period.end:
        found.append(number)
        number += 1
    return found


def credits_of(subscription: Subscription, plan: Plan) -> Decimal:
    """Credits of one cadence at the subscription's quantity."""
    return Decimal(0) if plan.credits is None else plan.credits.amount * subscription.quantity


def cost_of_cadence(subscription: Subscription, plan: Plan) -> Money:
    """What the credits of one cadence cost."""
    price = None
    if plan.credits is not None:
        price = price_of(plan.credits.prices, subscription, "credits.prices")
    return zero(subscription.currency) if price is None else price.of(credits_of(subscription, plan))


def cadence_share(plan: Plan, schedule: Schedule, number: int) -> Fraction:
    """The part of a whole cadence or period that its edge stands for: below 1 in a short first one."""
    if number > 0 or plan.proration == "none":
        return Fraction(1)
    period = schedule.period(0)
    return share(period.start, period.end, schedule.whole_period(0))


def credits_at(subscription: Subscription, plan: Plan, number: int) -> Decimal:
    """Credits of cadence ``number``: all of them, or the share of a short first one."""
    assert subscription.grants is not None
    part = cadence_share(plan, subscription.grants, number)
    return credits_share(credits_of(subscription, plan), part, plan.credit_scale)


def cost_at(subscription: Subscription, plan: Plan, number: int) -> Money:
    """What the credits of cadence ``number`` cost: of a short first one the share, as of the credits."""
    assert subscription.grants is not None
    return cost_of_cadence(subscription, plan).times(cadence_share(plan, subscription.grants, number))


def period_stem(subscription: Subscription, number: int) -> str:
    """What lines of billing period ``number`` are called after."""
    return f"{subscription.subscription_id}:{subscription.epoch}.{number}"


def credits_line_id(subscription: Subscription, number: int) -> str:
    """The line of what the credits of billing period ``number`` cost, whichever invoice has it."""
    return f"{period_stem(subscription, number)}:credits"


def period_charges(subscription: Subscription, plan: Plan, number: int) -> list[Charge]:
    """What billing period ``number`` costs in advance: the base fee, and the credits of its cadences."""
    period = subscription.billing.period(number)
    part = cadence_share(plan, subscription.billing, number)
    quantity = Decimal(subscription.quantity)
    charges = []
    fee = price_of(plan.base_fee, subscription, "base_fee")
    if fee is not None:
        amount = fee.of(quantity).times(part)
        charges.append(_charge(subscription, plan, number, "base_fee", plan.name, amount, quantity, period))
    if plan.credits is not None and plan.credits.prices:
        cadences = grants_in(subscription, period)
        each = cost_of_cadence(subscription, plan)
        assert subscription.grants is not None
        parts = sum((cadence_share(plan, subscription.grants, cadence) for cadence in cadences), Fraction(0))
        credits = sum((credits_at(subscription, plan, cadence) for cadence in cadences), Decimal(0))
        text = f"{credits.normalize():f} {plan.credits.credit_type}, {plan.name}"
        charges.append(
            _charge(subscription, plan, number, "credits", text, each.times(parts), credits, period)
        )
    return charges


def _charge(
    subscription: Subscription,
    plan: Plan,
    number: int,
    kind: str,
    description: str,
    amount: Money,
    quantity: Decimal,
    period: Period,
) -> Charge:
    return Charge(
        charge_id=f"{period_stem(subscription, number)}:{kind}",
        kind=kind,
        description=description,
        amount=amount,
        quantity=quantity,
        period=period,
        subscription_id=subscription.subscription_id,
        plan_key=plan.key,
    )


def cadence_grant(
    subscription: Subscription, plan: Plan, number: int, *, pending: bool, sold: Fraction
) -> tuple[Subscription, commands.CreateGrant | None]:
    """The grant of cadence ``number`` and the subscription that has it; no command where 0 are due.

    ``sold``: the share of its price that promotional money does not pay.
    """
    charge, grants = plan.credits, subscription.grants
    assert charge is not None and grants is not None
    amount = credits_at(subscription, plan, number)
    period = grants.period(number)
    own = OwnGrant(
        grant_id=grant_id(subscription.subscription_id, subscription.epoch, number),
        credit_type=charge.credit_type,
        amount=amount,
        period=period,
        expires_at=lifetime_end(grants, number, lifetime_of(charge.lifetime)),
        priority=charge.priority,
        cost=None if plan.type == "free" else cost_at(subscription, plan, number).times(sold),
        plan_key=plan.key,
    )
    kept = [
        each
        for each in subscription.own_grants
        if each.grant_id != own.grant_id and (each.expires_at is None or each.expires_at > period.start)
    ]
    held = msgspec.structs.replace(
        subscription,
        own_grants=(*kept, own),
        segments=(Segment(since=period.start, amount=amount, credit_type=charge.credit_type),),
        grant_next=max(subscription.grant_next, number + 1),
    )
    if amount <= 0:
        return held, None
    command = commands.CreateGrant(
        account=subscription.account, grant=grant_input_of(held, own, amount, pending=pending)
    )
    return held, command


def lifetime_of(lifetime: Lifetime | None) -> Interval | None:
    """A plan's or pack's lifetime as calendar steps."""
    return None if lifetime is None else Interval(lifetime.count, lifetime.unit)


_SOURCES = {"trial": "trial", "rollover": "rollover", "signup": "signup"}


def grant_input_of(
    subscription: Subscription, own: OwnGrant, amount: commands.GrantAmountLike, *, pending: bool
) -> commands.GrantInput:
    """The engine's content of a grant of this subscription."""
    cost = own.cost
    unpaid = cost is None or own.kind in ("trial", "signup")
    return commands.grant_input(
        own.grant_id,
        own.credit_type,
        amount,
        priority=own.priority,
        effective_at=own.period.start,
        expires_at=own.expires_at,
        pending=pending,
        source=_SOURCES.get(own.kind, "subscription"),
        source_reference=subscription.subscription_id,
        cost_minor=0 if cost is None else cost.minor,
        cost_currency=subscription.currency if cost else "",
        category="promotional" if unpaid else "paid",
    )
