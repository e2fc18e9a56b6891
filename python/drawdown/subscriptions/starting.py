"""How a subscription begins."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from drawdown.catalog.plan import Plan, Trial
from drawdown.errors import InvalidRequestError, PreconditionError
from drawdown.model.decision import Job
from drawdown.model.request import Value
from drawdown.subscriptions.calendar import MONTHLY, Interval, Schedule, first_of_next_month, step
from drawdown.subscriptions.customer import Customer
from drawdown.subscriptions.identifiers import lane_of
from drawdown.subscriptions.requests import Subscribe
from drawdown.subscriptions.subscription import Subscription, schedules_from

QUANTITY_MAX = 1_000_000_000
TRIAL_JOB = "subscription.trial_end"
# More than a microsecond for each that an import may have.
_KEPT_APART: Final = timedelta(seconds=1)


class Start(Value, frozen=True):
    """What subscribing is decided from."""

    request: Subscribe
    plan: Plan
    customer: Customer
    now: datetime


def check_start(start: Start) -> None:
    """Whether the account may begin on this plan.

    Raises ``InvalidRequestError`` or ``PreconditionError`` naming the field.
    """
    request, plan = start.request, start.plan
    if plan.state != "published":
        raise PreconditionError(
            f"plan {plan.plan_id!r} is {plan.state}; only a published plan can be subscribed to",
            reason="PLAN_NOT_PUBLISHED",
            field="plan_id",
        )
    if request.product_id and request.product_id != plan.product_id:
        raise PreconditionError(
            f"plan {plan.plan_id!r} belongs to product {plan.product_id!r}, not {request.product_id!r}",
            reason="PLAN_OF_ANOTHER_PRODUCT",
            field="product_id",
        )
    if not 0 <= request.term <= 1_200:
        raise InvalidRequestError("term: 0–1200 billing periods", field="term")
    if not 1 <= request.quantity <= QUANTITY_MAX:
        raise InvalidRequestError(f"quantity: 1–{QUANTITY_MAX}", field="quantity")


def begin(start: Start) -> Subscription:
    """The subscription as it begins; its schedules are laid, nothing has run yet."""
    request, plan, customer = start.request, start.plan, start.customer
    trial = plan.trial
    begins = start.now if trial is None else _after_trial(start, trial)
    billing, grants = lay_schedules(plan, begins, customer.time_zone)
    return Subscription(
        subscription_id=request.subscription_id,
        account=request.account,
        customer_id=customer.customer_id,
        plan_id=plan.plan_id,
        version=plan.version,
        quantity=request.quantity,
        currency=request.currency or customer.currency,
        country=customer.country,
        state="active" if trial is None else "trialing",
        term=request.term,
        term_ends_at=billing.edge(request.term) if request.term else None,
        started_at=start.now,
        billing=billing,
        grants=grants,
        trial_ends_at=None if trial is None else begins,
        auto_renew=plan.auto_renew,
        payment_method=request.payment_method or customer.payment_method,
    )


def _after_trial(start: Start, trial: Trial) -> datetime:
    """Days of the customer's calendar: a change of clocks makes none of them part of a month."""
    return step(start.now, trial.days, Interval(1, "day"), start.customer.time_zone)


def begin_last(subscription: Subscription, others: Iterable[Subscription]) -> Subscription:
    """The newest of its account, also where a test clock stood still since another one began."""
    latest = max((each.started_at for each in others), default=None)
    if latest is None or latest < subscription.started_at:
        return subscription
    return msgspec.structs.replace(subscription, started_at=latest + timedelta(microseconds=1))


def begin_apart(subscription: Subscription, others: Iterable[Subscription]) -> Subscription:
    """Newer than those of its account that began at the same instant, and than no other."""
    taken = {each.started_at for each in others}
    started_at = subscription.started_at
    while started_at in taken:
        started_at += timedelta(microseconds=1)
    return msgspec.structs.replace(subscription, started_at=started_at)


def has_begun_at(subscription: Subscription, instant: datetime) -> bool:
    """Whether it is said to have begun then, whatever keeps it apart from others of that instant."""
    return timedelta() <= subscription.started_at - instant < _KEPT_APART


def lay_schedules(plan: Plan, start: datetime, zone: str) -> tuple[Schedule, Schedule | None]:
    """The schedules of a plan from ``start`` on, by its anchor rule."""
    anchor = first_of_next_month(start, zone) if plan.anchor == "first_of_month" else start
    return schedules_from(plan, start, zone, anchor)


def with_term_on(subscription: Subscription, billing: Schedule) -> Subscription:
    """The subscription with its term in the periods of ``billing``, which follows its schedule.

    Laying it anew lengthens no term. After a pause or an unpaid period the periods that were left of it are
    ahead still; one that was over is followed by another. In a rhythm of another length it ends where it
    would have, with the period that is then open, and every later one is as long as was agreed on.
    """
    if subscription.term_ends_at is None:
        return subscription
    restated = _restated(subscription, billing)
    over_since = subscription.billing.edge(subscription.billing_next)
    rested = max(timedelta(0), billing.start - over_since)
    ends_at, agreed_end = subscription.term_ends_at, _agreed_end(subscription)
    if rested and billing.interval == subscription.billing.interval:
        left = subscription.billing.number_at(ends_at) - subscription.billing_next
        if left > 0:
            agreed_end = _whole_periods_on(billing, 0, left) - (ends_at - agreed_end)
            ends_at = _edge_from(billing, agreed_end) if _begins_short(billing) else billing.edge(left)
            return _ending(restated, ends_at, agreed_end)
    elif ends_at + rested > billing.start:
        agreed_end += rested
        return _ending(restated, _edge_from(billing, agreed_end), agreed_end)
    return with_term_from(msgspec.structs.replace(restated, billing=billing), 0)


def with_term_from(subscription: Subscription, number: int) -> Subscription:
    """The subscription with a term that begins with its billing period ``number``, as long as was agreed on.

    It ends with a period: where the first is short, with the one that the agreed end lies in.
    """
    billing = subscription.billing
    agreed_end = _whole_periods_on(billing, number, subscription.term)
    if subscription.term_months:
        agreed_end = step(billing.edge(number), subscription.term_months, MONTHLY, billing.zone)
    return _ending(subscription, _edge_from(billing, agreed_end), agreed_end)


def _begins_short(billing: Schedule) -> bool:
    return billing.anchor > billing.start


def _whole_periods_on(billing: Schedule, number: int, count: int) -> datetime:
    """So many whole periods after the edge ``number``: a short first one is none of them."""
    if number == 0 and _begins_short(billing):
        return step(billing.start, count, billing.interval, billing.zone)
    return billing.edge(number + count)


def _agreed_end(subscription: Subscription) -> datetime:
    """Where its term ends but for the rest of a period of another length."""
    assert subscription.term_ends_at is not None
    return subscription.term_agreed_end or subscription.term_ends_at


def _ending(subscription: Subscription, ends_at: datetime, agreed_end: datetime) -> Subscription:
    return msgspec.structs.replace(
        subscription, term_ends_at=ends_at, term_agreed_end=None if agreed_end == ends_at else agreed_end
    )


def _restated(subscription: Subscription, billing: Schedule) -> Subscription:
    """A term is a length of time: so many periods of another length, the last one begun is a whole one."""
    before, after = subscription.billing.interval.as_months(), billing.interval.as_months()
    if before is None or after is None or before == after:
        return subscription
    months = subscription.term_months or subscription.term * before
    return msgspec.structs.replace(
        subscription, term=-(-months // after), term_months=months if months % after else 0
    )


def _edge_from(billing: Schedule, instant: datetime) -> datetime:
    """The first edge at or after ``instant`` that ends a period."""
    number = max(0, billing.number_at(instant))
    return billing.edge(number if number and billing.edge(number) == instant else number + 1)


def trial_job(subscription: Subscription) -> Job:
    """The end of the trial."""
    assert subscription.trial_ends_at is not None
    return Job(
        kind=TRIAL_JOB,
        key=f"{TRIAL_JOB}:{subscription.subscription_id}",
        lane=lane_of(subscription.account),
        account=subscription.account,
        due_at=subscription.trial_ends_at,
        rank=20,
        payload={"subscription_id": subscription.subscription_id},
    )
