"""Rollover: what is left of an expiring grant becomes a new one, within the plan's caps.

Decided at ``expires_at``: the remainder has left the balance and is not booked as breakage yet. The
amount is a formula over what is free then, so a use that arrives late is counted once. Where several grants
expire at one instant the caps are those of all of them together: what rolls on and on never grows beyond.

A grant keeps the caps of the plan that gave it, whatever the subscription is on by then; so does what it
rolls into. Only ``min``, which is more than was given, is the present plan's alone.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from drawdown.catalog.plan import Plan, Rollover
from drawdown.model import commands
from drawdown.model.credits import decimal_text
from drawdown.model.decision import Job
from drawdown.model.money import Money
from drawdown.subscriptions.calendar import Period, Schedule, cadences_in, lifetime_end
from drawdown.subscriptions.calendar import step as calendar_step
from drawdown.subscriptions.identifiers import derived, lane_of
from drawdown.subscriptions.prorating import credits_rounded, credits_share
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


class Remainder(NamedTuple):
    """A grant that expires, as the engine has it at that instant."""

    own: OwnGrant
    amount: Decimal
    remaining: Decimal
    """Free: what a reservation holds stays with it."""


def expiring_with(subscription: Subscription, own: OwnGrant) -> list[OwnGrant]:
    """The grants of its plan whose remainders roll with this one's: the caps hold for all of them."""
    return [
        each
        for each in subscription.own_grants
        if each.kind in ("plan", "rollover")
        and (each.expires_at, each.credit_type, each.plan_key)
        == (own.expires_at, own.credit_type, own.plan_key)
    ]


def rolled(
    subscription: Subscription, plan: Plan, remainders: Sequence[Remainder]
) -> tuple[list[commands.Command], list[OwnGrant]]:
    """The steps that roll the grants of one instant over, oldest first, and what they are from then on.

    ``plan`` gave them all.
    """
    charge, schedule = plan.credits, subscription.grants or subscription.billing
    assert charge is not None and charge.rollover is not None
    rules = _within_scale(charge.rollover, plan.credit_scale)
    steps: list[commands.Command] = []
    successors: list[OwnGrant] = []
    total = Decimal(0)
    for own, amount, remaining in remainders:
        left = None if rules.amount is None else rules.amount - total
        if left == 0 or (rules.times is not None and own.rolled >= rules.times):
            # It expires like any other.
            continue
        most = _most(rules, left, remaining, plan.credit_scale)
        successor = _with_cost(_successor(subscription, own, schedule, plan), own, amount, most)
        formula = _formula(own, rules, left, remaining)
        steps.append(
            commands.VoidAndReplace(
                account=subscription.account,
                void=[own.grant_id],
                create=[grant_input_of(subscription, successor, formula, pending=False)],
            )
        )
        total += most
        if most > 0:
            successors.append(successor)
    if rules.min is not None and rules.min > total and plan.key == subscription.plan_key:
        first = _successor(subscription, remainders[0].own, schedule, plan)
        step, extra = _extra(subscription, first, rules.min - total)
        steps.append(step)
        successors.append(extra)
    return steps, successors


def _within_scale(rules: Rollover, scale: int) -> Rollover:
    """The caps as the engine takes them: plans from before these were checked may say more digits."""
    amount, least = (
        None if each is None else credits_share(each, Fraction(1), scale)
        for each in (rules.amount, rules.min)
    )
    return msgspec.structs.replace(rules, amount=amount, min=least)


def _most(rules: Rollover, left: Decimal | None, remaining: Decimal, scale: int) -> Decimal:
    """min(every cap, remaining) as the engine computes it; ``left`` is what the amount allows after the
    grants before this one."""
    most = remaining if rules.fraction is None else credits_rounded(remaining, rules.fraction, scale)
    return most if left is None else min(most, left)


def _formula(own: OwnGrant, rules: Rollover, left: Decimal | None, remaining: Decimal) -> commands.Formula:
    """The cap that binds, as the engine computes it."""
    if rules.fraction is not None and (left is None or remaining * rules.fraction <= left):
        return commands.Formula(of=own.grant_id, fraction=decimal_text(rules.fraction))
    if left is not None:
        return commands.Formula(of=own.grant_id, min=decimal_text(left))
    return commands.Formula(of=own.grant_id, minus="0")


def _successor(subscription: Subscription, own: OwnGrant, schedule: Schedule, plan: Plan) -> OwnGrant:
    assert own.expires_at is not None and plan.credits is not None
    number = max(0, schedule.number_at(own.expires_at))
    lifetime = lifetime_of(plan.credits.lifetime)
    at_edge = schedule.edge(number) == own.expires_at
    if lifetime is None or at_edge or cadences_in(schedule, lifetime):
        expires_at = lifetime_end(schedule, number, lifetime)
    else:
        # Counted from the edge before, it would be over too early, or at once.
        expires_at = calendar_step(own.expires_at, 1, lifetime, schedule.zone)
    return OwnGrant(
        grant_id=derived("sub", subscription.subscription_id, "roll", own.grant_id),
        credit_type=own.credit_type,
        amount=None,
        period=Period(start=own.expires_at, end=schedule.edge(number + 1)),
        expires_at=expires_at,
        priority=own.priority,
        kind="rollover",
        rolled=own.rolled + 1,
        plan_key=plan.key,
    )


def _with_cost(successor: OwnGrant, own: OwnGrant, amount: Decimal, most: Decimal) -> OwnGrant:
    """The cost basis goes with the credits, in proportion."""
    if own.cost is None or amount <= 0:
        return successor
    minor = own.cost.times(Fraction(most) / Fraction(amount)).minor
    return msgspec.structs.replace(successor, cost=Money(minor, own.cost.currency))


def _extra(
    subscription: Subscription, successor: OwnGrant, credits: Decimal
) -> tuple[commands.Command, OwnGrant]:
    """What ``min`` adds beyond the remainders is a promotional grant of its own."""
    grant_id = derived("sub", subscription.subscription_id, "roll.min", successor.grant_id)
    extra = msgspec.structs.replace(successor, grant_id=grant_id, cost=None)
    grant = grant_input_of(subscription, extra, credits, pending=False)
    return commands.CreateGrant(account=subscription.account, grant=grant), extra
