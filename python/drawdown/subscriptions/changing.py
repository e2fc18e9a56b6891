"""Change of plan: what becomes of the present cadence's credits, and what the change costs.

The law: no sequence of changes inside one cadence grants more than the best single plan of the
sequence would have. With *due* = the most that the policy allows the cadence in all, the new grant is
due − what the subscription's own grants of this cadence have burned, measured inside the engine's
step, and what of it was used up elsewhere before the subscription was brought here::

    new = free + (due − burned before − amount of the grant that is replaced)

    void_replace       due = the best plan's credits so far, and new ≤ the new plan's credits
    prorate            due = each plan's credits for its share of the cadence
    keep_until_expiry  nothing is voided; a grant of what the new plan has more than the best so far, and
                       where a change to another type took all there was, due as for void_replace

Credit types never pay for each other, so each counts for itself: what another type gave or burned is not
part of *due* or *burned*. A grant of another type is voided with the rest and nothing of it is carried:
the new plan's credits are a plain amount.

Only the plan's own grants of the present cadence are touched: what was bought, promotional credits and
what rolled over from earlier cadences stay.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec

from drawdown.catalog.plan import Plan
from drawdown.model import commands
from drawdown.model.credits import decimal_text
from drawdown.model.money import Money
from drawdown.model.results import Grant
from drawdown.subscriptions.calendar import Period, lifetime_end
from drawdown.subscriptions.cost_basis import change_cost
from drawdown.subscriptions.identifiers import derived
from drawdown.subscriptions.prorating import accrued
from drawdown.subscriptions.renewing import credits_at, grant_input_of, lifetime_of
from drawdown.subscriptions.subscription import OwnGrant, Segment, Subscription


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """The step on the engine, and what it comes to with the figures at hand."""

    command: commands.Command | None
    own: tuple[OwnGrant, ...]
    voided: tuple[str, ...]
    forfeits: Decimal
    """Free credits of what is voided."""
    grants: Decimal
    """Credits of what is created."""


def replacement(
    old: Subscription,
    old_plan: Plan,
    new: Subscription,
    plan: Plan,
    *,
    change_id: str,
    policy: str,
    now: datetime,
    figures: Mapping[str, Grant],
    scale: int,
    pending: bool,
    counts_anew: bool = False,
    sold: Fraction,
) -> Replacement:
    """What the change does to the credits of the present cadence.

    ``sold``: the share of what it charges that promotional money does not pay.
    ``counts_anew``: a period that begins with the change and is paid in full gives its full credits.
    ``figures`` are the subscription's grants as the engine has them now; ``new`` is the subscription on
    ``plan``, its segments including the new one.
    """
    present = _present_grants(old, now)
    wanted = cadence_credits(new, plan, now)
    live = [own for own in present if own.grant_id in figures and figures[own.grant_id].state != "voided"]
    if counts_anew:
        amounts = _Amounts(wanted, None, wanted)
    else:
        amounts = _amount(new, plan, present, live, policy, figures, scale, wanted, now)
    if policy == "keep_until_expiry":
        best = max(_amounts_in(_type_of(plan), old.segments), default=Decimal(0))
        more = amounts.estimate if _all_voided(plan, present, figures) else max(Decimal(0), wanted - best)
        return _kept(old, old_plan, new, plan, change_id, now, more, pending, sold)
    amount, adds, estimate = amounts
    created: list[tuple[OwnGrant, commands.GrantAmountLike]] = []
    if plan.credits is not None:
        replaced = [figures[own.grant_id] for own in live]
        cost = change_cost(old, old_plan, new, plan, replaced=replaced, credits=estimate, now=now, sold=sold)
        cost_of_more = cost.times(Fraction(adds) / Fraction(estimate)) if adds else cost - cost
        created = [
            (_own(new, plan, change_id, suffix, now, part), each)
            for suffix, each, part in (("", amount, cost - cost_of_more), (".more", adds, cost_of_more))
            # The engine would refuse a plain amount of 0, and the voids with it.
            if each is not None and each != 0
        ]
    elif estimate:
        estimate = Decimal(0)
    command = commands.VoidAndReplace(
        account=new.account,
        void=[own.grant_id for own in live],
        create=[grant_input_of(new, own, each, pending=pending) for own, each in created],
    )
    return Replacement(
        command=command if live or created else None,
        own=tuple(own for own, _ in created),
        voided=tuple(own.grant_id for own in live),
        forfeits=sum(
            (figures[own.grant_id].remaining - figures[own.grant_id].held for own in live), Decimal(0)
        ),
        grants=estimate,
    )


def cadence_credits(subscription: Subscription, plan: Plan, now: datetime) -> Decimal:
    """What the cadence that holds ``now`` gives under the plan."""
    if plan.credits is None or subscription.grants is None:
        return Decimal(0)
    return credits_at(subscription, plan, max(0, subscription.grants.number_at(now)))


def _present_grants(subscription: Subscription, now: datetime) -> list[OwnGrant]:
    """The plan's own grants of the cadence that holds ``now``, oldest first."""
    return [own for own in subscription.own_grants if own.kind == "plan" and own.period.holds(now)]


class _Amounts(NamedTuple):
    """The new amount, a fixed part where one form cannot say it, and what both come to now."""

    amount: commands.GrantAmountLike | None
    more: Decimal | None
    estimate: Decimal


def _amount(
    new: Subscription,
    plan: Plan,
    present: Sequence[OwnGrant],
    live: Sequence[OwnGrant],
    policy: str,
    figures: Mapping[str, Grant],
    scale: int,
    wanted: Decimal,
    now: datetime,
) -> "_Amounts":
    """The new amount as a formula (and a fixed part where one form cannot say it), and its value now."""
    if policy == "prorate" and present:
        # Of the whole cadence, whose first part may be a grant that an earlier change took.
        due, cap = accrued(_segments_in(_type_of(plan), new.segments), _cadence_at(new, now), scale), None
    else:
        due, cap = max(_amounts_in(_type_of(plan), new.segments), default=wanted), wanted
    present = [own for own in present if own.credit_type == _type_of(plan)]
    live = [own for own in live if own.credit_type == _type_of(plan)]
    burned = sum((_burned(figures.get(own.grant_id)) for own in present if own not in live), Decimal(0))
    burned += _used_elsewhere(_type_of(plan), new.segments)
    if not live:
        fixed = max(Decimal(0), due - burned)
        fixed = fixed if cap is None else min(cap, fixed)
        return _Amounts(fixed, None, fixed)
    last = live[-1]
    figure = figures[last.grant_id]
    others = sum((_burned(figures[own.grant_id]) for own in live[:-1]), Decimal(0))
    adds = due - burned - others - figure.amount
    free = figure.remaining - figure.held
    estimate = max(Decimal(0), free + adds)
    if cap is None or due <= cap:
        return _Amounts(_plus(last, adds), None, estimate)
    if adds <= 0:
        # Corrections may have burned more than was given: the formula that subtracts stays below the cap
        # whenever the cap is what the replaced grant was.
        below = _plus(last, adds) if figure.amount + adds <= cap else _at_most(last, cap)
        return _Amounts(below, None, min(cap, estimate))

    if adds >= cap:
        return _Amounts(cap, None, cap)
    return _Amounts(_at_most(last, cap - adds), adds, min(cap, estimate))


def _type_of(plan: Plan) -> str:
    return "" if plan.credits is None else plan.credits.credit_type


def _amounts_in(credit_type: str, segments: Sequence[Segment]) -> list[Decimal]:
    return [each.amount for each in segments if each.credit_type == credit_type and each.amount >= 0]


def _used_elsewhere(credit_type: str, segments: Sequence[Segment]) -> Decimal:
    """What of the present cadence was used up before the subscription was brought here."""
    used = (-each.amount for each in segments if each.credit_type == credit_type and each.amount < 0)
    return sum(used, Decimal(0))


def _segments_in(credit_type: str, segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """The same stretches of time; those of another credit type are due nothing."""
    return tuple(
        each if each.credit_type == credit_type else msgspec.structs.replace(each, amount=Decimal(0))
        for each in segments
    )


def _all_voided(plan: Plan, present: Sequence[OwnGrant], figures: Mapping[str, Grant]) -> bool:
    """Whether there is nothing to keep in the plan's type: a change to another one took what there was."""
    own = [figures.get(each.grant_id) for each in present if each.credit_type == _type_of(plan)]
    return bool(own) and all(each is not None and each.state == "voided" for each in own)


def _cadence_at(subscription: Subscription, now: datetime) -> Period:
    assert subscription.grants is not None
    return subscription.grants.period(max(0, subscription.grants.number_at(now)))


def _burned(figure: Grant | None) -> Decimal:
    """What is used up of a grant: what was carried into its successor is not."""
    return Decimal(0) if figure is None else figure.burned + figure.held


def _plus(own: OwnGrant, adds: Decimal) -> commands.Formula:
    return commands.Formula(of=own.grant_id, minus=decimal_text(-adds))


def _at_most(own: OwnGrant, amount: Decimal) -> commands.Formula:
    return commands.Formula(of=own.grant_id, min=decimal_text(amount))


def _own(new: Subscription, plan: Plan, change_id: str, suffix: str, now: datetime, cost: Money) -> OwnGrant:
    charge, grants = plan.credits, new.grants
    assert charge is not None and grants is not None
    number = max(0, grants.number_at(now))
    period = grants.period(number)
    return OwnGrant(
        grant_id=derived("sub", new.subscription_id, f"change.{change_id}{suffix}"),
        credit_type=charge.credit_type,
        amount=None,
        period=Period(start=max(now, period.start), end=period.end),
        expires_at=lifetime_end(grants, number, lifetime_of(charge.lifetime)),
        priority=charge.priority,
        cost=cost,
        plan_key=plan.key,
    )


def _kept(
    old: Subscription,
    old_plan: Plan,
    new: Subscription,
    plan: Plan,
    change_id: str,
    now: datetime,
    more: Decimal,
    pending: bool,
    sold: Fraction,
) -> Replacement:
    """The old grants stay to their end; what the new plan has beyond the best so far is added."""
    if plan.credits is None or more <= 0:
        return Replacement(command=None, own=(), voided=(), forfeits=Decimal(0), grants=Decimal(0))
    cost = change_cost(old, old_plan, new, plan, replaced=(), credits=more, now=now, sold=sold)
    own = _own(new, plan, change_id, "", now, cost)
    command = commands.CreateGrant(account=new.account, grant=grant_input_of(new, own, more, pending=pending))
    return Replacement(command=command, own=(own,), voided=(), forfeits=Decimal(0), grants=more)


def with_segment(subscription: Subscription, plan: Plan, now: datetime) -> Subscription:
    """From ``now`` on the present cadence is due what ``plan`` gives."""
    amount = cadence_credits(subscription, plan, now)
    segment = Segment(since=now, amount=amount, credit_type=_type_of(plan))
    return msgspec.structs.replace(subscription, segments=(*subscription.segments, segment))


def with_named_segments(subscription: Subscription, plan: Plan) -> Subscription:
    """Segments that were written without a credit type have that of ``plan``, the subscription's own."""
    named = (
        each if each.credit_type else msgspec.structs.replace(each, credit_type=_type_of(plan))
        for each in subscription.segments
    )
    return msgspec.structs.replace(subscription, segments=tuple(named))
