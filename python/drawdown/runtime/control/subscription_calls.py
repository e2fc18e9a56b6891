"""Subscribe, and read subscriptions."""

import msgspec

from drawdown import errors
from drawdown.catalog.plan import Plan
from drawdown.model.ids import check_id
from drawdown.runtime.control.catalog_calls import plan_in_force
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_services import order_service, subscription_for
from drawdown.runtime.control.subscription_steps import (
    entitle,
    give_signup,
    give_trial,
    make_grant,
    open_period,
    tell,
)
from drawdown.storage.sql.tables.subscriptions import subscription as subscription_table
from drawdown.subscriptions.bounds import check_bounds
from drawdown.subscriptions.identifiers import SIGNUP_PREFIX, lane_of, signup_id
from drawdown.subscriptions.renewing import check_currency, period_charges
from drawdown.subscriptions.requests import GetSubscription, ListSubscriptions, Subscribe, Subscriptions
from drawdown.subscriptions.starting import Start, begin, begin_last, check_start, trial_job
from drawdown.subscriptions.subscription import Subscription

PAGE_MAX = 1_000


def get_subscribed(step: Step, request: Subscribe) -> Subscription:
    """The subscription as it stands after its first steps."""
    return step.work.subscription(request.subscription_id)


@handles(Subscribe, reread=get_subscribed)
def subscribe(step: Step, request: Subscribe) -> Subscription:
    """Exactly once: the subscription, its first invoice and its first grant."""
    check_id(request.subscription_id, "subscription_id")
    customer = step.customer_of(request.account)
    step.run_now(lane_of(request.account))
    known = step.work.subscriptions.get(subscription_id=request.subscription_id)
    if not step.work.first_time(request, request.subscription_id, exists=known is not None):
        return step.work.subscription(request.subscription_id)
    _require_free_id(request)
    step.open_profile(request.account)
    plan = plan_in_force(step, request.plan_id)
    start = Start(request=request, plan=plan, customer=customer, now=step.now_of(request.account))
    check_start(start)
    begun = begin(start)
    check_bounds(begun, plan)
    subscription = begin_last(begun, step.work.subscriptions.find(account=request.account, live=True))
    _require_payment_method(subscription, plan)
    check_currency(subscription, plan)
    step.work.subscriptions.put(subscription)
    tell(step, subscription, "created", "", plan_id=plan.plan_id)
    give_signup(step, subscription, plan)
    for order in request.services:
        subscription = order_service(step, subscription, order, charge_now=False)
    if subscription.state == "trialing":
        entitle(step, subscription)
        subscription = give_trial(step, subscription, plan, start.now)
        step.decision.job(trial_job(subscription))
        return subscription
    return begin_paying(step, subscription, plan)


def _require_free_id(request: Subscribe) -> None:
    """Raises ``InvalidRequestError`` where another account is to get the id at its sign-up."""
    taken = request.subscription_id
    if taken.startswith(SIGNUP_PREFIX) and taken != signup_id(request.product_id, request.account):
        raise errors.InvalidRequestError(
            f"subscription_id: {taken!r} begins like the id of a plan given at sign-up; choose another",
            field="subscription_id",
        )


def begin_paying(step: Step, subscription: Subscription, plan: Plan) -> Subscription:
    """The first billing period and the first grant; active at once unless a payment has to come first."""
    costs = any(charge.amount.minor > 0 for charge in period_charges(subscription, plan, 0))
    waits = costs and plan.release == "on_payment"
    had_trial = subscription.state == "trialing"
    subscription = msgspec.structs.replace(subscription, state="pending" if waits else "active")
    if had_trial or not waits:
        entitle(step, subscription, plan if waits else None)
    subscription = open_period(step, subscription, plan, 0)
    subscription = make_grant(step, subscription, plan, 0)
    if not waits:
        tell(step, subscription, "activated", "", plan_id=plan.plan_id)
    return subscription


def _require_payment_method(subscription: Subscription, plan: Plan) -> None:
    """Raises ``PreconditionError`` where money will be asked for and nobody can be asked."""
    costs = any(charge.amount.minor > 0 for charge in period_charges(subscription, plan, 0))
    asks = costs and plan.type == "paid" and plan.release == "on_payment" and plan.trial is None
    if asks and not subscription.payment_method:
        raise errors.PreconditionError(
            f"plan {plan.plan_id!r} is paid: give a payment_method, or put one on the customer",
            reason="PAYMENT_METHOD_REQUIRED",
            field="payment_method",
        )


@handles(GetSubscription)
def get_subscription(step: Step, request: GetSubscription) -> Subscription:
    """Raises ``NotFoundError``."""
    return subscription_for(step, request.subscription_id)


@handles(ListSubscriptions)
def list_subscriptions(step: Step, request: ListSubscriptions) -> Subscriptions:
    """By id, those of an account if one is named."""
    table = subscription_table
    where = [table.c.subscription_id > request.after]
    if request.account:
        if not step.sees(request.account):
            return Subscriptions(subscriptions=())
        where.append(table.c.account == request.account)
    elif step.account_prefix:
        raise errors.PermissionDeniedError(
            "a credential bound to accounts names the account", field="account"
        )
    limit = min(max(request.limit, 1), PAGE_MAX)
    return Subscriptions(subscriptions=tuple(step.work.subscriptions.find(*where, limit=limit)))
