"""The steps of a subscription, from rules to rows, commands and jobs. Used by calls and jobs alike."""

import msgspec

from drawdown.billing.invoice import GrantRelease
from drawdown.catalog.plan import Plan
from drawdown.runtime.control.invoicing import add_lines, invoice_of_period, must_wait
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.entitling import assign_command, edge_commands, merged_table, policy_command
from drawdown.subscriptions.renewing import (
    cadence_grant,
    grant_job,
    period_charges,
    period_job,
)
from drawdown.subscriptions.subscription import Subscription


def plan_of(step: Step, subscription: Subscription) -> Plan:
    """The version that the subscription is on."""
    return step.work.plan(subscription.plan_id, subscription.version)


def entitle(step: Step, subscription: Subscription, plan: Plan) -> None:
    """The account's prices and its policy at zero follow the subscription from now on."""
    account = subscription.account
    others = [
        each
        for each in step.work.subscriptions.find(account=account, live=True)
        if each.subscription_id != subscription.subscription_id
    ]
    others.sort(key=lambda each: each.started_at, reverse=True)
    table, rates = merged_table([plan, *(plan_of(step, each) for each in others)])
    group = list(rates)
    if table:
        group.append(assign_command(account, table, step.now_of(account)))
    policy = policy_command(account, plan, subscription.currency, subscription.country)
    if policy is not None:
        group.append(policy)
    if group:
        step.decision.command(account, *group)


def open_period(step: Step, subscription: Subscription, plan: Plan, number: int) -> Subscription:
    """Billing period ``number`` begins: its lines on the invoice, the next opening as a job."""
    period = subscription.billing.period(number)
    add_lines(step, subscription, plan, period, period_charges(subscription, plan, number))
    for edge in edge_commands(
        subscription.account, subscription.billing, number, step.now_of(subscription.account)
    ):
        step.decision.command(subscription.account, edge)
    opened = step.work.subscriptions.put(
        msgspec.structs.replace(subscription, billing_next=max(subscription.billing_next, number + 1))
    )
    step.decision.job(period_job(opened, number + 1))
    return opened


def make_grant(step: Step, subscription: Subscription, plan: Plan, number: int) -> Subscription:
    """The grant of cadence ``number``: pending until its invoice lets it go, where the plan says so."""
    job = grant_job(subscription, number + 1)
    if job is None:
        return subscription
    assert subscription.grants is not None
    edge = subscription.grants.edge(number)
    invoice = invoice_of_period(step, subscription, subscription.period_at(edge))
    waits = must_wait(plan, invoice)
    granted, command = cadence_grant(subscription, plan, number, pending=waits)
    if command is not None:
        step.decision.command(subscription.account, command)
        if waits and invoice is not None:
            on = "approval" if plan.release == "on_approval" else "payment"
            release = GrantRelease(account=subscription.account, grant_id=command.grant.grant_id, on=on)
            step.work.invoices.put(msgspec.structs.replace(invoice, releases=(*invoice.releases, release)))
    step.decision.job(job)
    return step.work.subscriptions.put(granted)
