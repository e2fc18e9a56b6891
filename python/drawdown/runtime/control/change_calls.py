"""Change of plan: asked for and previewed."""

from datetime import datetime

import msgspec

from drawdown import errors
from drawdown.catalog.plan import CHANGE_POLICIES, Plan
from drawdown.model.ids import check_id
from drawdown.model.money import total, zero
from drawdown.runtime.control.catalog_calls import plan_in_force
from drawdown.runtime.control.invoicing import invoice_of_period, must_wait
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_changes import (
    Target,
    apply_change,
    ask_to_pay,
    credits_of,
    leaving_of,
    work_out,
)
from drawdown.runtime.control.subscription_lifecycle import with_schedules
from drawdown.runtime.control.subscription_services import subscription_for
from drawdown.runtime.control.subscription_steps import deliveries_ahead, plan_of, tell_change
from drawdown.subscriptions.bounds import check_bounds, overflow
from drawdown.subscriptions.change_price import same_rhythm
from drawdown.subscriptions.changing import cadence_credits
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.identifiers import lane_of
from drawdown.subscriptions.renewing import period_charges
from drawdown.subscriptions.requests import ChangePlan, ChangePreview, PreviewChange
from drawdown.subscriptions.starting import QUANTITY_MAX
from drawdown.subscriptions.subscription import PlannedChange, Subscription, on_plan


def _reread(step: Step, request: ChangePlan) -> Subscription:
    return step.work.subscription(request.subscription_id)


@handles(ChangePlan, reread=_reread)
def change_plan(step: Step, request: ChangePlan) -> Subscription:
    """The change happens once: at once, when it is paid, or at the end of the period."""
    check_id(request.change_id, "change_id")
    subscription = subscription_for(step, request.subscription_id)
    step.run_now(lane_of(subscription.account))
    if not step.work.first_time(request, f"{request.subscription_id}:{request.change_id}"):
        return subscription
    plan = _check_change(step, subscription, request.plan_id, request.quantity, request.policy)
    _check_when(request.when)
    now = step.now_of(subscription.account)
    planned = PlannedChange(
        change_id=request.change_id,
        plan_id=plan.plan_id,
        version=plan.version,
        quantity=request.quantity,
        policy=request.policy or plan.change_policy,
        asked_at=now,
        former_payment_method=subscription.payment_method,
    )
    subscription = _with_payment_method(subscription, request)
    if request.when == "period_end" and subscription.state in ("active", "past_due"):
        tell_change(step, subscription, "change_planned", planned)
        return step.work.subscriptions.put(msgspec.structs.replace(subscription, planned_change=planned))
    _require_settled_period(step, subscription, now)
    target = work_out(step, subscription, planned, now)
    _require_taken(step, subscription, planned, target, now)
    if target.due_now().minor > 0 and plan.release == "on_payment":
        waits = msgspec.structs.replace(planned, replaced=subscription.planned_change)
        return ask_to_pay(step, subscription, waits, target, now)
    return apply_change(step, subscription, planned, already_charged=False)


@handles(PreviewChange)
def preview_change(step: Step, request: PreviewChange) -> ChangePreview:
    """What would happen, now or at the end of the period; nothing does."""
    subscription = subscription_for(step, request.subscription_id)
    plan = _check_change(step, subscription, request.plan_id, request.quantity, request.policy)
    _check_when(request.when)
    now = step.now_of(subscription.account)
    planned = PlannedChange(
        change_id="preview",
        plan_id=plan.plan_id,
        version=plan.version,
        quantity=request.quantity,
        policy=request.policy or plan.change_policy,
        asked_at=now,
    )
    if request.when == "period_end" and subscription.state == "active":
        return _preview_at_edge(step, subscription, planned)
    _require_settled_period(step, subscription, now)
    target = work_out(step, subscription, planned, now)
    leaving = leaving_of(step, subscription, planned, target, now)
    ahead: list[Charge] = []
    if target.fresh_period:
        ahead = deliveries_ahead(step, target.changed, target.changed.billing.period(0))
    due_now = [*target.charges, *(leaving.charges if target.fresh_period else []), *ahead]
    shown = ChangePreview(
        subscription_id=subscription.subscription_id,
        plan_id=plan.plan_id,
        policy=target.policy,
        effective_at=now,
        due_now=total([each.amount for each in due_now], subscription.currency),
        charges=(*target.charges, *target.waiting, *leaving.charges, *ahead),
    )
    if subscription.state != "active":
        return shown
    step_on_engine = credits_of(step, subscription, planned, target, now, pending=False)
    _require_taken(step, subscription, planned, target, now)
    return msgspec.structs.replace(
        shown,
        grants_voided=step_on_engine.voided,
        credits_forfeited=step_on_engine.forfeits,
        credits_granted=step_on_engine.grants,
    )


def _preview_at_edge(step: Step, subscription: Subscription, planned: PlannedChange) -> ChangePreview:
    """Present credits live to their own end; the new plan's first period and credits begin at the edge."""
    edge = subscription.billing.edge(subscription.billing_next)
    plan = step.work.plan(planned.plan_id, planned.version)
    changed, number = on_plan(subscription, plan, planned.quantity), subscription.billing_next
    if not same_rhythm(plan_of(step, subscription), plan):
        changed, number = with_schedules(changed, plan, edge), 0
    return ChangePreview(
        subscription_id=subscription.subscription_id,
        plan_id=plan.plan_id,
        policy=planned.policy,
        effective_at=edge,
        due_now=zero(subscription.currency),
        charges=tuple(period_charges(changed, plan, number)),
        credits_granted=cadence_credits(changed, plan, edge),
    )


def _check_when(when: str) -> None:
    if when not in ("now", "period_end"):
        raise errors.InvalidRequestError("when: now or period_end", field="when")


def _require_taken(
    step: Step, subscription: Subscription, planned: PlannedChange, target: Target, now: datetime
) -> None:
    """Raises ``PreconditionError`` naming ``quantity`` where the engine would not take the new credits."""
    if subscription.state != "active":
        return
    command = credits_of(step, subscription, planned, target, now, pending=False).command
    refused = None if command is None else step.would_refuse(subscription.account, [command])
    if refused is not None and refused[1].status == "OVERFLOW":
        raise overflow(target.plan, planned.quantity, "the account's credits")


def _check_change(step: Step, subscription: Subscription, plan_id: str, quantity: int, policy: str) -> Plan:
    plan = plan_in_force(step, plan_id)
    if subscription.state not in ("active", "past_due", "trialing"):
        raise errors.PreconditionError(
            f"subscription {subscription.subscription_id!r} is {subscription.state}, not active",
            reason="SUBSCRIPTION_NOT_ACTIVE",
        )
    if plan.state != "published":
        raise errors.PreconditionError(
            f"plan {plan.plan_id!r} is {plan.state}; only a published plan can be changed to",
            reason="PLAN_NOT_PUBLISHED",
            field="plan_id",
        )
    if policy not in ("", *CHANGE_POLICIES):
        raise errors.InvalidRequestError(f"policy: one of {', '.join(CHANGE_POLICIES)}", field="policy")
    if not 1 <= quantity <= QUANTITY_MAX:
        raise errors.InvalidRequestError(f"quantity: 1–{QUANTITY_MAX}", field="quantity")
    planned = subscription.planned_change
    if planned is not None and planned.invoice_id:
        raise errors.PreconditionError(
            f"change {planned.change_id!r} waits for the payment of invoice {planned.invoice_id!r}; "
            "make that one void to give the change up",
            reason="CHANGE_UNPAID",
            field="change_id",
        )
    check_bounds(on_plan(subscription, plan, quantity), plan)
    return plan


def _require_settled_period(step: Step, subscription: Subscription, now: datetime) -> None:
    """Raises ``PreconditionError`` where the present period's credits wait: a change would set them free."""
    if not subscription.is_served:
        return
    invoice = invoice_of_period(step, subscription, subscription.period_at(now))
    waits = must_wait(plan_of(step, subscription), invoice)
    if subscription.unpaid_invoice_id:
        invoice, waits = step.work.invoice(subscription.unpaid_invoice_id), True
    if invoice is not None and waits:
        raise errors.PreconditionError(
            f"the present period is not settled: invoice {invoice.invoice_id!r} is {invoice.state}; "
            "settle it first, or change at the end of the period",
            reason="PERIOD_NOT_SETTLED",
        )


def _with_payment_method(subscription: Subscription, request: ChangePlan) -> Subscription:
    if not request.payment_method:
        return subscription
    return msgspec.structs.replace(subscription, payment_method=request.payment_method)
