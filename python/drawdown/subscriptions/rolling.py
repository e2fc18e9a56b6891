"""Rollover: what is left of an expiring grant becomes a new one, within the plan's caps.

Decided at ``expires_at``: the remainder has left the balance and is not booked as breakage yet. The
amount is a formula over what is free then, so a use that arrives late is counted once.
"""

from decimal import Decimal
from fractions import Fraction

import msgspec

from drawdown.catalog.plan import Plan, Rollover
from drawdown.model import commands
from drawdown.model.credits import decimal_text
from drawdown.model.decision import Job
from drawdown.model.money import Money
from drawdown.subscriptions.calendar import Period, Schedule, lifetime_end
from drawdown.subscriptions.identifiers import derived, lane_of
from drawdown.subscriptions.renewing import grant_input_of, lifetime_of
from drawdown.subscriptions.subscription import OwnGrant, Subscription

ROLL_JOB = "subscription.roll"


def roll_job(subscription: Subscription, own: OwnGrant, plan: Plan) -> Job | None:
    """The look at what is left, due when the grant expires; ``None`` where nothing rolls."""
    if plan.credits is None or plan.credits.rollover is None or own.expires_at is None:
        return None
    return Job(
        kind=ROLL_JOB,
        key=f"{ROLL_JOB}:{subscription.subscription_id}:{own.grant_id}",
        lane=lane_of(subscription.account),
        account=subscription.account,
        due_at=own.expires_at,
        rank=10,
        payload={"subscription_id": subscription.subscription_id, "grant_id": own.grant_id},
    )


def rolled(
    subscription: Subscription, plan: Plan, own: OwnGrant, *, amount: Decimal, remaining: Decimal
) -> tuple[list[commands.Command], list[OwnGrant]]:
    """The step that rolls ``own`` over; ``amount`` is what it was, ``remaining`` what it has free now."""
    charge, schedule = plan.credits, subscription.grants
    assert charge is not None and charge.rollover is not None and schedule is not None
    assert own.expires_at is not None
    rules = charge.rollover
    successor = _successor(subscription, own, schedule, plan)
    if rules.times is not None and own.rolled >= rules.times:
        return _top_up(subscription, successor, rules, Decimal(0))
    most = _most(rules, remaining)
    successor = _with_cost(successor, own, amount, most)
    step = commands.VoidAndReplace(
        account=subscription.account,
        void=[own.grant_id],
        create=[grant_input_of(subscription, successor, _formula(own, rules, remaining), pending=False)],
    )
    more, extra = _top_up(subscription, successor, rules, most)
    return [step, *more], [successor, *extra] if most > 0 else extra


def _most(rules: Rollover, remaining: Decimal) -> Decimal:
    """min(every cap, remaining)."""
    most = remaining
    if rules.fraction is not None:
        most = remaining * rules.fraction
    if rules.amount is not None:
        most = min(most, rules.amount)
    return most


def _formula(own: OwnGrant, rules: Rollover, remaining: Decimal) -> commands.Formula:
    """The cap that binds, as the engine computes it."""
    if rules.fraction is not None and (rules.amount is None or remaining * rules.fraction <= rules.amount):
        return commands.Formula(of=own.grant_id, fraction=decimal_text(rules.fraction))
    if rules.amount is not None:
        return commands.Formula(of=own.grant_id, min=decimal_text(rules.amount))
    return commands.Formula(of=own.grant_id, minus="0")


def _successor(subscription: Subscription, own: OwnGrant, schedule: Schedule, plan: Plan) -> OwnGrant:
    assert own.expires_at is not None and plan.credits is not None
    number = max(0, schedule.number_at(own.expires_at))
    return OwnGrant(
        grant_id=derived("sub", subscription.subscription_id, "roll", own.grant_id),
        credit_type=own.credit_type,
        amount=None,
        period=Period(start=own.expires_at, end=schedule.edge(number + 1)),
        expires_at=lifetime_end(schedule, number, lifetime_of(plan.credits.lifetime)),
        priority=own.priority,
        kind="rollover",
        rolled=own.rolled + 1,
    )


def _with_cost(successor: OwnGrant, own: OwnGrant, amount: Decimal, most: Decimal) -> OwnGrant:
    """The cost basis goes with the credits, in proportion."""
    if own.cost is None or amount <= 0:
        return successor
    minor = own.cost.times(Fraction(most) / Fraction(amount)).minor
    return msgspec.structs.replace(successor, cost=Money(minor, own.cost.currency))


def _top_up(
    subscription: Subscription, successor: OwnGrant, rules: Rollover, most: Decimal
) -> tuple[list[commands.Command], list[OwnGrant]]:
    """What ``min`` adds beyond the remainder is a promotional grant of its own."""
    if rules.min is None or rules.min <= most:
        return [], []
    extra = msgspec.structs.replace(successor, grant_id=f"{successor.grant_id}.min", cost=None)
    command = commands.CreateGrant(
        account=subscription.account,
        grant=grant_input_of(subscription, extra, rules.min - most, pending=False),
    )
    return [command], [extra]
