"""Arrears on their way to an invoice: what the engine counted past zero, once and to the unit.

A boundary of billing periods puts down whose usage the invoice waits for; when its grace is over, usage is
looked at for the last time and its lines are added. What is noted later is an adjustment on the next.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from drawdown.billing.invoice import Invoice, line_of
from drawdown.billing.overage import (
    LateUsage,
    OverageBilled,
    UsagePeriod,
    overage_noted,
    overage_owed,
    overage_since,
)
from drawdown.billing.purchase import line_id_of, what_was_bought
from drawdown.catalog.plan import Plan, version_of
from drawdown.catalog.pricing import Price
from drawdown.model.instants import us_from_instant
from drawdown.model.money import Money, zero
from drawdown.runtime.control.step import Step
from drawdown.storage.sql import tables
from drawdown.subscriptions.arrears import (
    Arrears,
    arrears_of,
    late_charge,
    minimum_charge,
    overage_charge,
    overage_price,
    overage_type,
)
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.change_price import UNUSED
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.renewing import period_charges
from drawdown.subscriptions.servicing import delivery_charges
from drawdown.subscriptions.subscription import Subscription


class PeriodEnd(msgspec.Struct, frozen=True):
    """What a period that is over owes: known now, and to be looked at when its grace is over."""

    charges: list[Charge]
    arrears: tuple[Arrears, ...]


def arrears(
    step: Step, subscription: Subscription, plan: Plan, number: int, until: datetime, *, cut: bool = False
) -> PeriodEnd:
    """Period ``number`` is over at ``until``; ``cut`` in the midst of itself."""
    charges = _bought_before(step, subscription, plan, number)
    left = left_behind(step, subscription, plan)
    if not has_overage(plan) and not left and not plan.minimum_spend:
        return PeriodEnd(charges, ())
    spent = [*_charged_in(step, subscription, plan, number), *(each.amount for each in charges)]
    owed = arrears_of(subscription, plan, number, until=until, cut=cut, spent=spent)
    if has_overage(plan) or left:
        # The present plan last: all that was used counts towards its minimum.
        before = [arrears_of(subscription, each, number, until=until, cut=cut, spent=None) for each in left]
        return PeriodEnd(charges, (*before, owed))
    # Nothing that comes late can change this one.
    missing = minimum_charge(owed, zero(subscription.currency))
    return PeriodEnd([*charges, missing] if missing is not None else charges, ())


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
    closing = _Closing(step, invoice.account)
    for draft in waiting_drafts(step, invoice.account):
        if draft.invoice_id == invoice.invoice_id:
            break
        closing.lines_onto(draft)
    return closing.lines_onto(invoice)


def waiting_drafts(step: Step, account: str) -> list[Invoice]:
    """Invoices of the account that wait for usage, in the order in which they close."""
    drafts = [
        invoice
        for state in ("draft", "approved")
        for invoice in step.work.invoices.find(account=account, state=state, order="row")
        if invoice.closes_at is not None
    ]
    return sorted(drafts, key=lambda each: each.closes_at or each.created_at)


def close_usage(step: Step, invoice: Invoice) -> Invoice:
    """The draft with the lines of its usage, which stands on it now and waits no longer."""
    closing = _Closing(step, invoice.account)
    closed = closing.lines_onto(invoice)
    for billed in closing.billed.values():
        step.work.overage_billed.put(billed)
    return msgspec.structs.replace(closed, closes_at=None, arrears=())


def usage_so_far(step: Step, subscription: Subscription, plan: Plan) -> list[Charge]:
    """Lines of the period that is open, and of late usage, beyond what will stand on waiting drafts."""
    pricing = [*left_behind(step, subscription, plan), *([plan] if has_overage(plan) else [])]
    if not pricing:
        return []
    closing = _Closing(step, subscription.account)
    for draft in waiting_drafts(step, subscription.account):
        closing.lines_onto(draft)
    number = max(0, subscription.billing_next - 1)
    until = subscription.billing.edge(number + 1)
    present = [arrears_of(subscription, each, number, until=until, cut=False, spent=None) for each in pricing]
    return [charge for owed in present for charge in closing.usage_charges(owed, everything=True)]


def overage_cut(step: Step, subscription: Subscription, plan: Plan, change_id: str) -> list[Charge]:
    """The overage that the open period has so far, at the plan's price; it counts as billed from now on.

    What drafts wait for is left to them, and late usage of closed periods to the next that closes.
    """
    number = max(0, subscription.billing_next - 1)
    now = step.now_of(subscription.account)
    owed = arrears_of(subscription, plan, number, until=now, cut=True, spent=None)
    owed = msgspec.structs.replace(
        owed,
        arrears_id=f"{owed.arrears_id}:change:{change_id}",
        period=Period(start=owed.period.start, end=max(now, owed.period.start)),
    )
    price = overage_price(subscription, plan)
    assert price is not None
    closing = _Closing(step, subscription.account)
    billed, usage = closing.billed_and_usage(owed.credit_type)
    waiting = [each for draft in waiting_drafts(step, subscription.account) for each in draft.arrears]
    over = [each.until for each in (*billed.closed, *waiting) if each.credit_type == owed.credit_type]
    credits, cut = overage_since(billed, usage, max(over, default=None))
    charge = overage_charge(owed, price, credits)
    if charge is None:
        return []
    step.work.overage_billed.put(cut)
    return [charge]


class _Closing:
    """Usage of one account that is looked at for invoices, one billing period after the other."""

    def __init__(self, step: Step, account: str) -> None:
        self._step = step
        self._account = account
        self._usage: dict[str, list[UsagePeriod]] = {}
        self.billed: dict[str, OverageBilled] = {}
        """As it is when all that was looked at is billed, by credit type."""
        self._overage: dict[str, Money] = {}
        """Of all credit types of a billing period, which has one minimum."""

    def lines_onto(self, invoice: Invoice) -> Invoice:
        have = {line.line_id for line in invoice.lines}
        charges = [charge for owed in invoice.arrears for charge in self._charges(owed)]
        lines = (line_of(each) for each in charges if each.charge_id not in have)
        return msgspec.structs.replace(invoice, lines=(*invoice.lines, *lines))

    def _charges(self, owed: Arrears) -> list[Charge]:
        charges = self.usage_charges(owed) if owed.credit_type else []
        subscription = self._step.work.subscription(owed.subscription_id)
        overage = self._overage.get(owed.arrears_id, zero(subscription.currency))
        for each in charges:
            overage = overage + each.amount if each.kind == "overage" else overage
        self._overage[owed.arrears_id] = overage
        missing = minimum_charge(owed, overage)
        return charges if missing is None else [*charges, missing]

    def usage_charges(self, owed: Arrears, *, everything: bool = False) -> list[Charge]:
        """Overage of the period, and of closed ones what came late; with ``everything`` to this moment."""
        billed, usage = self.billed_and_usage(owed.credit_type)
        found = overage_owed(billed, usage, None if everything else owed.until)
        charges = []
        price = self._price(owed)
        charge = None if price is None else overage_charge(owed, price, found.credits)
        if charge is not None:
            charges.append(charge)
        charges += [each for late in found.late for each in self._late_charges(owed, late)]
        if not everything:
            window = self._step.plane.dedupe_window
            self.billed[owed.credit_type] = overage_noted(billed, usage, owed, changes_for=window)
        return charges

    def billed_and_usage(self, credit_type: str) -> tuple[OverageBilled, list[UsagePeriod]]:
        """What stands on invoices, and what was counted."""
        return self._billed(credit_type), self._usage_of(credit_type)

    def _late_charges(self, owed: Arrears, late: LateUsage) -> list[Charge]:
        """At the closed period's own price; at the present one where that was in another currency."""
        price, present = self._price(late.closed), self._price(owed)
        closed = late.closed
        if price is not None and present is not None and price.currency != present.currency:
            price, closed = present, msgspec.structs.replace(closed, minimum=None)
        return [] if price is None else [late_charge(owed, closed, price, late.before, late.credits)]

    def _price(self, owed: Arrears) -> Price | None:
        subscription = self._step.work.subscription(owed.subscription_id)
        return overage_price(subscription, self._step.work.plan(owed.plan_id, owed.version))

    def _billed(self, credit_type: str) -> OverageBilled:
        known = self.billed.get(credit_type)
        if known is None:
            known = self._step.work.overage_billed.get(account=self._account, credit_type=credit_type)
        return known or OverageBilled(account=self._account, credit_type=credit_type)

    def _usage_of(self, credit_type: str) -> list[UsagePeriod]:
        if credit_type not in self._usage:
            found = self._step.engine.overage(self._account, credit_type)
            self._usage[credit_type] = [UsagePeriod(start, credits) for start, credits in found]
        return self._usage[credit_type]


def _charged_in(step: Step, subscription: Subscription, plan: Plan, number: int) -> list[Money]:
    """What period ``number`` was charged with so far: fee and credits, packs, changes of plan."""
    period = subscription.billing.period(number)
    lines = [line_of(each) for each in subscription.waiting_charges]
    for service in subscription.services:
        pack = step.work.packs.get(pack_id=service.pack_id)
        if service.bill_later and pack is not None:
            lines += map(line_of, delivery_charges(subscription, service, pack, period))
    since = tables.billing.invoice.c.created_at >= us_from_instant(period.start)
    for invoice in step.work.invoices.find(since, account=subscription.account, order="row"):
        if invoice.state != "void" and not invoice.corrects:
            lines += invoice.lines
    own = [
        line
        for line in lines
        if line.subscription_id == subscription.subscription_id
        and line.period is not None
        and period.holds(line.period.start)
        and not line.line_id.endswith(UNUSED)
    ]
    amounts = [line.amount for line in own]
    if not any(line.kind in ("base_fee", "credits") for line in own):
        # What began elsewhere was charged there.
        amounts += [each.amount for each in period_charges(subscription, plan, number)]
    return amounts


def _bought_before(step: Step, subscription: Subscription, plan: Plan, number: int) -> list[Charge]:
    """Packs and top-ups whose credits came first: their money, once."""
    charges = []
    for purchase in step.work.purchases.find(account=subscription.account, state="granted", order="row"):
        if not purchase.bill_later or purchase.invoice_id or purchase.price.currency != subscription.currency:
            continue
        charges.append(
            Charge(
                charge_id=line_id_of(purchase),
                kind="pack" if purchase.pack_id else "top_up",
                description=what_was_bought(purchase, step.work.pack_name(purchase.pack_id)),
                amount=purchase.price,
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
