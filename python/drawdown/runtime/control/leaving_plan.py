"""What a change of plan leaves behind: overage at the price it was used at, and the period's minimum."""

from __future__ import annotations

from datetime import datetime

import msgspec

from drawdown.billing.overage import OverageBilled
from drawdown.catalog.plan import Plan
from drawdown.model.money import total
from drawdown.runtime.control.arrears_steps import charged_in, has_overage, left_behind, overage_cut
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_steps import made_deliveries
from drawdown.runtime.control.unused_time import unused_time
from drawdown.subscriptions.arrears import (
    Arrears,
    arrears_of,
    cut_share,
    minimum_charge,
    overage_price,
    overage_type,
)
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.subscription import LeftPrice, Subscription


class Leaving(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that is left: what is billed for the time before, and how the rest is kept for later."""

    charges: list[Charge] = []
    billed: list[OverageBilled] = []
    """What stands on invoices when the charges do."""
    left_plans: tuple[str, ...] = ()
    left_prices: tuple[LeftPrice, ...] = ()
    counts_apart: bool = False
    """Overage is counted apart from now on: another price follows, or another period."""


def leave_plan(
    step: Step,
    subscription: Subscription,
    old_plan: Plan,
    changed: Subscription,
    plan: Plan,
    *,
    change_id: str,
    fresh_period: bool,
    now: datetime,
) -> Leaving:
    """What was used under the old plan is billed at its price: now where another price follows.

    Where none follows, at the period's end: until then holds and calls on their way may add to it. A period
    that the change ends is billed now, with what waits for its next invoice and the rest of its minimum.
    Nothing is written.
    """
    if fresh_period:
        return _end_period(step, subscription, old_plan, plan, change_id, now)
    priced = overage_price(changed, plan)
    charges: list[Charge] = []
    billed: list[OverageBilled] = []
    left: list[str] = []
    prices: list[LeftPrice] = []
    for each in _pricing(step, subscription, old_plan):
        if overage_type(each) != overage_type(plan):
            left.append(each.key)
        elif overage_price(subscription, each) != priced:
            cut = overage_cut(step, subscription, each, change_id, now)
            charges += [] if cut.charge is None else [cut.charge]
            billed.append(cut.billed)
            prices.append(LeftPrice(plan_key=each.key, until=now))
    return Leaving(
        charges=charges,
        billed=billed,
        left_plans=tuple(left),
        left_prices=(*subscription.left_prices, *prices),
        counts_apart=bool(prices),
    )


def _pricing(step: Step, subscription: Subscription, plan: Plan) -> list[Plan]:
    """The plans that price credits past zero of the open period, each for its credit type."""
    return [*left_behind(step, subscription, plan), *([plan] if has_overage(plan) else [])]


def _end_period(
    step: Step, subscription: Subscription, old_plan: Plan, plan: Plan, change_id: str, now: datetime
) -> Leaving:
    owed = _owed(step, subscription, old_plan, plan, change_id, now)
    pricing = _pricing(step, subscription, old_plan)
    cuts = [overage_cut(step, subscription, each, change_id, now, ends=owed) for each in pricing]
    overage = [cut.charge for cut in cuts if cut.charge is not None]
    missing = minimum_charge(owed, total([each.amount for each in overage], subscription.currency))
    return Leaving(
        charges=[
            *subscription.waiting_charges,
            *made_deliveries(step, subscription),
            *overage,
            *([] if missing is None else [missing]),
        ],
        billed=[cut.billed for cut in cuts],
        counts_apart=True,
    )


def _owed(
    step: Step, subscription: Subscription, old_plan: Plan, plan: Plan, change_id: str, now: datetime
) -> Arrears:
    """The period that ends with the change. Its minimum goes the way of its fee: where unused time is given
    back, the share of the time that ran is due, else all of it."""
    number = max(0, subscription.billing_next - 1)
    spent = charged_in(step, subscription, old_plan, number)
    unused = unused_time(step, subscription, old_plan, plan, change_id, now)
    return arrears_of(
        subscription,
        old_plan,
        number,
        until=now,
        cut=False,
        spent=spent if unused is None else [*spent, unused.amount],
        floor_share=cut_share(subscription, number, now, gives_back=plan.proration != "none"),
    )
