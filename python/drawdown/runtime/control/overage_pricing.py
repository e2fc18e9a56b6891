"""Which subscription of an account prices credits past zero, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from drawdown.billing.overage import OverageBilled, PricedSince
from drawdown.catalog.plan import Plan
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.arrears import overage_type
from drawdown.subscriptions.entitling import newest_first, pricing_past_zero
from drawdown.subscriptions.subscription import Subscription


def follow_pricing(
    step: Step,
    subscription: Subscription,
    served: Sequence[tuple[Subscription, Plan]],
    left: Plan | None = None,
) -> dict[str, datetime]:
    """Whoever prices credits past zero from now on is put down, so that what was counted before stays with
    the one that did. Answers since when overage is counted apart, by credit type, where another prices it.

    ``served`` is what entitles the account, newest first; ``subscription`` the one that changes, with the
    plan that it ``left``.
    """
    account = subscription.account
    pricing = pricing_past_zero(served)
    if not subscription.live and left is not None and overage_type(left):
        pricing.setdefault(overage_type(left), "")
    moment = subscription.ended_at or step.now_of(account)
    apart: dict[str, datetime] = {}
    for credit_type, pricer in pricing.items():
        if not pricer and subscription.live:
            # It serves nothing past zero for now: what holds add all the same is the last one's.
            continue
        known = step.work.overage_billed.get(account=account, credit_type=credit_type)
        billed = known or OverageBilled(account=account, credit_type=credit_type)
        priced = billed.priced or _so_far(subscription, served, credit_type, pricer)
        last = priced[-1].subscription_id
        if last != pricer and (pricer or last == subscription.subscription_id):
            priced = (*priced, PricedSince(subscription_id=pricer, since=moment))
            apart |= {credit_type: moment} if pricer else {}
        if priced != billed.priced:
            step.work.overage_billed.put(msgspec.structs.replace(billed, priced=priced))
    return apart


def _so_far(
    subscription: Subscription, served: Sequence[tuple[Subscription, Plan]], credit_type: str, pricer: str
) -> tuple[PricedSince, ...]:
    """Where it was never put down: whoever priced it without ``subscription``, or until that ended."""
    others = [
        each
        for each, plan in served
        if overage_type(plan) == credit_type and each.subscription_id != subscription.subscription_id
    ]
    before = pricer
    if subscription.live and pricer == subscription.subscription_id and others:
        before = others[0].subscription_id
    elif not subscription.live and _was_charged(subscription):
        newest = newest_first([subscription, *others])[0]
        before = newest.subscription_id
    return (PricedSince(subscription_id=before),)


def _was_charged(ended: Subscription) -> bool:
    assert ended.ended_at is not None
    return ended.trial_ends_at is None or ended.trial_ends_at < ended.ended_at
