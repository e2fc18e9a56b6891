"""Change of plan: worked out, paid for, carried out or given up."""

from datetime import datetime

import msgspec

from drawdown import errors
from drawdown.catalog.plan import Plan
from drawdown.model.money import Money, total
from drawdown.model.results import Grant
from drawdown.runtime.control.invoice_foot import sold_share
from drawdown.runtime.control.invoicing import add_lines, drop_invoice, invoice_of_period, must_wait
from drawdown.runtime.control.leaving_plan import Leaving, leave_plan
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_lifecycle import with_schedules
from drawdown.runtime.control.subscription_services import go_on_delivering
from drawdown.runtime.control.subscription_steps import (
    entitle,
    follow_period,
    needs_periods,
    plan_of,
    put_roll_job,
    release_with,
    tell_change,
    tell_edges,
    withdraw_edges,
)
from drawdown.runtime.control.unused_time import as_paid, charged_for, unused_time
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.change_price import change_line_id, difference_charge, same_rhythm
from drawdown.subscriptions.changing import (
    Replacement,
    replacement,
    with_named_segments,
    with_segment,
)
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.identifiers import derived
from drawdown.subscriptions.renewing import credits_line_id, grant_job, period_charges
from drawdown.subscriptions.servicing import with_all_billed, with_charged_until
from drawdown.subscriptions.subscription import PlannedChange, Subscription, on_plan


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A change worked out: the subscription as it would be, and what that costs."""

    plan: Plan
    old_plan: Plan
    changed: Subscription
    policy: str
    fresh_period: bool
    """A new billing period begins with the change."""
    charges: list[Charge]
    """Due now."""
    waiting: list[Charge]
    """For the next invoice: what is given back."""

    def due_now(self) -> Money:
        """The sum of what is due now."""
        return total([each.amount for each in self.charges], self.changed.currency)


def work_out(step: Step, subscription: Subscription, planned: PlannedChange, now: datetime) -> Target:
    """The subscription on the new plan, and the money."""
    old_plan, plan = plan_of(step, subscription), step.work.plan(planned.plan_id, planned.version)
    changed = on_plan(subscription, plan, planned.quantity)
    charges: list[Charge] = []
    waiting: list[Charge] = []
    fresh = not same_rhythm(old_plan, plan)
    if subscription.state == "trialing":
        fresh = False
    elif fresh:
        changed = with_charged_until(changed, changed.billing.edge(changed.billing_next))
        changed = with_schedules(changed, plan, now)
        charges = period_charges(changed, plan, 0)
        unused = unused_time(step, subscription, old_plan, plan, planned.change_id, now)
        charges += [unused] if unused is not None else []
    else:
        charged = charged_for(step, subscription, planned.change_id, now)
        difference = difference_charge(subscription, old_plan, changed, plan, planned.change_id, now, charged)
        charge = as_paid(step, subscription, difference, now)
        if charge is not None:
            (charges if charge.amount.minor > 0 else waiting).append(charge)
    return Target(
        plan=plan,
        old_plan=old_plan,
        changed=changed,
        policy=planned.policy,
        fresh_period=fresh,
        charges=charges,
        waiting=waiting,
    )


def ask_to_pay(
    step: Step, subscription: Subscription, planned: PlannedChange, target: Target, now: datetime
) -> Subscription:
    """The change waits for its invoice: one of its own, or that of the id which it has already."""
    if not subscription.payment_method:
        raise errors.PreconditionError(
            "the change costs money: give a payment_method",
            reason="PAYMENT_METHOD_REQUIRED",
            field="payment_method",
        )
    invoice_id = _invoice(step, subscription, planned, target, now, target.charges)
    waits = msgspec.structs.replace(planned, invoice_id=invoice_id)
    return step.work.subscriptions.put(msgspec.structs.replace(subscription, planned_change=waits))


def _invoice(
    step: Step,
    subscription: Subscription,
    planned: PlannedChange,
    target: Target,
    now: datetime,
    charges: list[Charge],
) -> str:
    own_id = _own_invoice_id(subscription, planned)
    period = Period(start=now, end=target.changed.billing.edge(target.changed.billing_next))
    add_lines(step, subscription, target.plan, period, charges, own_id=own_id)
    return own_id


def _own_invoice_id(subscription: Subscription, planned: PlannedChange) -> str:
    return planned.invoice_id or derived("inv", subscription.subscription_id, "change", planned.change_id)


def leaving_of(
    step: Step, subscription: Subscription, planned: PlannedChange, target: Target, now: datetime
) -> Leaving:
    """What the plan that is left still owes: overage, minimums, counted up to now."""
    if subscription.state == "trialing":
        # During a trial nothing is charged.
        return Leaving()
    return leave_plan(
        step,
        subscription,
        target.old_plan,
        target.changed,
        target.plan,
        change_id=planned.change_id,
        fresh_period=target.fresh_period,
        now=now,
    )


def apply_change(
    step: Step, subscription: Subscription, planned: PlannedChange, *, already_charged: bool
) -> Subscription:
    """The subscription is on the new plan; its present credits are what the policy says."""
    now = step.now_of(subscription.account)
    target = work_out(step, subscription, planned, planned.asked_at if already_charged else now)
    plan, changed = target.plan, target.changed
    leaving = leaving_of(step, subscription, planned, target, now)
    for billed in leaving.billed:
        step.work.overage_billed.put(billed)
    # A period that ends with the change is billed with it; one that goes on, at its end.
    waiting = [*subscription.waiting_charges, *target.waiting, *leaving.charges]
    changed = msgspec.structs.replace(
        changed,
        planned_change=None,
        seen=(*subscription.seen, planned.change_id),
        waiting_charges=tuple(target.waiting if target.fresh_period else waiting),
        left_plans=leaving.left_plans,
        left_prices=leaving.left_prices,
    )
    if target.fresh_period:
        changed = with_all_billed(changed)
        if changed.ends_at is not None:
            # Cancelled with its period, which is another one now.
            changed = msgspec.structs.replace(changed, ends_at=changed.billing.edge(1))
    due = [] if already_charged else target.charges
    due = [*due, *leaving.charges] if target.fresh_period else due
    if due:
        _invoice(step, subscription, planned, target, now, due)
    if subscription.state == "trialing":
        changed = _trial_schedules(changed, plan)
    else:
        changed = _change_credits(step, subscription, changed, planned, target, now)
    entitle(step, changed, target.old_plan, now if leaving.counts_apart else None)
    tell_change(step, changed, "changed", planned)
    changed = step.work.subscriptions.put(changed)
    if target.fresh_period:
        withdraw_edges(step, subscription)
        changed = follow_period(step, changed, 0)
        go_on_delivering(step, changed, planned.change_id, now)
        following = grant_job(changed, 1)
        if following is not None:
            step.decision.job(following)
    elif changed.billing_next and not needs_periods(step, subscription):
        tell_edges(step, changed, changed.billing_next - 1)
    return changed


def _trial_schedules(changed: Subscription, plan: Plan) -> Subscription:
    assert changed.trial_ends_at is not None
    laid = with_schedules(changed, plan, changed.trial_ends_at)
    return msgspec.structs.replace(laid, epoch=changed.epoch)


def _change_credits(
    step: Step,
    old: Subscription,
    changed: Subscription,
    planned: PlannedChange,
    target: Target,
    now: datetime,
) -> Subscription:
    plan = target.plan
    own_id = derived("inv", old.subscription_id, "change", planned.change_id)
    invoice = step.work.invoices.get(invoice_id=own_id)
    if not (plan.release == "on_approval" and target.charges):
        # Asked for in a settled period, it may be paid in one that is not.
        invoice = invoice_of_period(step, old, old.period_at(now))
    waits = must_wait(plan, invoice)
    done = credits_of(step, old, planned, target, now, pending=waits)
    if done.command is not None:
        step.decision.command(old.account, done.command)
    if waits:
        for own in done.own:
            release_with(step, plan, invoice, old.account, own.grant_id)
    changed = msgspec.structs.replace(
        changed,
        own_grants=(*old.own_grants, *done.own),
        segments=_segments(old, target, now).segments,
        grant_next=max(changed.grant_next, 1) if target.fresh_period else changed.grant_next,
    )
    for own in done.own:
        put_roll_job(step, changed, own, plan)
    return changed


def _segments(old: Subscription, target: Target, now: datetime) -> Subscription:
    """The present cadence counts on; one that is paid for in full begins a new count."""
    paid_anew = target.fresh_period and target.due_now().minor > 0
    counted = () if paid_anew else with_named_segments(old, target.old_plan).segments
    return with_segment(msgspec.structs.replace(target.changed, segments=counted), target.plan, now)


def credits_of(
    step: Step,
    old: Subscription,
    planned: PlannedChange,
    target: Target,
    now: datetime,
    *,
    pending: bool,
) -> Replacement:
    """What becomes of the present credits, and what comes beside or instead, as one command."""
    figures: dict[str, Grant] = {each.grant_id: each for each in step.engine.grants(old.account)}
    credits = target.plan.credits
    scale = 9 if credits is None else step.engine.scale(credits.credit_type)
    invoice = step.work.invoices.get(invoice_id=_own_invoice_id(old, planned))
    lines = (change_line_id(old, planned.change_id), credits_line_id(target.changed, 0))
    return replacement(
        with_named_segments(old, target.old_plan),
        target.old_plan,
        _segments(old, target, now),
        target.plan,
        change_id=planned.change_id,
        policy=target.policy,
        now=now,
        figures=figures,
        scale=scale,
        pending=pending,
        counts_anew=target.fresh_period and target.due_now().minor > 0,
        sold=sold_share(step, invoice, lines),
    )


def drop_change(step: Step, subscription: Subscription, planned: PlannedChange) -> None:
    """The change does not happen, nor what came with it; its invoice is void, what it replaced stands."""
    step.work.subscriptions.put(
        msgspec.structs.replace(
            subscription,
            planned_change=planned.replaced,
            seen=(*subscription.seen, planned.change_id),
            payment_method=planned.former_payment_method or subscription.payment_method,
        )
    )
    drop_invoice(step, planned.invoice_id)
    tell_change(step, subscription, "change_failed", planned)
