"""Cancel, pause, resume, auto-renewal, and the end of a subscription."""

from datetime import datetime

import msgspec

from drawdown import errors
from drawdown.billing.invoice import InvoiceLine
from drawdown.catalog.plan import Plan
from drawdown.model.commands import VoidGrant
from drawdown.runtime.control.arrears_steps import arrears, bought_before
from drawdown.runtime.control.invoicing import (
    add_lines,
    drop_invoice,
    invoice_of_period,
    must_wait,
    withdraw_unapproved,
)
from drawdown.runtime.control.never_begun import drop_unpaid
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.subscription_services import subscription_for
from drawdown.runtime.control.subscription_steps import (
    entitle,
    follow_services,
    made_deliveries,
    make_grant,
    open_period,
    plan_of,
    tell,
    tell_change,
    withdraw_edges,
)
from drawdown.runtime.control.unused_time import unused_time
from drawdown.subscriptions.arrears import Arrears
from drawdown.subscriptions.calendar import Period, lifetime_end
from drawdown.subscriptions.identifiers import derived, lane_of
from drawdown.subscriptions.renewing import grants_in, lifetime_of
from drawdown.subscriptions.requests import Cancel, Pause, Resume, SetAutoRenew
from drawdown.subscriptions.servicing import extended, with_all_billed
from drawdown.subscriptions.starting import lay_schedules, with_term_on
from drawdown.subscriptions.subscription import PlannedChange, Subscription, on_plan


def _reread(step: Step, request: Cancel | Pause | Resume | SetAutoRenew) -> Subscription:
    return step.work.subscription(request.subscription_id)


@handles(Cancel, reread=_reread)
def cancel(step: Step, request: Cancel) -> Subscription:
    """It ends, now or with its period. Cancelling again changes nothing."""
    subscription = subscription_for(step, request.subscription_id)
    if request.when not in ("now", "period_end"):
        raise errors.InvalidRequestError("when: now or period_end", field="when")
    if not subscription.live:
        return subscription
    now = step.now_of(subscription.account)
    step.run_now(lane_of(subscription.account))
    is_left = subscription.state == "past_due" and not subscription.has_period_at(now)
    at_once = request.when == "now" or subscription.state in ("pending", "paused") or is_left
    if subscription.state == "trialing" and request.when == "period_end":
        ends_at = subscription.trial_ends_at or now
    else:
        ends_at = now if at_once else subscription.billing.edge(subscription.billing_next)
    if subscription.ends_at is None or at_once:
        tell(step, subscription, "cancelled", None, ends_at=ends_at.isoformat())
    marked = msgspec.structs.replace(subscription, ends_at=ends_at)
    if not at_once:
        return step.work.subscriptions.put(marked)
    plan = plan_of(step, subscription)
    # What waits is known while it is on its draft; what was paid, when nothing unapproved is on it any more.
    gives_back = _gives_back_unused(step, marked, plan, now)
    if not request.keep_credits:
        _withdraw_unapproved(step, marked, void_present(step, marked, now), now)
    if gives_back:
        _give_back_unused(step, marked, plan, now)
    return end(step, marked, now)


def _withdraw_unapproved(step: Step, subscription: Subscription, voided: list[str], now: datetime) -> None:
    """Nobody is asked to approve what would pay for voided credits. Packs that were delivered wait on."""

    def goes(line: InvoiceLine) -> bool:
        delivered = line.kind == "pack" and (line.period is None or line.period.start <= now)
        return line.subscription_id == subscription.subscription_id and not delivered

    withdraw_unapproved(step, subscription.account, voided, goes)


def void_present(step: Step, subscription: Subscription, now: datetime) -> list[str]:
    """The plan's own grants that have time left are forfeited, and named; what was bought stays."""
    voided: list[str] = []
    known = {each.grant_id for each in step.engine.grants(subscription.account)}
    for own in subscription.own_grants:
        over = own.expires_at is not None and own.expires_at <= now
        if own.kind != "service" and not over and own.grant_id in known:
            step.decision.command(
                subscription.account,
                VoidGrant(
                    account=subscription.account, grant_id=own.grant_id, reason="subscription cancelled"
                ),
            )
            voided.append(own.grant_id)
    return voided


def _gives_back_unused(step: Step, subscription: Subscription, plan: Plan, now: datetime) -> bool:
    """With proration ``both``, unless the period was never paid for."""
    if plan.proration != "both" or subscription.state != "active":
        return False
    return not must_wait(plan, invoice_of_period(step, subscription, subscription.period_at(now)))


def _give_back_unused(step: Step, subscription: Subscription, plan: Plan, now: datetime) -> None:
    """The unused time of the period goes back, as a line of its own invoice."""
    charge = unused_time(step, subscription, plan, plan, "cancel", now)
    if charge is None:
        return
    own_id = derived("inv", subscription.subscription_id, "cancel")
    add_lines(step, subscription, plan, Period(start=now, end=now), [charge], own_id=own_id)


def end(step: Step, subscription: Subscription, at: datetime) -> Subscription:
    """Nothing happens to it any more; what it still owes is on an invoice of its own."""
    tell(step, subscription, "ended", "")
    withdraw_edges(step, subscription)
    plan = plan_of(step, subscription)
    charges = made_deliveries(step, subscription)
    owed: tuple[Arrears, ...] = ()
    ended = msgspec.structs.replace(
        with_all_billed(subscription),
        state="ended",
        ended_at=at,
        planned_change=None,
        waiting_charges=(),
        left_plans=(),
        left_prices=(),
    )
    if subscription.state != "pending":
        number = max(0, subscription.billing_next - 1)
        is_cut = at != subscription.billing.edge(number + 1)
        over = arrears(step, subscription, plan, number, at, cut=is_cut)
        charges = [*subscription.waiting_charges, *charges, *over.charges]
        owed = over.arrears
        entitle(step, ended, plan)
    else:
        drop_unpaid(step, ended)
        if not _is_billed_beside(step, ended):
            charges += bought_before(step, subscription, plan, 0)
        # No period of it ever began: nothing was used in one.
        ended = msgspec.structs.replace(ended, billing_next=0)
    if charges or owed:
        own_id = derived("inv", subscription.subscription_id, "last")
        add_lines(step, subscription, plan, Period(start=at, end=at), charges, own_id=own_id, arrears=owed)
    planned = subscription.planned_change
    if planned is not None and planned.invoice_id:
        drop_invoice(step, planned.invoice_id)
    return step.work.subscriptions.put(ended)


def _is_billed_beside(step: Step, ended: Subscription) -> bool:
    """Whether another subscription has invoices to come for what the account bought to pay later."""
    live = step.work.subscriptions.find(account=ended.account, live=True)
    others = [each for each in live if each.subscription_id != ended.subscription_id]
    return any(each.state != "pending" and each.currency == ended.currency for each in others)


@handles(Pause, reread=_reread)
def pause(step: Step, request: Pause) -> Subscription:
    """It rests; the period that is paid and its credits stay as they are."""
    subscription = subscription_for(step, request.subscription_id)
    if subscription.state == "paused":
        return subscription
    if subscription.state != "active":
        raise errors.PreconditionError(
            f"subscription {subscription.subscription_id!r} is {subscription.state}, not active",
            reason="SUBSCRIPTION_NOT_ACTIVE",
        )
    now = step.now_of(subscription.account)
    tell(step, subscription, "paused", None)
    return step.work.subscriptions.put(msgspec.structs.replace(subscription, state="paused", paused_at=now))


@handles(Resume, reread=_reread)
def resume(step: Step, request: Resume) -> Subscription:
    """In the period that is paid it goes on, with its credits; after that a new one begins now."""
    subscription = subscription_for(step, request.subscription_id)
    if subscription.state in ("active", "past_due", "trialing"):
        return subscription
    if subscription.state != "paused":
        raise errors.PreconditionError(
            f"subscription {subscription.subscription_id!r} is {subscription.state}, not paused",
            reason="SUBSCRIPTION_NOT_PAUSED",
        )
    now = step.now_of(subscription.account)
    tell(step, subscription, "resumed", None)
    step.run_now(lane_of(subscription.account))
    active = msgspec.structs.replace(subscription, state="active", paused_at=None)
    if subscription.unpaid_invoice_id:
        behind = step.work.subscriptions.put(msgspec.structs.replace(active, state="past_due"))
        entitle(step, behind)
        return _make_missed_grants(step, behind, now)
    if subscription.has_period_at(now):
        return _make_missed_grants(step, step.work.subscriptions.put(active), now)
    return go_on_anew(step, active, now)


def _make_missed_grants(step: Step, subscription: Subscription, now: datetime) -> Subscription:
    """Cadences of the open period that began in the pause are charged in it: those that last are granted."""
    plan = plan_of(step, subscription)
    grants = subscription.grants
    if grants is None or plan.credits is None or not subscription.has_period_at(now):
        return subscription
    lifetime = lifetime_of(plan.credits.lifetime)
    for number in grants_in(subscription, subscription.period_at(now)):
        if number < subscription.grant_next or grants.edge(number) > now:
            continue
        expires_at = lifetime_end(grants, number, lifetime)
        if expires_at is None or expires_at > now:
            subscription = make_grant(step, subscription, plan, number)
    return subscription


def go_on_anew(step: Step, subscription: Subscription, now: datetime) -> Subscription:
    """Its period is over: a new one begins now, whose invoice has what the one before still owes.

    What was planned for the end of that period begins with it. Where renewal was switched off since, it ends.
    """
    if is_over(step, subscription, subscription.billing.edge(subscription.billing_next)):
        return end(step, subscription, now)
    plan = plan_of(step, subscription)
    number = max(0, subscription.billing_next - 1)
    owed = arrears(step, subscription, plan, number, subscription.billing.edge(number + 1))
    waiting = (*subscription.waiting_charges, *owed.charges)
    begun = msgspec.structs.replace(subscription, waiting_charges=waiting, left_plans=(), left_prices=())
    planned = begun.planned_change
    if planned is not None and not planned.invoice_id:
        begun = on_planned_plan(step, begun, planned)
    return begin_anew(step, begun, plan_of(step, begun), now, owed.arrears)


def is_over(step: Step, subscription: Subscription, edge: datetime) -> bool:
    """Whether no billing period follows the one that ends at ``edge``."""
    if subscription.ends_at is not None and subscription.ends_at <= edge:
        return True
    if plan_of(step, subscription).billing_model == "one_off":
        # Sold once; what goes on behind it is a change that was planned.
        return subscription.planned_change is None
    term_over = subscription.term_ends_at is None or subscription.term_ends_at <= edge
    return not subscription.auto_renew and term_over


def on_planned_plan(step: Step, subscription: Subscription, planned: PlannedChange) -> Subscription:
    """The subscription on the plan that was planned for the end of its period; the change is told."""
    old_plan, plan = plan_of(step, subscription), step.work.plan(planned.plan_id, planned.version)
    changed = msgspec.structs.replace(
        on_plan(subscription, plan, planned.quantity),
        planned_change=None,
        seen=(*subscription.seen, planned.change_id),
    )
    tell_change(step, changed, "changed", planned)
    entitle(step, changed, old_plan)
    return changed


def begin_anew(
    step: Step, subscription: Subscription, plan: Plan, start: datetime, arrears: tuple[Arrears, ...] = ()
) -> Subscription:
    """Schedules are laid from ``start``; its first period opens and its first grant is made."""
    anew = with_schedules(subscription, plan, start)
    withdraw_edges(step, subscription)
    follow_services(step, anew, start)
    anew = open_period(step, anew, plan, 0, arrears)
    return make_grant(step, anew, plan, 0)


def with_schedules(subscription: Subscription, plan: Plan, start: datetime) -> Subscription:
    """The subscription with schedules from ``start`` on, nothing of them run yet."""
    billing, grants = lay_schedules(plan, start, subscription.billing.zone)
    old_end, subscription = subscription.term_ends_at, with_term_on(subscription, billing)
    if old_end is not None and subscription.term_ends_at is not None:
        subscription = extended(subscription, old_end, subscription.term_ends_at)
    return msgspec.structs.replace(
        subscription,
        epoch=subscription.epoch + 1,
        billing=billing,
        grants=grants,
        billing_next=0,
        grant_next=0,
    )


@handles(SetAutoRenew, reread=_reread)
def set_auto_renew(step: Step, request: SetAutoRenew) -> Subscription:
    """Decided when the period (or term) is over: switched off in a pause in which it was, the subscription
    ends. Switching it on takes a cancellation at its end back. Switched off again it is as it was."""
    subscription = subscription_for(step, request.subscription_id)
    if not subscription.live and not (subscription.auto_renew or request.auto_renew):
        # Whoever lost the answer that told of its end, asks once more.
        return subscription
    if not subscription.live:
        raise errors.PreconditionError(
            f"subscription {subscription.subscription_id!r} has ended", reason="SUBSCRIPTION_ENDED"
        )
    now, edge = step.now_of(subscription.account), subscription.billing.edge(subscription.billing_next)
    step.run_now(lane_of(subscription.account))
    ends_at = None if request.auto_renew else subscription.ends_at
    decided = msgspec.structs.replace(subscription, auto_renew=request.auto_renew, ends_at=ends_at)
    rests = subscription.state == "paused" and not subscription.unpaid_invoice_id
    if rests and edge <= now and is_over(step, decided, edge):
        return end(step, decided, now)
    return step.work.subscriptions.put(decided)
