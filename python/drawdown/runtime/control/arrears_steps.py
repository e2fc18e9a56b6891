"""Arrears on their way to an invoice: what the engine counted past zero, once and to the unit.

A boundary of billing periods puts down whose usage the invoice waits for; when its grace is over, usage is
looked at for the last time and its lines are added. What is noted later is an adjustment on the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import msgspec

from drawdown.billing.invoice import DRAFT_STATES, Invoice, line_of
from drawdown.billing.overage import OverageBilled, overage_since
from drawdown.billing.purchase import line_id_of, what_was_bought
from drawdown.catalog.plan import Plan, version_of
from drawdown.model.instants import us_from_instant
from drawdown.model.money import Money, zero
from drawdown.runtime.control.invoicing import invoice_with_line
from drawdown.runtime.control.step import Step
from drawdown.runtime.control.usage_closing import UsageClosing
from drawdown.storage.sql.documents import Since
from drawdown.subscriptions.arrears import (
    Arrears,
    arrears_of,
    cut_share,
    minimum_charge,
    overage_charge,
    overage_price,
    overage_type,
    part_until,
)
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.change_price import UNUSED
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.renewing import IN_ADVANCE, period_charges, period_stem
from drawdown.subscriptions.servicing import made_charges
from drawdown.subscriptions.subscription import LeftPrice, Subscription


class PeriodEnd(msgspec.Struct, frozen=True):
    """What a period that is over owes: known now, and to be looked at when its grace is over."""

    charges: list[Charge]
    arrears: tuple[Arrears, ...]


def arrears(
    step: Step, subscription: Subscription, plan: Plan, number: int, until: datetime, *, cut: bool = False
) -> PeriodEnd:
    """Period ``number`` is over at ``until``; ``cut`` in the midst of itself."""
    charges = bought_before(step, subscription, plan, number)
    before = _priced_before(step, subscription, plan, number, until, cut=cut)
    if not has_overage(plan) and not before and not plan.minimum_spend:
        return PeriodEnd(charges, ())
    spent = [*charged_in(step, subscription, plan, number), *(each.amount for each in charges)]
    floor_share = Fraction(1)
    if cut and plan.proration == "both":
        floor_share = cut_share(subscription, number, until, gives_back=True)
        spent += _given_back(step, subscription, "cancel")
    owed = arrears_of(subscription, plan, number, until=until, cut=cut, spent=spent, floor_share=floor_share)
    if has_overage(plan) or before:
        # The present plan last: all that was used counts towards its minimum.
        return PeriodEnd(charges, (*before, owed))
    # Nothing that comes late can change this one.
    missing = minimum_charge(owed, zero(subscription.currency))
    return PeriodEnd([*charges, missing] if missing is not None else charges, ())


def _priced_before(
    step: Step, subscription: Subscription, plan: Plan, number: int, until: datetime, *, cut: bool
) -> list[Arrears]:
    """What prices usage of the period beside its present plan: earlier prices, oldest first, then plans
    that were left. None of them has the period's minimum."""
    earlier = [
        part_until(
            arrears_of(subscription, _version(step, each), number, until=until, cut=cut, spent=None),
            each.until,
        )
        for each in subscription.left_prices
    ]
    left = left_behind(step, subscription, plan)
    return [
        *earlier,
        *(arrears_of(subscription, each, number, until=until, cut=cut, spent=None) for each in left),
    ]


def _part_of(ended: Arrears, left: LeftPrice) -> Arrears:
    plan_id, version = version_of(left.plan_key)
    return part_until(msgspec.structs.replace(ended, plan_id=plan_id, version=version), left.until)


def _version(step: Step, left: LeftPrice) -> Plan:
    return step.work.plan(*version_of(left.plan_key))


def since_begun(period: Period) -> Since:
    """Invoices that may have charges of the period."""
    return Since("created_at", us_from_instant(period.start))


def has_overage(plan: Plan) -> bool:
    """Whether the plan prices credits past zero."""
    return plan.overage is not None and plan.credits is not None


def left_behind(step: Step, subscription: Subscription, plan: Plan) -> list[Plan]:
    """Plans that were left in the open period, for overage of types that ``plan`` does not price."""
    plans = [step.work.plan(*version_of(each)) for each in subscription.left_plans]
    priced = {overage_type(plan)}
    return [each for each in plans if overage_type(each) not in priced]


def with_usage(step: Step, invoice: Invoice) -> Invoice:
    """A draft with the lines of its usage as they would be now; nothing is noted as billed."""
    if not invoice.waits_for_usage:
        return invoice
    closing = UsageClosing(step, invoice.account)
    for draft in waiting_drafts(step, invoice.account):
        if draft.invoice_id == invoice.invoice_id:
            break
        closing.lines_onto(draft)
    return closing.lines_onto(invoice)


def waiting_drafts(step: Step, account: str) -> list[Invoice]:
    """Invoices of the account that wait for usage, in the order in which they close."""
    drafts = [
        invoice
        for state in DRAFT_STATES
        for invoice in step.work.invoices.find(account=account, state=state, order="row")
        if invoice.closes_at is not None
    ]
    return sorted(drafts, key=lambda each: each.closes_at or each.created_at)


class UsageClosed(msgspec.Struct, frozen=True):
    """A draft whose usage was looked at for the last time, and what is noted as billed where that stands."""

    invoice: Invoice
    billed: tuple[OverageBilled, ...]


def close_usage(step: Step, invoice: Invoice) -> UsageClosed:
    """The draft with the lines of its usage, waiting no longer. Nothing is noted yet."""
    closing = UsageClosing(step, invoice.account)
    closed = closing.lines_onto(invoice)
    return UsageClosed(
        invoice=msgspec.structs.replace(closed, closes_at=None, arrears=()),
        billed=tuple(closing.billed.values()),
    )


def usage_so_far(
    step: Step, account: str, subscriptions: Iterable[Subscription]
) -> Iterator[tuple[Subscription, list[Charge]]]:
    """Lines of the periods that are open, and of late usage, beyond what will stand on waiting drafts.

    In the order in which the periods end, as invoices will have them: what one owes, none after it does.
    """
    closing: UsageClosing | None = None
    for subscription in sorted(subscriptions, key=lambda each: (_end_of_open(each), each.started_at)):
        pricing = _open_pricing(step, subscription)
        if pricing and closing is None:
            closing = UsageClosing(step, account)
            for draft in waiting_drafts(step, account):
                closing.lines_onto(draft)
        charges = [
            charge
            for owed in pricing
            if closing is not None
            for charge in closing.usage_charges(owed, everything=not owed.part)
        ]
        yield subscription, charges


def _end_of_open(subscription: Subscription) -> datetime:
    return subscription.billing.edge(max(1, subscription.billing_next))


def _open_pricing(step: Step, subscription: Subscription) -> list[Arrears]:
    """What prices the usage of the open period, in the order in which it is looked at."""
    plan = step.work.plan(subscription.plan_id, subscription.version)
    number, until = max(0, subscription.billing_next - 1), _end_of_open(subscription)
    pricing = _priced_before(step, subscription, plan, number, until, cut=False)
    if has_overage(plan):
        pricing.append(arrears_of(subscription, plan, number, until=until, cut=False, spent=None))
    return pricing


class OverageCut(msgspec.Struct, frozen=True):
    """Overage of the open period that is billed before the period ends."""

    charge: Charge | None
    billed: OverageBilled
    """What stands on invoices when the charge does."""


def overage_cut(
    step: Step,
    subscription: Subscription,
    plan: Plan,
    change_id: str,
    now: datetime,
    ends: Arrears | None = None,
) -> OverageCut:
    """The overage that the open period has so far, at the plan's price.

    What drafts wait for is left to them, what came late to earlier prices to these, and late usage of closed
    periods to the next that closes. A period that ``ends`` with it is closed: the rest is an adjustment.
    """
    number = max(0, subscription.billing_next - 1)
    owed = arrears_of(subscription, plan, number, until=now, cut=True, spent=None)
    owed = msgspec.structs.replace(
        owed,
        arrears_id=f"{owed.arrears_id}:change:{change_id}",
        period=Period(start=owed.period.start, end=max(now, owed.period.start)),
    )
    price = overage_price(subscription, plan)
    assert price is not None
    billed, usage = UsageClosing(step, subscription.account).billed_and_usage(owed.credit_type)
    waiting = [each for draft in waiting_drafts(step, subscription.account) for each in draft.arrears]
    # Those of another subscription say nothing of this one's usage, where it is known whose usage is.
    over = [
        each.until
        for each in (*billed.closed, *waiting)
        if each.credit_type == owed.credit_type
        and (not billed.priced or each.subscription_id == owed.subscription_id)
    ]
    begun = max(over, default=None)
    earlier = [
        each
        for each in subscription.left_prices
        if overage_type(_version(step, each)) == owed.credit_type and (begun is None or each.until > begun)
    ]
    since = max([*over, *(each.until for each in earlier)], default=None)
    credits, cut = overage_since(billed, usage, owed.subscription_id, since)
    if ends is not None:
        ended = msgspec.structs.replace(ends, credit_type=owed.credit_type, since=begun)
        parts = [_part_of(ended, each) for each in earlier]
        closed = msgspec.structs.replace(ended, part=f"change:{change_id}")
        cut = msgspec.structs.replace(cut, closed=(*cut.closed, *parts, closed))
    return OverageCut(overage_charge(owed, price, credits), cut)


def charged_in(step: Step, subscription: Subscription, plan: Plan, number: int) -> list[Money]:
    """What period ``number`` was charged with so far: fee and credits, packs, changes of plan."""
    period, stem = subscription.billing.period(number), period_stem(subscription, number)
    lines = [line_of(each) for each in subscription.waiting_charges]
    for service in subscription.services:
        pack = step.work.packs.get(pack_id=service.pack_id)
        if pack is not None:
            lines += map(line_of, made_charges(subscription, service, pack))
    since = since_begun(period)
    for invoice in step.work.invoices.find(account=subscription.account, order="row", since=since):
        if invoice.state != "void" and not invoice.corrects:
            lines += invoice.lines
    own = [
        line
        for line in lines
        if line.subscription_id == subscription.subscription_id
        and line.period is not None
        and period.holds(line.period.start)
        and not line.line_id.endswith(UNUSED)
        # A change to another rhythm charges a period of its own that begins inside this one.
        and (line.kind not in IN_ADVANCE or line.line_id.startswith(f"{stem}:"))
    ]
    amounts = [line.amount for line in own]
    if not any(line.kind in IN_ADVANCE for line in own):
        # What began elsewhere was charged there.
        amounts += [each.amount for each in period_charges(subscription, plan, number)]
    return amounts


def _given_back(step: Step, subscription: Subscription, change_id: str) -> list[Money]:
    """For the unused time of a period that ends early, where that was given back."""
    line_id = f"{subscription.subscription_id}:change:{change_id}{UNUSED}"
    invoice = invoice_with_line(step, subscription, line_id)
    lines = [] if invoice is None else invoice.lines
    return [line.amount for line in lines if line.line_id == line_id]


def bought_before(step: Step, subscription: Subscription, plan: Plan, number: int) -> list[Charge]:
    """Packs and top-ups whose credits came first: their money, once; of one given back, the spent share."""
    find, account = step.work.purchases.find, subscription.account
    bought = find(account=account, state="granted", order="row")
    given_back = [each for each in find(account=account, state="refunded", order="row") if each.charged]
    charges = []
    for purchase in (*bought, *given_back):
        if not purchase.bill_later or purchase.invoice_id or purchase.price.currency != subscription.currency:
            continue
        charges.append(
            Charge(
                charge_id=line_id_of(purchase),
                kind="pack" if purchase.pack_id else "top_up",
                description=what_was_bought(purchase, step.work.pack_name(purchase.pack_id)),
                amount=purchase.asked,
                quantity=Decimal(purchase.quantity),
                period=subscription.billing.period(number),
                subscription_id=subscription.subscription_id,
                plan_key=plan.key,
                reference=purchase.pack_id,
                in_advance=False,
            )
        )
        # Until its line is on an invoice, whose id it has then.
        on = f"{subscription.subscription_id}:{subscription.epoch}.{number}"
        step.work.purchases.put(msgspec.structs.replace(purchase, invoice_id=on))
    return charges
