"""A subscription that began elsewhere goes on here: from its next edge, with what is left of its grant."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import msgspec

from drawdown import errors
from drawdown.catalog.plan import Plan
from drawdown.model.commands import CreateGrant
from drawdown.runtime.control.catalog_calls import plan_in_force
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_steps import entitle, follow_period, put_roll_job, tell
from drawdown.subscriptions.bounds import check_bounds
from drawdown.subscriptions.calendar import lifetime_end
from drawdown.subscriptions.customer import Customer
from drawdown.subscriptions.identifiers import grant_id
from drawdown.subscriptions.opening_rows import OpenSubscription
from drawdown.subscriptions.renewing import (
    check_currency,
    cost_at,
    credits_at,
    grant_input_of,
    grant_job,
    lifetime_of,
)
from drawdown.subscriptions.requests import Subscribe
from drawdown.subscriptions.starting import Start, begin_apart, check_start, lay_schedules
from drawdown.subscriptions.subscription import OwnGrant, Segment, Subscription


def check_open(step: Step, opened: OpenSubscription, customer: Customer, now: datetime) -> None:
    """Raises the fault of what cannot go on here."""
    plan = _plan_of(step, opened)
    if opened.started_at > now:
        raise errors.InvalidRequestError(
            "started_at: lies ahead; subscribe when the time comes", field="started_at"
        )
    subscription = _subscription(opened, plan, customer)
    check_bounds(subscription, plan)
    if opened.credits_left is not None:
        if plan.credits is None:
            raise errors.InvalidRequestError(
                f"credits_left: plan {plan.plan_id!r} gives no credits", field="credits_left"
            )
        if Fraction(opened.credits_left) * 10**plan.credit_scale % 1:
            raise errors.InvalidRequestError(
                f"credits_left: {opened.credits_left} has more than {plan.credit_scale} decimals",
                field="credits_left",
            )
    check_currency(subscription, plan)


def begin_open(step: Step, opened: OpenSubscription) -> Subscription:
    """It is active; the period it is in is settled elsewhere, the next one begins here."""
    account = opened.account
    plan, now = _plan_of(step, opened), step.now_of(account)
    others = step.work.subscriptions.find(account=account, live=True)
    # Of one instant the last one told is the newest, whose prices win.
    subscription = begin_apart(_subscription(opened, plan, step.customer_of(account)), others)
    step.work.subscriptions.put(subscription)
    tell(step, subscription, "created", "", plan_id=plan.plan_id)
    entitle(step, subscription)
    number = max(0, subscription.billing.number_at(now))
    if subscription.term:
        terms = number // subscription.term + 1
        ends = subscription.billing.edge(terms * subscription.term)
        subscription = msgspec.structs.replace(subscription, term_ends_at=ends)
    subscription = follow_period(step, subscription, number)
    return _go_on_granting(step, subscription, plan, opened, now)


def _plan_of(step: Step, opened: OpenSubscription) -> Plan:
    if opened.version:
        return step.work.plan(opened.plan_id, opened.version)
    return plan_in_force(step, opened.plan_id)


def _subscription(opened: OpenSubscription, plan: Plan, customer: Customer) -> Subscription:
    request = Subscribe(
        account=opened.account,
        subscription_id=opened.subscription_id,
        plan_id=opened.plan_id,
        quantity=opened.quantity,
        term=opened.term,
    )
    # One that runs goes on when its plan takes no new ones any more.
    known = msgspec.structs.replace(plan, state="published") if plan.state == "archived" else plan
    check_start(Start(request=request, plan=known, customer=customer, now=opened.started_at))
    billing, grants = lay_schedules(plan, opened.started_at, customer.time_zone)
    return Subscription(
        subscription_id=opened.subscription_id,
        account=opened.account,
        customer_id=customer.customer_id,
        plan_id=plan.plan_id,
        version=plan.version,
        quantity=opened.quantity,
        currency=opened.currency or customer.currency,
        country=customer.country,
        state="active",
        term=opened.term,
        started_at=opened.started_at,
        billing=billing,
        grants=grants,
        auto_renew=plan.auto_renew,
        payment_method=opened.payment_method or customer.payment_method,
    )


def _go_on_granting(
    step: Step, subscription: Subscription, plan: Plan, opened: OpenSubscription, now: datetime
) -> Subscription:
    """The present grant is what is left of it; the next is made at its edge."""
    if subscription.grants is None or plan.credits is None:
        return subscription
    number = max(0, subscription.grants.number_at(now))
    whole = credits_at(subscription, plan, number)
    period = subscription.grants.period(number)
    going = msgspec.structs.replace(
        subscription,
        grant_next=number + 1,
        segments=_segments(plan.credits.credit_type, period.start, whole, opened.credits_left),
    )
    job = grant_job(going, number + 1)
    assert job is not None
    step.decision.job(job)
    left = opened.credits_left
    if not left:
        return step.work.subscriptions.put(going)
    paid = plan.type != "free" and whole > 0
    cost = cost_at(subscription, plan, number).times(Fraction(left) / Fraction(whole)) if paid else None
    own = OwnGrant(
        grant_id=grant_id(subscription.subscription_id, subscription.epoch, number),
        credit_type=plan.credits.credit_type,
        amount=left,
        period=period,
        expires_at=lifetime_end(subscription.grants, number, lifetime_of(plan.credits.lifetime)),
        priority=plan.credits.priority,
        cost=cost,
        plan_key=plan.key,
    )
    going = msgspec.structs.replace(going, own_grants=(own,))
    grant = grant_input_of(going, own, left, pending=False)
    step.decision.command(going.account, CreateGrant(account=going.account, grant=grant))
    put_roll_job(step, going, own, plan)
    return step.work.subscriptions.put(going)


def _segments(credit_type: str, since: datetime, whole: Decimal, left: Decimal | None) -> tuple[Segment, ...]:
    """What the present cadence is due; before it, for no time, what was used elsewhere, if that is said."""
    due = Segment(since=since, amount=whole, credit_type=credit_type)
    used = Decimal(0) if left is None else max(Decimal(0), whole - left)
    return (Segment(since=since, amount=-used, credit_type=credit_type), due) if used else (due,)
