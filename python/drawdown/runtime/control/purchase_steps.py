"""What happens to a purchase: begun, paid, granted, failed. Each step once, whatever is repeated."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from drawdown import errors
from drawdown.billing import recharge
from drawdown.billing.purchase import Purchase, check_purchase, grant_of, moved
from drawdown.catalog.pack import Pack, price_of_packs
from drawdown.catalog.plan import Lifetime
from drawdown.catalog.pricing import Price, price_for
from drawdown.model.decision import Job
from drawdown.model.money import Money
from drawdown.model.results import CommandResult
from drawdown.payments import Charge, ChargeState
from drawdown.runtime.control.purchase_invoices import drop_own, issue, keep_late, net_of_purchase, settle_own
from drawdown.runtime.control.step import Step, refusal
from drawdown.subscriptions.calendar import Interval
from drawdown.subscriptions.calendar import step as calendar_step

CHARGE_JOB: Final = "purchase.charge"
EVALUATE_JOB: Final = "recharge.evaluate"


def lane_of_purchase(purchase_id: str) -> str:
    """A purchase waits for nothing but itself."""
    return f"purchase:{purchase_id}"


def price_in(prices: tuple[Price, ...], step: Step, account: str, what: str) -> Price:
    """The price for the account's customer. Raises ``PreconditionError`` where there is none."""
    customer = step.customer_of(account)
    found = price_for(prices, customer.currency, customer.country)
    if found is None:
        raise errors.PreconditionError(
            f"{what} has no price in {customer.currency}", reason="CURRENCY_UNAVAILABLE", field="currency"
        )
    return found


def price_of_pack(step: Step, account: str, pack: Pack, quantity: int) -> Money:
    """What ``quantity`` packs cost the account's customer; a pack without prices is free."""
    if not pack.prices:
        return Money(0, step.customer_of(account).currency)
    return price_of_packs(price_in(pack.prices, step, account, f"pack {pack.pack_id!r}"), quantity)


def expiry_of(step: Step, account: str, lifetime: Lifetime | None) -> datetime | None:
    """When credits granted now end; ``None``: never."""
    if lifetime is None:
        return None
    zone = step.customer_of(account).time_zone
    return calendar_step(step.now_of(account), 1, Interval(lifetime.count, lifetime.unit), zone)


def why_not_taken(step: Step, purchase: Purchase) -> CommandResult | None:
    """What the engine would answer to the credits of this purchase, were they granted now; ``None``: yes."""
    now = step.now_of(purchase.account)
    refused = step.would_refuse(purchase.account, [grant_of(_dated(step, purchase), purchase.price, now)])
    return None if refused is None else refused[1]


def begin_purchase(step: Step, purchase: Purchase) -> Purchase:
    """The purchase exists with its invoice and its money is asked for, or stands on the next invoice."""
    check_purchase(purchase)
    if purchase.bill_later:
        step.work.purchases.put(purchase)
        tell(step, "purchase.created", purchase)
        return grant(step, purchase)
    purchase = step.work.purchases.put(issue(step, purchase))
    tell(step, "purchase.created", purchase)
    step.decision.job(
        Job(
            kind=CHARGE_JOB,
            key=f"{CHARGE_JOB}:{purchase.purchase_id}",
            lane=lane_of_purchase(purchase.purchase_id),
            account="",
            due_at=step.real_now(),
            payload={"purchase_id": purchase.purchase_id},
        )
    )
    step.run_now(lane_of_purchase(purchase.purchase_id))
    return purchase


def apply_charge(step: Step, purchase: Purchase, charge: Charge) -> Purchase:
    """What the provider says of the charge is on the purchase; a word that comes late changes nothing.

    Money that comes for one that had failed is the account's balance.
    """
    at = step.now_of(purchase.account)
    if charge.state is ChargeState.SUCCEEDED:
        paid = moved(purchase, "paid", at, charge_reference=charge.reference, action_url="", reason="")
        if paid is not purchase:
            if paid.asked:
                tell(step, "payment.succeeded", paid)
            settle_own(step, paid, at)
        elif purchase.state == "failed":
            keep_late(step, purchase, charge.amount)
        return grant(step, paid) if paid.state == "paid" else paid
    if charge.state is ChargeState.FAILED:
        if purchase.state == "action_required" and charge.reason and charge.reason == purchase.reason:
            # Stripe calls what is to be confirmed failed so far, too: the customer may still come.
            return purchase
        failed = moved(purchase, "failed", at, reason=charge.reason, charge_reference=charge.reference)
        if failed is purchase:
            return purchase
        tell(step, "payment.failed", failed, reason=charge.reason)
        tell(step, "purchase.failed", failed, reason=charge.reason)
        drop_own(step, failed)
        return _ended(step, step.work.purchases.put(failed), "failed")
    if charge.state is ChargeState.ACTION_REQUIRED:
        waiting = moved(
            purchase,
            "action_required",
            at,
            reason=charge.reason,
            action_url=charge.action_url,
            charge_reference=charge.reference,
        )
        if waiting is purchase:
            return purchase
        tell(step, "payment.action_required", waiting, action_url=charge.action_url)
        return _ended(step, step.work.purchases.put(waiting), "action_required")
    return step.work.purchases.put(msgspec.structs.replace(purchase, charge_reference=charge.reference))


def grant(step: Step, purchase: Purchase) -> Purchase:
    """The credits are there: row and command are one transaction, the engine takes the grant once.

    Credits that the engine refuses leave the purchase ``paid``: to be refunded, or granted by the
    provider's next word when what stood in the way is gone.
    """
    if step.profile(purchase.account).closed:
        # Paid when the account was closed already: the money is there to be refunded, no credits.
        return step.work.purchases.put(purchase)
    at = step.now_of(purchase.account)
    granted = moved(_dated(step, purchase), "granted", at, reason="")
    command = grant_of(granted, net_of_purchase(step, granted), at)
    refused = step.would_refuse(granted.account, [command])
    if refused is not None:
        return _not_granted(step, purchase, refused[1])
    step.decision.command(granted.account, command)
    tell(step, "purchase.granted", granted, credits=f"{granted.credits:f}")
    return _ended(step, step.work.purchases.put(granted), "granted")


def _dated(step: Step, purchase: Purchase) -> Purchase:
    """With the end of its credits, counted from now: the payment may have taken days."""
    if purchase.expires_at is not None:
        waited = step.now_of(purchase.account) - purchase.created_at
        return msgspec.structs.replace(purchase, expires_at=purchase.expires_at + waited)
    pack = step.work.packs.get(pack_id=purchase.pack_id) if purchase.pack_id else None
    lifetime = purchase.lifetime if pack is None else pack.lifetime
    return msgspec.structs.replace(purchase, expires_at=expiry_of(step, purchase.account, lifetime))


def _not_granted(step: Step, purchase: Purchase, refused: CommandResult) -> Purchase:
    """Whoever runs this is told: the money is there and the credits are not."""
    if purchase.state != "paid":
        # Billed later: no money has moved, so nothing has to happen.
        raise refusal(refused)
    stuck = step.work.purchases.put(msgspec.structs.replace(purchase, reason=refused.status))
    tell(step, "purchase.not_granted", stuck, reason=stuck.reason)
    return _ended(step, stuck, "refused")


def _ended(step: Step, purchase: Purchase, outcome: str) -> Purchase:
    """A recharge learns what became of its purchase."""
    if purchase.kind != "recharge":
        return purchase
    found = step.work.recharges.get(account=purchase.account, credit_type=purchase.credit_type)
    if found is None or found.standing.purchase_id != purchase.purchase_id:
        return purchase
    if outcome == "granted":
        tell(step, "recharge.succeeded", purchase, credits=f"{purchase.credits:f}")
        # Only when the grant is in the engine may the next one begin: the job delivers it first.
        step.decision.job(
            Job(
                kind=EVALUATE_JOB,
                key=f"{EVALUATE_JOB}:{purchase.purchase_id}",
                lane=f"recharge:{purchase.account}",
                account="",
                due_at=step.real_now(),
                payload={"purchase_id": purchase.purchase_id},
            )
        )
        return purchase
    standing = recharge.ended(found.rule, found.standing, outcome, purchase.asked, purchase.payment_method)
    step.work.recharges.put(msgspec.structs.replace(found, standing=standing))
    if outcome in ("failed", "refused"):
        tell(step, "recharge.failed", purchase, reason=purchase.reason)
        if found.rule.enabled:
            tell(step, "recharge.disabled", purchase, reason=standing.reason)
    return purchase


def tell(step: Step, kind: str, purchase: Purchase, **facts: str) -> None:
    """A notice of what happens to a purchase once at most."""
    step.decision.notice(
        kind,
        purchase.account,
        key=f"{kind}:{purchase.purchase_id}",
        purchase_id=purchase.purchase_id,
        purchase_kind=purchase.kind,
        credit_type=purchase.credit_type,
        price=str(purchase.price),
        **({} if purchase.charged is None else {"charged": str(purchase.charged)}),
        **({"invoice_id": purchase.invoice_id} if purchase.invoice_id else {}),
        **facts,
    )
