"""Automatic recharge: opting in, and what a crossing sets off."""

from __future__ import annotations

import logging
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from drawdown import errors
from drawdown.billing import recharge
from drawdown.billing.purchase import Purchase, check_purchase
from drawdown.billing.recharge import RechargeRule, RechargeStanding
from drawdown.billing.recharge_requests import GetRecharge, Recharge, SetRecharge
from drawdown.catalog.pack import Pack
from drawdown.model import commands
from drawdown.model.credits import units_from_credits
from drawdown.model.decision import Job
from drawdown.model.money import Money
from drawdown.model.results import Crossing
from drawdown.runtime.control.purchase_calls import require_sold, top_up_of
from drawdown.runtime.control.purchase_invoices import would_charge
from drawdown.runtime.control.purchase_steps import (
    EVALUATE_JOB,
    begin_purchase,
    price_in,
    price_of_pack,
    why_not_taken,
)
from drawdown.runtime.control.registry import carries_out, handles
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.jobs import StoredJob
from drawdown.subscriptions.calendar import Interval, first_of_next_month, zone_of
from drawdown.subscriptions.calendar import step as calendar_step
from drawdown.subscriptions.identifiers import lane_of, recharge_purchase_ids

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

_log = logging.getLogger("drawdown.control")

CAP_JOB: Final = "recharge.caps"


def _reread(step: Step, request: SetRecharge) -> Recharge:
    return _stored(step, request.rule.account, request.rule.credit_type)


@handles(SetRecharge, reread=_reread)
def set_recharge(step: Step, request: SetRecharge) -> Recharge:
    """The rule holds from now on; the threshold is in the engine, and an enabled rule is looked at."""
    rule = request.rule
    recharge.check_rule(rule)
    step.open_profile(rule.account)
    _require_buyable(step, rule)
    _require_cap_in_currency(step, rule)
    scale = step.engine.scale(rule.credit_type)
    for field in ("threshold", "to", "amount"):
        if (credits := getattr(rule, field)) is not None:
            units_from_credits(credits, scale, field)
    known = step.work.recharges.get(account=rule.account, credit_type=rule.credit_type)
    standing = RechargeStanding() if known is None else known.standing
    was_on = known is not None and recharge.is_on(known.rule, standing)
    if rule.enabled:
        standing = recharge.enabled_again(standing)
    elif standing.state not in ("in_flight", "action_required"):
        standing = msgspec.structs.replace(standing, state="off")
    is_callers = _watch(step, rule, known)
    standing = msgspec.structs.replace(standing, level_is_callers=is_callers)
    stored = step.work.recharges.put(Recharge(rule=rule, standing=standing))
    if rule.enabled and not was_on:
        step.decision.notice("recharge.enabled", rule.account, credit_type=rule.credit_type)
    if was_on and not rule.enabled:
        step.decision.notice(
            "recharge.disabled", rule.account, credit_type=rule.credit_type, reason="switched_off"
        )
    if rule.enabled:
        evaluate(step, rule.account, rule.credit_type, cause=_cause_by_hand(step, stored))
    return stored


def _cause_by_hand(step: Step, found: Recharge) -> str:
    """Of a look at the balance that no crossing begins: one of its own each time."""
    number = step.work.series.following(f"recharge.set:{found.rule.account}:{found.rule.credit_type}")
    return f"set.{step.plane.name_of(number)}"


def try_held_back(step: Step, account: str, why: str) -> None:
    """What stood in the way of the account's recharges is gone: those held back begin where they are due."""
    for each in step.work.recharges.find(account=account):
        if each.standing.reason == why:
            _evaluate_or_tell(step, account, each.rule.credit_type, cause=_cause_by_hand(step, each))


@handles(GetRecharge)
def get_recharge(step: Step, request: GetRecharge) -> Recharge:
    """Raises ``NotFoundError`` where nobody opted in."""
    return _stored(step, request.account, request.credit_type)


def _stored(step: Step, account: str, credit_type: str) -> Recharge:
    found = step.work.recharges.get(account=account, credit_type=credit_type)
    if found is None or not step.sees(account):
        raise errors.NotFoundError(
            f"account {account[:128]!r} has no recharge of {credit_type[:128]!r}", reason="RECHARGE_UNKNOWN"
        )
    return found


def _require_buyable(step: Step, rule: RechargeRule) -> None:
    """Raises where nothing sells what the rule would buy, as buying it would; off, a rule may say any."""
    if not rule.enabled:
        return
    if rule.pack_id:
        _pack_of(step, rule)
        return
    top_up = top_up_of(step, rule.account, rule.credit_type)
    # Where it fires further below, it buys more.
    least = rule.amount if rule.to is None else rule.to - rule.threshold
    most = rule.amount or Decimal(0)
    if least is not None and not (least >= (top_up.min or 0) and most <= (top_up.max or most)):
        field = "amount" if rule.to is None else "to"
        raise errors.InvalidRequestError(
            f"{field}: the recharge would buy {least:f} credits, and the plan sells "
            f"{top_up.min or 0:f} to {top_up.max or 'any':} at once",
            field=field,
        )


def _pack_of(step: Step, rule: RechargeRule) -> Pack:
    """The pack that the rule buys. Raises as buying it would."""
    pack = step.work.packs.get(pack_id=rule.pack_id)
    if pack is None or pack.credit_type != rule.credit_type or pack.state != "published":
        raise errors.NotFoundError(
            f"there is no pack {rule.pack_id[:128]!r} of {rule.credit_type} to buy",
            reason="PACK_UNKNOWN",
            field="pack_id",
        )
    require_sold(step, rule.account, pack)
    return pack


def _require_cap_in_currency(step: Step, rule: RechargeRule) -> None:
    """Raises where recharges would be paid in another currency than their cap; off, a rule may say any."""
    currency = step.customer_of(rule.account).currency
    if rule.enabled and rule.cap_money is not None and rule.cap_money.currency != currency:
        raise errors.InvalidRequestError(
            f"cap_money: is in {rule.cap_money.currency}, but account {rule.account!r} pays in {currency}; "
            "give the cap in that",
            field="cap_money",
        )


def _watch(step: Step, rule: RechargeRule, known: Recharge | None) -> bool:
    """The engine raises a crossing at the threshold, beside those that others watch; what only the rule
    before watched goes. Whether others watch the threshold itself."""
    watched = set(step.engine.balance(rule.account, rule.credit_type).thresholds)
    if known is not None and known.rule.enabled and not known.standing.level_is_callers:
        watched.discard(known.rule.threshold)
    is_callers = rule.enabled and rule.threshold in watched
    if rule.enabled:
        watched.add(rule.threshold)
    # In an order of their own, so that the command is the same however often it is made.
    thresholds = sorted(watched, key=str)
    step.decision.command(rule.account, commands.set_thresholds(rule.account, rule.credit_type, thresholds))
    return is_callers


def _deliver(plane: ControlPlane, job: StoredJob) -> None:
    """The grant of the recharge is in the engine."""
    plane.delivery.deliver()


@carries_out(EVALUATE_JOB, effect=_deliver)
def next_recharge(step: Step, job: StoredJob, _: object) -> None:
    """The recharge has landed; what was used meanwhile may already need the next.

    Until here the rule is in flight, so no crossing begins another one beside it.
    """
    purchase = step.work.purchase(job.payload["purchase_id"])
    found = step.work.recharges.get(account=purchase.account, credit_type=purchase.credit_type)
    if found is not None and found.standing.purchase_id == purchase.purchase_id:
        standing = recharge.ended(
            found.rule, found.standing, "granted", purchase.asked, purchase.payment_method
        )
        step.work.recharges.put(msgspec.structs.replace(found, standing=standing))
        _evaluate_or_tell(step, purchase.account, purchase.credit_type, cause=job.key)


def evaluate_crossing(step: Step, crossing: Crossing) -> Purchase | None:
    """Begin a recharge for what was there when the crossing happened, unless the balance was looked at
    since: then a recharge that has landed meanwhile, or none that was due, has dealt with it."""
    found = step.work.recharges.get(account=crossing.account, credit_type=crossing.credit_type)
    if found is None or crossing.seq <= found.standing.looked_at_seq:
        return None
    cause = f"crossing.{step.plane.name_of(crossing.seq)}"
    if crossing.available is None:
        return evaluate(step, crossing.account, crossing.credit_type, cause=cause)
    return _begin(step, found, crossing.available, cause)


def evaluate(step: Step, account: str, credit_type: str, *, cause: str) -> Purchase | None:
    """Look at the balance and begin a recharge where the rule asks for one."""
    found = step.work.recharges.get(account=account, credit_type=credit_type)
    if found is None:
        return None
    balance = step.engine.balance(account, credit_type)
    looked = msgspec.structs.replace(found.standing, looked_at_seq=balance.seq)
    found = step.work.recharges.put(msgspec.structs.replace(found, standing=looked))
    return _begin(step, found, balance.available, cause)


def _begin(step: Step, found: Recharge, present: Decimal, cause: str) -> Purchase | None:
    """A recharge with ``present`` available; the same cause never begins two."""
    rule = found.rule
    # One at a time; that another could not be bought is no failure while one is on its way.
    if not rule.enabled or found.standing.state in ("in_flight", "action_required"):
        return None
    account, credit_type = rule.account, rule.credit_type
    pack = step.work.packs.get(pack_id=rule.pack_id) if rule.pack_id else None
    credits = recharge.credits_to_buy(rule, present, None if pack is None else pack.amount)
    if credits <= 0:
        return None
    purchase_id = _free_id(step, account, credit_type, cause)
    if not purchase_id:
        return None
    if step.engine.account(account).suspended:
        # It could not use what it is charged for, and its last payment may have been disputed.
        _hold_back(step, found, _in_month(step, found), recharge.SUSPENDED)
        return None
    purchase = _purchase(step, rule, credits, purchase_id)
    standing = recharge.in_period(found.standing, _month_of(step, account), purchase.price.currency)
    # The customer's cap is on what is charged: tax counts, what credits and the balance pay does not.
    asked = would_charge(step, purchase)
    why_not = recharge.refusal(rule, standing, asked, purchase.payment_method)
    if not why_not and (refused := why_not_taken(step, purchase)) is not None:
        why_not = f"credits_refused_{refused.status.lower()}"
    if why_not:
        _hold_back(step, found, standing, why_not)
        return None
    standing = recharge.begun(standing, purchase_id, asked)
    step.work.recharges.put(msgspec.structs.replace(found, standing=standing))
    step.decision.notice(
        "recharge.started",
        account,
        key=f"recharge.started:{purchase_id}",
        purchase_id=purchase_id,
        credit_type=credit_type,
        credits=f"{purchase.credits:f}",
    )
    return begin_purchase(step, purchase)


def _free_id(step: Step, account: str, credit_type: str, cause: str) -> str:
    """What the recharge of this cause is called; empty: it has begun.

    Ids have colons themselves, so what is put together may read like another account's.
    """
    for name in recharge_purchase_ids(account, credit_type, cause):
        known = step.work.purchases.get(purchase_id=name)
        if known is None:
            return name
        if (known.account, known.credit_type) == (account, credit_type):
            return ""
    raise errors.InternalError(f"account {account!r}: each id for its recharge by {cause!r} is another's")


def _hold_back(step: Step, found: Recharge, standing: RechargeStanding, why_not: str) -> None:
    """Remember why, and tell once a period; what is on its way needs no word."""
    if why_not == "in_flight":
        return
    step.work.recharges.put(
        msgspec.structs.replace(found, standing=msgspec.structs.replace(standing, reason=why_not))
    )
    rule = found.rule
    if why_not in recharge.CAPS and standing.period_start is not None:
        step.decision.job(_cap_job(step, rule, standing.period_start))
    if standing.state != "disabled":
        step.decision.notice(
            "recharge.failed",
            rule.account,
            key=f"recharge.failed:{len(rule.account)}:{rule.account}:{rule.credit_type}:{why_not}:{standing.period_start}",
            credit_type=rule.credit_type,
            reason=why_not,
        )


def _cap_job(step: Step, rule: RechargeRule, month: datetime) -> Job:
    """The caps begin anew with the next month; a balance that stayed low makes no crossing then."""
    zone = step.customer_of(rule.account).time_zone
    begins = first_of_next_month(month + recharge.MIDST_OF_MONTH, zone)
    return Job(
        kind=CAP_JOB,
        key=f"{CAP_JOB}:{len(rule.account)}:{rule.account}:{rule.credit_type}:{begins:%Y%m%dT%H%M%SZ}",
        lane=lane_of(rule.account),
        account=rule.account,
        due_at=begins,
        # After what the instant itself brings: renewals, and the release of what they were paid for.
        rank=95,
        payload={"account": rule.account, "credit_type": rule.credit_type},
    )


@carries_out(CAP_JOB)
def caps_begin_anew(step: Step, job: StoredJob, _: object) -> None:
    """A month has begun: a recharge that its caps held back may be due."""
    _evaluate_or_tell(step, job.payload["account"], job.payload["credit_type"], cause=job.key)


def _evaluate_or_tell(step: Step, account: str, credit_type: str, *, cause: str) -> None:
    """As ``evaluate``; what cannot be bought is a recharge that failed, told once a period.

    A job that raised would be tried for ever, and with it whatever waits in its lane: the renewals.
    """
    try:
        evaluate(step, account, credit_type, cause=cause)
    except (errors.PreconditionError, errors.NotFoundError, errors.InvalidRequestError) as fault:
        found = step.work.recharges.get(account=account, credit_type=credit_type)
        if found is None:
            return
        _log.warning("a recharge could not begin: %s", fault, extra={"account": account})
        _hold_back(step, found, _in_month(step, found), fault.reason)


def _in_month(step: Step, found: Recharge) -> RechargeStanding:
    account = found.rule.account
    return recharge.in_period(found.standing, _month_of(step, account), step.customer_of(account).currency)


def _purchase(step: Step, rule: RechargeRule, credits: Decimal, purchase_id: str) -> Purchase:
    customer = step.customer_of(rule.account)
    now = step.now_of(rule.account)
    expires_at = None
    if rule.expires_after_days is not None:
        days = Interval(1, "day")
        expires_at = calendar_step(now, rule.expires_after_days, days, customer.time_zone)
    purchase = Purchase(
        purchase_id=purchase_id,
        account=rule.account,
        customer_id=customer.customer_id,
        kind="recharge",
        credit_type=rule.credit_type,
        credits=credits,
        price=Money(0, customer.currency),
        created_at=now,
        pack_id=rule.pack_id,
        provider=step.plane.provider.name,
        payment_method=customer.payment_method,
        expires_at=expires_at,
    )
    purchase = _of_pack(step, rule, purchase) if rule.pack_id else _of_top_up(step, purchase)
    # Here, not as it begins: by then the rule would be in flight with a purchase that is none.
    check_purchase(purchase)
    return purchase


def _of_pack(step: Step, rule: RechargeRule, purchase: Purchase) -> Purchase:
    """One pack, as whoever buys it gets it."""
    pack = _pack_of(step, rule)
    price = price_of_pack(step, rule.account, pack, 1)
    return msgspec.structs.replace(purchase, price=price, priority=pack.priority, category=pack.category)


def _of_top_up(step: Step, purchase: Purchase) -> Purchase:
    """So many credits as the top-up sells at once: when they have landed the rest is looked at anew.

    Raises ``PreconditionError`` where they are too few for it.
    """
    top_up = top_up_of(step, purchase.account, purchase.credit_type)
    if purchase.credits < (top_up.min or 0):
        raise errors.PreconditionError(
            f"{purchase.credits:f} credits are less than the {top_up.min:f} that the plan sells at once; "
            "let the recharge buy more",
            reason="TOP_UP_TOO_SMALL",
        )
    credits = purchase.credits if top_up.max is None else min(purchase.credits, top_up.max)
    price = price_in(top_up.prices, step, purchase.account, "the top-up").of(credits)
    lifetime = top_up.lifetime if purchase.expires_at is None else None
    return msgspec.structs.replace(purchase, credits=credits, price=price, lifetime=lifetime)


def _month_of(step: Step, account: str) -> datetime:
    """The start of the account's calendar month, in its customer's zone."""
    zone = zone_of(step.customer_of(account).time_zone)
    local = step.now_of(account).astimezone(zone)
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
