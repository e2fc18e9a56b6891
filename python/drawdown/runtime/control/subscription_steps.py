"""The steps of a subscription, from rules to rows, commands and jobs. Used by calls and jobs alike."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from drawdown import errors
from drawdown.billing.invoice import GrantRelease, Invoice
from drawdown.catalog.pack import Pack
from drawdown.catalog.plan import Plan
from drawdown.model.commands import CreateGrant, grant_input
from drawdown.runtime.control.invoice_foot import sold_share
from drawdown.runtime.control.invoicing import add_lines, invoice_of_period, must_wait
from drawdown.runtime.control.overage_pricing import follow_pricing
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.arrears import Arrears
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.calendar import step as calendar_step
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.entitling import (
    assign_command,
    edge_commands,
    edges_ahead,
    in_force,
    merged_table,
    policy_commands,
)
from drawdown.subscriptions.identifiers import derived, trial_grant_id
from drawdown.subscriptions.renewing import (
    cadence_grant,
    credits_line_id,
    grant_input_of,
    grant_job,
    lifetime_of,
    period_charges,
    period_job,
)
from drawdown.subscriptions.rolling import roll_job
from drawdown.subscriptions.servicing import (
    delivery_charges,
    following_delivery,
    made_charges,
    with_all_billed,
)
from drawdown.subscriptions.subscription import OwnGrant, PlannedChange, Subscription

_EDGE_ON_ITS_WAY: Final = timedelta(minutes=5)


def plan_of(step: Step, subscription: Subscription) -> Plan:
    """The version that the subscription is on."""
    return step.work.plan(subscription.plan_id, subscription.version)


def pack_of(step: Step, pack_id: str) -> Pack:
    """One pack. Raises ``NotFoundError``."""
    pack = step.work.packs.get(pack_id=pack_id)
    if pack is None:
        raise errors.NotFoundError(
            f"there is no pack {pack_id[:128]!r}; create it first", reason="PACK_UNKNOWN", field="pack_id"
        )
    return pack


def entitle(
    step: Step, subscription: Subscription, left: Plan | None = None, apart_since: datetime | None = None
) -> None:
    """The account's prices and policies follow its subscriptions, this one as it is here.

    One that is not paid for yet, or has ended, entitles to nothing; ``left`` is the plan that it leaves.
    Overage is counted apart from ``apart_since`` on, and where another subscription prices it from now on.
    """
    account = subscription.account
    others = [
        each
        for each in step.work.subscriptions.find(account=account, live=True)
        if each.subscription_id != subscription.subscription_id
    ]
    entitled = in_force([subscription, *others])
    plans = [plan_of(step, each) for each in entitled]
    served = list(zip(entitled, plans, strict=True))
    table, rates = merged_table(plans)
    group = list(rates)
    if table:
        group.append(assign_command(account, table, step.now_of(account)))
    apart = follow_pricing(step, subscription, served, left)
    if apart_since is not None:
        apart |= {plan.credits.credit_type: apart_since for plan in plans if plan.credits is not None}
    group += policy_commands(account, served, left, apart)
    if group:
        step.decision.command(account, *group)


def open_period(
    step: Step, subscription: Subscription, plan: Plan, number: int, arrears: tuple[Arrears, ...] = ()
) -> Subscription:
    """Billing period ``number`` begins: its lines on the invoice, the next opening as a job.

    With ``arrears`` the invoice waits for usage of the period that is over.
    """
    period = subscription.billing.period(number)
    charges = [*period_charges(subscription, plan, number), *subscription.waiting_charges]
    charges += [*made_deliveries(step, subscription), *deliveries_ahead(step, subscription, period)]
    add_lines(step, subscription, plan, period, charges, arrears=arrears)
    opened = with_all_billed(msgspec.structs.replace(subscription, waiting_charges=()))
    return follow_period(step, opened, number)


def follow_period(step: Step, subscription: Subscription, number: int) -> Subscription:
    """Period ``number`` is open: its edges are told to the engine, the next opening is put down."""
    tell_edges(step, subscription, number)
    opened = msgspec.structs.replace(subscription, billing_next=max(subscription.billing_next, number + 1))
    step.decision.job(period_job(opened, number + 1))
    return step.work.subscriptions.put(opened)


def tell_edges(step: Step, subscription: Subscription, number: int) -> None:
    """The account's usage periods begin with the billing periods behind ``number``, where that matters.

    What needs none tells none, nor does what was never paid: the cap and the tiers of another subscription
    would begin anew with them.
    """
    if subscription.state == "pending" or not needs_periods(step, subscription):
        return
    account, earliest = subscription.account, _earliest_edge(step, subscription)
    if number == 0 and _counted_before(step, subscription):
        # The engine takes no edge nearer than this: what is used until then counts with what was before.
        step.decision.command(account, *edge_commands(account, [earliest]))
    edges = edges_ahead(subscription.billing, number, earliest)
    if edges:
        step.decision.command(account, *edge_commands(account, edges))


def _earliest_edge(step: Step, subscription: Subscription) -> datetime:
    """From where on an edge can be told, with some minutes until the engine has it."""
    return step.now_of(subscription.account) + step.plane.early_margin + _EDGE_ON_ITS_WAY


def _counted_before(step: Step, subscription: Subscription) -> bool:
    """Whether usage of the account may stand in a period of a schedule or subscription that is over: it would
    go on, its cap and its tiers used up. One that goes on beside this one has its period to its end."""
    found = step.work.subscriptions.find(account=subscription.account)
    others = [
        each
        for each in found
        if each.subscription_id != subscription.subscription_id and each.state != "pending"
    ]
    if any(each.live and each.billing_next and needs_periods(step, each) for each in others):
        return False
    return subscription.epoch > 0 or any(each.billing_next or each.epoch for each in others)


def needs_periods(step: Step, subscription: Subscription) -> bool:
    """Whether something of it counts in usage periods: overage, tiers, packages, a maximum, last or unique
    value."""
    plan = plan_of(step, subscription)
    # Definitions are behind no lane: what the engine has not got of this account yet is not asked for.
    aggregation = step.plane.engine.aggregation
    return plan.overage is not None or any(
        rate.tiers or rate.package or aggregation(rate.meter) not in ("sum", "count") for rate in plan.rates
    )


def withdraw_edges(step: Step, subscription: Subscription) -> None:
    """The billing periods that were ahead of it do not come: no usage period begins with them, or the cap and
    the tiers of what follows would begin anew in its midst. Another subscription's stay.
    """
    account = subscription.account
    # Told for a plan that was left, perhaps; the engine passes over those that never were.
    ours = _edges_told(step, subscription)
    others = [each for each in step.work.subscriptions.find(account=account) if each.live]
    theirs = {
        edge
        for each in others
        if each.subscription_id != subscription.subscription_id and needs_periods(step, each)
        for edge in _edges_told(step, each)
    }
    edges = [edge for edge in ours if edge not in theirs]
    if edges:
        step.decision.command(account, *edge_commands(account, edges, withdrawn=True))


def _edges_told(step: Step, subscription: Subscription) -> list[datetime]:
    if not subscription.billing_next or subscription.state == "pending":
        return []
    return edges_ahead(
        subscription.billing, subscription.billing_next - 1, _earliest_edge(step, subscription)
    )


def deliveries_ahead(step: Step, subscription: Subscription, period: Period) -> list[Charge]:
    """Lines of the deliveries of a period that are paid in advance."""
    charges: list[Charge] = []
    for service in subscription.services:
        charges += delivery_charges(subscription, service, pack_of(step, service.pack_id), period)
    return charges


def made_deliveries(step: Step, subscription: Subscription) -> list[Charge]:
    """Lines of the deliveries that were made and are billed later, until an invoice has them."""
    charges: list[Charge] = []
    for service in subscription.services:
        charges += made_charges(subscription, service, pack_of(step, service.pack_id))
    return charges


def follow_services(step: Step, subscription: Subscription, since: datetime) -> None:
    """Deliveries go on from ``since``, also those that found no next one before the old end of a term."""
    for service in subscription.services:
        job = following_delivery(subscription, service, since)
        if job is not None:
            step.decision.job(job)


def make_grant(step: Step, subscription: Subscription, plan: Plan, number: int) -> Subscription:
    """The grant of cadence ``number``: pending until its invoice lets it go, where the plan says so."""
    job = grant_job(subscription, number + 1)
    if job is None:
        return subscription
    assert subscription.grants is not None
    edge = subscription.grants.edge(number)
    invoice = invoice_of_period(step, subscription, subscription.period_at(edge))
    waits = must_wait(plan, invoice)
    line_id = credits_line_id(subscription, max(0, subscription.billing.number_at(edge)))
    sold = sold_share(step, invoice, (line_id,))
    granted, command = cadence_grant(subscription, plan, number, pending=waits, sold=sold)
    if command is not None:
        step.decision.command(subscription.account, command)
        if waits:
            release_with(step, plan, invoice, subscription.account, command.grant.grant_id)
        put_roll_job(step, granted, granted.own_grants[-1], plan)
    step.decision.job(job)
    return step.work.subscriptions.put(granted)


def release_with(step: Step, plan: Plan, invoice: Invoice | None, account: str, grant_id: str) -> None:
    """The pending grant is set free when its invoice is paid or approved."""
    assert invoice is not None
    on = "approval" if plan.release == "on_approval" else "payment"
    release = GrantRelease(account=account, grant_id=grant_id, on=on)
    known = step.work.invoice(invoice.invoice_id)
    if release not in known.releases:
        step.work.invoices.put(msgspec.structs.replace(known, releases=(*known.releases, release)))


def put_roll_job(step: Step, subscription: Subscription, own: OwnGrant, plan: Plan) -> None:
    """The look at what is left of the grant when it expires, where the plan rolls."""
    job = roll_job(subscription, own, plan)
    if job is not None:
        step.decision.job(job)


def give_trial(step: Step, subscription: Subscription, plan: Plan, now: datetime) -> Subscription:
    """The trial's credits; they survive conversion where the plan says so."""
    trial, charge = plan.trial, plan.credits
    if trial is None or charge is None or trial.credits <= 0 or subscription.trial_ends_at is None:
        return subscription
    own = OwnGrant(
        grant_id=trial_grant_id(subscription.subscription_id),
        credit_type=charge.credit_type,
        amount=trial.credits,
        period=Period(start=now, end=subscription.trial_ends_at),
        expires_at=None if trial.survives else subscription.trial_ends_at,
        priority=charge.priority,
        kind="trial",
    )
    grant = grant_input_of(subscription, own, trial.credits, pending=False)
    step.decision.command(subscription.account, CreateGrant(account=subscription.account, grant=grant))
    return step.work.subscriptions.put(
        msgspec.structs.replace(subscription, own_grants=(*subscription.own_grants, own))
    )


def give_signup(step: Step, subscription: Subscription, plan: Plan) -> None:
    """Free credits on coming to the plan, once per account; a change of plan does not take them back."""
    gift, charge, profile = plan.signup_grant, plan.credits, step.profile(subscription.account)
    if gift is None or charge is None or profile.signed_up:
        return
    now = step.now_of(subscription.account)
    lifetime = lifetime_of(gift.lifetime)
    zone = subscription.billing.zone
    grant = grant_input(
        derived("signup", subscription.account),
        charge.credit_type,
        gift.amount,
        category="promotional",
        priority=charge.priority,
        effective_at=now,
        expires_at=None if lifetime is None else calendar_step(now, 1, lifetime, zone),
        source="signup",
        source_reference=subscription.subscription_id,
    )
    step.decision.command(subscription.account, CreateGrant(account=subscription.account, grant=grant))
    step.work.profiles.put(msgspec.structs.replace(profile, signed_up=True))


def tell(step: Step, subscription: Subscription, what: str, key: str | None, **body: object) -> None:
    """A notice ``subscription.<what>``, once per key; without one as often as it happens."""
    step.decision.notice(
        f"subscription.{what}",
        subscription.account,
        key="" if key is None else f"subscription.{what}:{subscription.subscription_id}:{key}",
        subscription_id=subscription.subscription_id,
        **body,
    )


def tell_change(step: Step, subscription: Subscription, what: str, planned: PlannedChange) -> None:
    """The same of a change of plan, by the id that the caller gave it."""
    tell(
        step,
        subscription,
        what,
        planned.change_id,
        change_id=planned.change_id,
        plan_id=planned.plan_id,
        quantity=planned.quantity,
    )
