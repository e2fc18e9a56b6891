"""What happens to subscriptions by calendar, and when their invoices are paid or not."""

from datetime import datetime, timedelta

import msgspec

from drawdown.billing.invoice import Invoice
from drawdown.catalog.plan import Plan, version_of
from drawdown.runtime.control.arrears_steps import arrears
from drawdown.runtime.control.bringing import bring_invoices, bring_renewals
from drawdown.runtime.control.invoicing import invoice_of_period
from drawdown.runtime.control.late_change import go_on_with_change
from drawdown.runtime.control.past_due import fall_behind, go_on_settled, leave_unpaid_period
from drawdown.runtime.control.registry import carries_out
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_calls import begin_paying
from drawdown.runtime.control.subscription_changes import drop_change
from drawdown.runtime.control.subscription_hooks import PAID_JOB, UNPAID_JOB
from drawdown.runtime.control.subscription_lifecycle import begin_anew, end, is_over, on_planned_plan
from drawdown.runtime.control.subscription_steps import (
    entitle,
    follow_services,
    make_grant,
    open_period,
    plan_of,
    put_roll_job,
    tell,
    tell_edges,
)
from drawdown.storage.sql.jobs import StoredJob
from drawdown.subscriptions.arrears import Arrears
from drawdown.subscriptions.change_price import same_rhythm
from drawdown.subscriptions.renewing import GRANT_JOB, PERIOD_JOB, grant_job, period_charges
from drawdown.subscriptions.rolling import ROLL_JOB, Remainder, expiring_with, rolled
from drawdown.subscriptions.servicing import extended
from drawdown.subscriptions.starting import TRIAL_JOB, with_term_from
from drawdown.subscriptions.subscription import Subscription


def _subject(step: Step, job: StoredJob) -> Subscription | None:
    """The subscription if the job still concerns it: schedules laid anew leave older jobs without work."""
    subscription = step.work.subscription(job.payload["subscription_id"])
    if subscription.epoch != job.payload["epoch"] or not subscription.live:
        return None
    return subscription


@carries_out(PERIOD_JOB, bring=bring_renewals)
def open_next_period(step: Step, job: StoredJob, _: object) -> None:
    """A renewal, or the end."""
    subscription = _subject(step, job)
    if subscription is None:
        return
    number, edge = job.payload["number"], job.due_at
    if subscription.state == "pending":
        subscription = _as_paid(step, subscription, edge)
    if subscription.state == "pending" or is_over(step, subscription, edge):
        # What was never paid for in its whole first period does not go on.
        end(step, subscription, edge)
        return
    if subscription.state == "paused":
        return
    if subscription.state == "past_due":
        leave_unpaid_period(step, subscription, edge)
        return
    owed = arrears(step, subscription, plan_of(step, subscription), number - 1, edge)
    waiting = (*subscription.waiting_charges, *owed.charges)
    subscription = msgspec.structs.replace(
        subscription, waiting_charges=waiting, left_plans=(), left_prices=()
    )
    subscription = _with_term(step, subscription, number, edge)
    planned = subscription.planned_change
    if planned is not None and not planned.invoice_id:
        _change_at_edge(step, subscription, number, edge, owed.arrears)
        return
    open_period(step, subscription, plan_of(step, subscription), number, owed.arrears)
    tell(step, subscription, "renewed", f"{subscription.epoch}.{number}", period=number)


def _with_term(step: Step, subscription: Subscription, number: int, edge: datetime) -> Subscription:
    """A term that is over is followed by another, and its services go on with it."""
    old_end = subscription.term_ends_at
    if old_end is None or old_end > edge:
        return subscription
    renewed = with_term_from(subscription, number)
    assert renewed.term_ends_at is not None
    renewed = extended(renewed, old_end, renewed.term_ends_at)
    follow_services(step, renewed, edge)
    return renewed


def _change_at_edge(
    step: Step, subscription: Subscription, number: int, edge: datetime, owed: tuple[Arrears, ...]
) -> None:
    """The planned plan from this edge on; with another rhythm its schedules begin here."""
    planned = subscription.planned_change
    assert planned is not None
    old_plan = plan_of(step, subscription)
    plan = step.work.plan(planned.plan_id, planned.version)
    changed = on_planned_plan(step, subscription, planned)
    if same_rhythm(old_plan, plan):
        open_period(step, changed, plan, number, owed)
    else:
        begin_anew(step, changed, plan, edge, owed)


@carries_out(GRANT_JOB, bring=bring_renewals)
def make_next_grant(step: Step, job: StoredJob, _: object) -> None:
    """The next cadence's credits; none while it is paused, nor past a period that nobody paid for.

    What a resumption made before this job's turn is not made again.
    """
    subscription = _subject(step, job)
    if subscription is None:
        return
    number = job.payload["number"]
    is_unpaid = subscription.state in ("pending", "past_due")
    waits_on = is_unpaid and subscription.has_period_at(job.due_at)
    if number >= subscription.grant_next and (subscription.state == "active" or waits_on):
        make_grant(step, subscription, plan_of(step, subscription), number)
        return
    following = grant_job(subscription, number + 1)
    if following is not None:
        step.decision.job(following)


@carries_out(ROLL_JOB)
def roll_over(step: Step, job: StoredJob, _: object) -> None:
    """What is left of an expired grant rolls, within the caps of the plan that gave it."""
    subscription = step.work.subscription(job.payload["subscription_id"])
    own = next((each for each in subscription.own_grants if each.grant_id == job.payload["grant_id"]), None)
    if own is None or not subscription.is_served:
        return
    if own.expires_at is not None and own.expires_at > job.due_at:
        # It was paid for late, and expires later.
        return
    plan = step.work.plan(*version_of(own.plan_key or subscription.plan_key))
    if plan.credits is None or plan.credits.rollover is None:
        return
    together = expiring_with(subscription, own)
    figures = {each.grant_id: each for each in step.engine.grants(subscription.account)}
    remainders = [
        Remainder(each, figure.amount, figure.remaining - figure.held)
        for each in together
        if (figure := figures.get(each.grant_id)) is not None and figure.state not in ("voided", "pending")
    ]
    if not remainders:
        return
    commands, successors = rolled(subscription, plan, remainders)
    for command in commands:
        step.decision.command(subscription.account, command)
    kept = [each for each in subscription.own_grants if each not in together]
    subscription = step.work.subscriptions.put(
        msgspec.structs.replace(subscription, own_grants=(*kept, *successors))
    )
    for successor in successors:
        put_roll_job(step, subscription, successor, plan)


@carries_out(TRIAL_JOB)
def end_trial(step: Step, job: StoredJob, _: object) -> None:
    """The trial is over: into the paid subscription, or out."""
    subscription = step.work.subscription(job.payload["subscription_id"])
    if subscription.state != "trialing":
        return
    plan = plan_of(step, subscription)
    if subscription.ends_at is not None and subscription.ends_at <= job.due_at:
        end(step, subscription, job.due_at)
        return
    if not _converts(subscription, plan):
        end(step, subscription, job.due_at)
        return
    tell(step, subscription, "converted", "", plan_id=plan.plan_id)
    begin_paying(step, subscription, plan)


def _converts(subscription: Subscription, plan: Plan) -> bool:
    """By the plan's rule, and only where there is a way to be paid.

    A plan without a trial of its own was changed to in the midst of one: it is wanted.
    """
    if plan.trial is not None and plan.trial.end == "end":
        return False
    costs = any(charge.amount.minor > 0 for charge in period_charges(subscription, plan, 0))
    return bool(subscription.payment_method) or not costs or plan.release != "on_payment"


@carries_out(PAID_JOB, bring=bring_invoices)
def go_on_paid(step: Step, job: StoredJob, _: object) -> None:
    """What waited for this invoice happens: the first activation, or a change."""
    subscription = step.work.subscription(job.payload["subscription_id"])
    if subscription.state == "pending" and not _waits_elsewhere(step, subscription, job):
        subscription = _activated(step, subscription)
    if subscription.unpaid_invoice_id == job.payload["invoice_id"]:
        subscription = go_on_settled(step, subscription, job)
    planned = subscription.planned_change
    if planned is not None and planned.invoice_id == job.payload["invoice_id"]:
        go_on_with_change(step, subscription, planned)


def _activated(step: Step, subscription: Subscription) -> Subscription:
    active = step.work.subscriptions.put(msgspec.structs.replace(subscription, state="active"))
    entitle(step, active)
    tell_edges(step, active, active.billing_next - 1)
    tell(step, active, "activated", "", plan_id=active.plan_id)
    return active


def _as_paid(step: Step, subscription: Subscription, edge: datetime) -> Subscription:
    """Active where its first period, which ends at ``edge``, is paid for and the word of it is on its way."""
    first = subscription.period_at(edge - timedelta(microseconds=1))
    invoice = invoice_of_period(step, subscription, first)
    is_paid = invoice is not None and "paid" in (invoice.state, invoice.advance_state)
    return _activated(step, subscription) if is_paid else subscription


def _waits_elsewhere(step: Step, subscription: Subscription, job: StoredJob) -> bool:
    """Whether the invoice is another than that of the first period."""
    invoice: Invoice = step.work.invoice(job.payload["invoice_id"])
    return not any(
        line.subscription_id == subscription.subscription_id and line.kind in ("base_fee", "credits")
        for line in invoice.lines
    )


@carries_out(UNPAID_JOB, bring=bring_invoices)
def go_on_unpaid(step: Step, job: StoredJob, _: object) -> None:
    """A change whose payment failed does not happen; a period's makes it past due."""
    subscription = step.work.subscription(job.payload["subscription_id"])
    planned = subscription.planned_change
    if planned is not None and planned.invoice_id == job.payload["invoice_id"]:
        drop_change(step, subscription, planned)
        return
    fall_behind(step, subscription, job)
