"""The steps that every subscription repeats: open a billing period, make a grant.

Both are functions of the subscription, its plan and the number of the edge; what they name follows
from those, so a step done twice is one step.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from drawdown.catalog.plan import Plan
from drawdown.catalog.pricing import Price, price_for
from drawdown.errors import PreconditionError
from drawdown.model import commands
from drawdown.model.decision import Job
from drawdown.model.money import Money, zero
from drawdown.subscriptions.calendar import Interval, Period, lifetime_end
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.identifiers import grant_id, lane_of
from drawdown.subscriptions.subscription import OwnGrant, Subscription

PERIOD_JOB = "subscription.period"
GRANT_JOB = "subscription.grant"


def price_of(prices: tuple[Price, ...], subscription: Subscription, field: str) -> Price | None:
    """The price for this customer; ``None`` where the charge has no prices at all.

    Raises ``PreconditionError`` where it has some, but none in the subscription's currency.
    """
    if not prices:
        return None
    price = price_for(prices, subscription.currency, subscription.country)
    if price is None:
        raise PreconditionError(
            f"{field}: plan {subscription.plan_id!r} has no price in {subscription.currency}",
            reason="CURRENCY_UNAVAILABLE",
            field="currency",
        )
    return price


def period_job(subscription: Subscription, number: int) -> Job:
    """The opening of a billing period, due when it starts."""
    return _job(PERIOD_JOB, subscription, number, subscription.billing.edge(number))


def grant_job(subscription: Subscription, number: int) -> Job | None:
    """The grant of a cadence, due when that starts; ``None`` for plans without credits."""
    if subscription.grants is None:
        return None
    return _job(GRANT_JOB, subscription, number, subscription.grants.edge(number))


def _job(kind: str, subscription: Subscription, number: int, due_at: datetime) -> Job:
    return Job(
        kind=kind,
        key=f"{kind}:{subscription.subscription_id}:{subscription.epoch}:{number}",
        lane=lane_of(subscription.account),
        account=subscription.account,
        due_at=due_at,
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


def period_charges(subscription: Subscription, plan: Plan, number: int) -> list[Charge]:
    """What billing period ``number`` costs in advance: the base fee, and the credits of its cadences."""
    period = subscription.billing.period(number)
    charges = []
    fee = price_of(plan.base_fee, subscription, "base_fee")
    if fee is not None:
        charges.append(
            _charge(
                subscription,
                plan,
                number,
                "base_fee",
                plan.name,
                fee.of(Decimal(subscription.quantity)),
                Decimal(subscription.quantity),
                period,
            )
        )
    if plan.credits is not None and plan.credits.prices:
        cadences = len(grants_in(subscription, period))
        each = cost_of_cadence(subscription, plan)
        amount = credits_of(subscription, plan) * cadences
        description = f"{amount.normalize():f} {plan.credits.credit_type}, {plan.name}"
        charges.append(
            _charge(subscription, plan, number, "credits", description, each.times(cadences), amount, period)
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
        charge_id=f"{subscription.subscription_id}:{subscription.epoch}.{number}:{kind}",
        kind=kind,
        description=description,
        amount=amount,
        quantity=quantity,
        period=period,
        subscription_id=subscription.subscription_id,
        plan_key=plan.key,
    )


def cadence_grant(
    subscription: Subscription, plan: Plan, number: int, *, pending: bool
) -> tuple[Subscription, commands.CreateGrant | None]:
    """The grant of cadence ``number`` and the subscription that has it; no command where 0 are due."""
    charge, grants = plan.credits, subscription.grants
    assert charge is not None and grants is not None
    lifetime = None if charge.lifetime is None else Interval(charge.lifetime.count, charge.lifetime.unit)
    own = OwnGrant(
        grant_id=grant_id(subscription.subscription_id, subscription.epoch, number),
        credit_type=charge.credit_type,
        amount=credits_of(subscription, plan),
        period=grants.period(number),
        expires_at=lifetime_end(grants, number, lifetime),
        priority=charge.priority,
        cost=None if plan.type == "free" else cost_of_cadence(subscription, plan),
    )
    held = msgspec.structs.replace(
        subscription,
        own_grants=(*(each for each in subscription.own_grants if each.grant_id != own.grant_id), own),
        grant_next=max(subscription.grant_next, number + 1),
    )
    return held, grant_command(held, own, pending=pending)


def grant_command(subscription: Subscription, own: OwnGrant, *, pending: bool) -> commands.CreateGrant:
    """The engine's command for a grant of this subscription."""
    assert own.amount is not None
    cost = own.cost
    return commands.CreateGrant(
        account=subscription.account,
        grant=commands.grant_input(
            own.grant_id,
            own.credit_type,
            own.amount,
            priority=own.priority,
            effective_at=own.period.start,
            expires_at=own.expires_at,
            pending=pending,
            source="trial" if own.kind == "trial" else "subscription",
            source_reference=subscription.subscription_id,
            cost_minor=0 if cost is None else cost.minor,
            cost_currency=subscription.currency if cost else "",
            category="promotional" if own.kind == "trial" or own.cost is None else "paid",
        ),
    )
