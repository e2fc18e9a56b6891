"""Pending grants that are set free, when what pays for them is paid or approved.

One that is set free behind its expiry lasts from then on for as long as it would have. Its subscription
follows: what is left of it rolls when it expires then, and a cancellation before takes it.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from drawdown.billing.invoice import GrantRelease, Invoice
from drawdown.billing.withdrawal import ADJUSTS
from drawdown.catalog.plan import version_of
from drawdown.errors import NotFoundError
from drawdown.model.commands import release_grant
from drawdown.model.money import Money
from drawdown.model.results import Grant
from drawdown.runtime.control.step import Step
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.rolling import roll_job
from drawdown.subscriptions.servicing import DELIVERY_GRANT
from drawdown.subscriptions.subscription import OwnGrant, Subscription


def release(step: Step, invoice: Invoice, releases: tuple[GrantRelease, ...]) -> None:
    """The grants that waited for the invoice are spendable: until they expire, or, where they would be over
    already, from now on for as long as they would have lasted."""
    for each in releases:
        grant = _grant(step, each)
        expires_at = None if grant is None else _expiry_of_late(grant, step.now_of(each.account))
        command = release_grant(each.account, each.grant_id, expires_at=expires_at)
        step.decision.command(each.account, command)
        if grant is not None and expires_at is not None:
            _follow(step, invoice, grant, expires_at)


def _grant(step: Step, release: GrantRelease) -> Grant | None:
    try:
        return step.engine.grant(release.account, release.grant_id)
    except NotFoundError:
        return None


def _expiry_of_late(grant: Grant, now: datetime) -> datetime | None:
    """When what is released behind its expiry is to expire instead; ``None``: it is not over."""
    if grant.state != "pending" or grant.expires_at is None or grant.effective_at is None:
        return None
    return None if grant.expires_at > now else now + (grant.expires_at - grant.effective_at)


def _follow(step: Step, invoice: Invoice, grant: Grant, expires_at: datetime) -> None:
    """The grant is its plan's with the new expiry, and looked at when that comes."""
    subscription = step.work.subscriptions.get(subscription_id=grant.source_reference)
    is_delivery = grant.metadata.get(ADJUSTS, grant.grant_id).startswith(DELIVERY_GRANT)
    if grant.source != "subscription" or is_delivery or subscription is None or not subscription.live:
        return
    own = next((each for each in subscription.own_grants if each.grant_id == grant.grant_id), None)
    if own is None:
        own = _forgotten(subscription, invoice, grant)
    own = msgspec.structs.replace(own, expires_at=expires_at)
    others = [each for each in subscription.own_grants if each.grant_id != grant.grant_id]
    step.work.subscriptions.put(msgspec.structs.replace(subscription, own_grants=(*others, own)))
    plan = step.work.plan(*version_of(own.plan_key or subscription.plan_key))
    job = roll_job(subscription, own, plan)
    if job is not None:
        # That of the first expiry has been carried out, or will find it moved.
        step.decision.job(msgspec.structs.replace(job, key=f"{job.key}:{expires_at.isoformat()}"))


def _forgotten(subscription: Subscription, invoice: Invoice, grant: Grant) -> OwnGrant:
    """A grant that the subscription has not kept, as a later cadence found it over."""
    assert grant.effective_at is not None and grant.expires_at is not None
    keys = (line.plan_key for line in invoice.lines if line.subscription_id == subscription.subscription_id)
    return OwnGrant(
        grant_id=grant.grant_id,
        credit_type=grant.credit_type,
        amount=grant.amount,
        period=Period(start=grant.effective_at, end=grant.expires_at),
        priority=grant.priority,
        cost=Money(grant.cost_minor, grant.cost_currency) if grant.cost_currency else None,
        plan_key=next(filter(None, keys), subscription.plan_key),
    )
