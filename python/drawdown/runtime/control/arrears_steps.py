"""Arrears on their way to an invoice: what the engine counted past zero, once and to the unit.

The engine's overage is a sum that only usage and corrections move; what stands on invoices is kept
beside it. A boundary bills the difference of all closed periods, so that usage noted late is on the next
invoice and nothing is billed twice or forgotten.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from drawdown.billing.balances import OverageBilled
from drawdown.billing.invoice import line_of
from drawdown.billing.purchase import Purchase
from drawdown.catalog.plan import Plan
from drawdown.model.instants import us_from_instant
from drawdown.model.money import Money
from drawdown.runtime.control.step import Step
from drawdown.storage.sql import tables
from drawdown.subscriptions.arrears import minimum_charge, overage_charge
from drawdown.subscriptions.change_price import UNUSED
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.renewing import period_charges
from drawdown.subscriptions.servicing import delivery_charges
from drawdown.subscriptions.subscription import Subscription


def arrears(
    step: Step, subscription: Subscription, plan: Plan, number: int, *, with_open_period: bool = False
) -> list[Charge]:
    """Overage and true-up of period ``number``, which is over; overage taken is noted as billed."""
    charges = []
    overage = _overage(step, subscription, plan, number, with_open_period)
    if overage is not None:
        charges.append(overage)
    charges += _bought_before(step, subscription, plan, number)
    if plan.minimum_spend and subscription.state == "active":
        spent = [*_charged_in(step, subscription, plan, number), *(each.amount for each in charges)]
        true_up = minimum_charge(subscription, plan, number, spent)
        if true_up is not None:
            charges.append(true_up)
    return charges


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
                charge_id=f"purchase:{purchase.purchase_id}",
                kind="pack" if purchase.pack_id else "top_up",
                description=_what_was_bought(step, purchase),
                amount=purchase.price,
                quantity=Decimal(purchase.quantity),
                period=subscription.billing.period(number),
                subscription_id=subscription.subscription_id,
                plan_key=plan.key,
                reference=purchase.pack_id,
                in_advance=False,
            )
        )
        on = f"{subscription.subscription_id}:{subscription.epoch}.{number}"
        step.work.purchases.put(msgspec.structs.replace(purchase, invoice_id=on))
    return charges


def _what_was_bought(step: Step, purchase: Purchase) -> str:
    """As its buyer knows it: the pack's name first."""
    credits = f"{purchase.credits.normalize():f} {purchase.credit_type}"
    pack = step.work.packs.get(pack_id=purchase.pack_id) if purchase.pack_id else None
    return credits if pack is None else f"{pack.name}, {credits}"


def _overage(
    step: Step, subscription: Subscription, plan: Plan, number: int, with_open_period: bool
) -> Charge | None:
    if plan.overage is None or plan.credits is None:
        return None
    account, credit_type = subscription.account, plan.credits.credit_type
    so_far, present = step.engine.overage(account, credit_type)
    closed = so_far if with_open_period else so_far - present
    billed = step.work.overage_billed.get(account=account, credit_type=credit_type) or OverageBilled(
        account=account, credit_type=credit_type
    )
    charge = overage_charge(subscription, plan, number, credit_type, closed - billed.credits)
    step.work.overage_billed.put(msgspec.structs.replace(billed, credits=closed))
    return charge
