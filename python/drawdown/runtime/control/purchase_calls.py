"""Buying packs and top-ups, reading and refunding purchases, and the provider's calls."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from drawdown import errors
from drawdown.billing.bought_credits import held_of, voided_of
from drawdown.billing.purchase import REFUND_POLICIES, Purchase
from drawdown.billing.purchase_requests import (
    CallbackAnswer,
    CreatePurchase,
    GetPurchase,
    ListPurchases,
    MarkPurchasePaid,
    ProviderCallback,
    Purchases,
    RefundPurchase,
)
from drawdown.billing.retrying import ADVANCE_KEY, attempt_of
from drawdown.catalog.pack import Pack
from drawdown.catalog.plan import TopUpCharge
from drawdown.model.credits import units_from_credits
from drawdown.model.decision import Job
from drawdown.model.ids import check_id
from drawdown.model.money import Money
from drawdown.payments import Charge, ManualProvider, PaymentCallback
from drawdown.runtime.control.disputes import note_dispute
from drawdown.runtime.control.invoice_jobs import apply_advance, apply_payment
from drawdown.runtime.control.purchase_invoices import own_invoice
from drawdown.runtime.control.purchase_jobs import REFUND_JOB, refund_job_key, refundable_of
from drawdown.runtime.control.purchase_steps import (
    apply_charge,
    begin_purchase,
    lane_of_purchase,
    price_in,
    price_of_pack,
    why_not_taken,
)
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step, refusal
from drawdown.storage.sql.tables.payments import purchase as purchase_table
from drawdown.subscriptions.entitling import in_force
from drawdown.subscriptions.identifiers import RECHARGE_PREFIX, lane_of

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

# Packs bought at once.
QUANTITY_MAX = 1_000_000


def _reread(step: Step, request: CreatePurchase | RefundPurchase | MarkPurchasePaid) -> Purchase:
    return step.work.purchase(request.purchase_id)


@handles(CreatePurchase, reread=_reread)
def create_purchase(step: Step, request: CreatePurchase) -> Purchase:
    """Exactly once: asked for at once, granted on success, failed otherwise."""
    check_id(request.purchase_id, "purchase_id")
    step.profile(request.account)
    known = step.work.purchases.get(purchase_id=request.purchase_id)
    if not step.work.first_time(request, request.purchase_id, exists=known is not None):
        step.run_now(lane_of_purchase(request.purchase_id))
        return step.work.purchase(request.purchase_id)
    _require_free_id(request.purchase_id)
    step.open_profile(request.account)
    purchase = _pack(step, request) if request.pack_id else _top_up(step, request)
    if request.bill_later:
        _require_later_invoice(step, purchase)
    # Before any money is asked for: what is paid for has to be there afterwards.
    if (refused := why_not_taken(step, purchase)) is not None:
        raise refusal(refused)
    begun = begin_purchase(step, purchase)
    if begun.asked.minor > 0 and not begun.payment_method and not begun.bill_later:
        raise errors.PreconditionError(
            "there is no card on file: give a payment_method, or put one on the customer",
            reason="PAYMENT_METHOD_REQUIRED",
            field="payment_method",
        )
    return begun


def _require_free_id(purchase_id: str) -> None:
    """Raises ``InvalidRequestError`` where an automatic recharge could have the id: it would never begin."""
    if purchase_id.startswith(RECHARGE_PREFIX):
        raise errors.InvalidRequestError(
            f"purchase_id: {purchase_id!r} begins like the id of an automatic recharge; choose another",
            field="purchase_id",
        )


def _require_later_invoice(step: Step, purchase: Purchase) -> None:
    """Raises ``PreconditionError`` where no subscription would ever bill it."""
    live = step.work.subscriptions.find(account=purchase.account, live=True)
    if not any(each.state != "pending" and each.currency == purchase.price.currency for each in live):
        raise errors.PreconditionError(
            f"no active subscription of account {purchase.account!r} bills in {purchase.price.currency}; "
            "buy without bill_later, or subscribe first",
            reason="NO_LATER_INVOICE",
            field="bill_later",
        )


def _draft(
    step: Step, request: CreatePurchase, *, kind: str, credit_type: str, credits: Decimal, price: Money
) -> Purchase:
    customer = step.customer_of(request.account)
    return Purchase(
        purchase_id=request.purchase_id,
        account=request.account,
        customer_id=customer.customer_id,
        kind=kind,
        credit_type=credit_type,
        credits=credits,
        price=price,
        created_at=step.now_of(request.account),
        pack_id=request.pack_id,
        quantity=request.quantity,
        provider=step.plane.provider.name,
        payment_method=request.payment_method or customer.payment_method,
        bill_later=request.bill_later,
    )


def require_sold(step: Step, account: str, pack: Pack) -> None:
    """Raises ``PreconditionError`` where all plans of the account list packs, and none of them this one."""
    subscriptions = in_force(step.work.subscriptions.find(account=account, live=True))
    lists = [step.work.plan(each.plan_id, each.version).packs for each in subscriptions]
    if lists and all(packs and pack.pack_id not in packs for packs in lists):
        raise errors.PreconditionError(
            f"no plan of account {account!r} sells pack {pack.pack_id!r}",
            reason="PACK_NOT_ON_PLAN",
            field="pack_id",
        )


def _pack(step: Step, request: CreatePurchase) -> Purchase:
    pack = step.work.packs.get(pack_id=request.pack_id)
    if pack is None or pack.state != "published":
        raise errors.NotFoundError(
            f"there is no pack {request.pack_id[:128]!r} to buy", reason="PACK_UNKNOWN", field="pack_id"
        )
    require_sold(step, request.account, pack)
    if request.credit_type or request.credits:
        raise errors.InvalidRequestError("pack_id: give a pack, or credits, not both", field="pack_id")
    if not 1 <= request.quantity <= QUANTITY_MAX:
        raise errors.InvalidRequestError(f"quantity: 1–{QUANTITY_MAX}", field="quantity")
    credits = pack.amount * request.quantity
    units_from_credits(credits, step.engine.scale(pack.credit_type), "quantity")
    draft = _draft(
        step,
        request,
        kind="pack",
        credit_type=pack.credit_type,
        credits=credits,
        price=price_of_pack(step, request.account, pack, request.quantity),
    )
    return msgspec.structs.replace(draft, priority=pack.priority, category=pack.category)


def top_up_of(step: Step, account: str, credit_type: str) -> TopUpCharge:
    """The top-up of the newest live subscription that sells this type.

    Raises ``PreconditionError`` where no plan of the account allows it.
    """
    for subscription in in_force(step.work.subscriptions.find(account=account, live=True)):
        plan = step.work.plan(subscription.plan_id, subscription.version)
        if plan.top_up is not None and plan.credits is not None and plan.credits.credit_type == credit_type:
            return plan.top_up
    raise errors.PreconditionError(
        f"no plan of account {account!r} sells {credit_type!r} in between",
        reason="TOP_UP_NOT_ALLOWED",
        field="credit_type",
    )


def _top_up(step: Step, request: CreatePurchase) -> Purchase:
    if not request.credit_type:
        raise errors.InvalidRequestError(
            "pack_id: give a pack_id, or credit_type and credits", field="pack_id"
        )
    if request.credits <= 0:
        raise errors.InvalidRequestError("credits: must be more than 0", field="credits")
    top_up = top_up_of(step, request.account, request.credit_type)
    units_from_credits(request.credits, step.engine.scale(request.credit_type), "credits")
    for bound, is_beyond in (
        (top_up.min, request.credits < (top_up.min or 0)),
        (top_up.max, request.credits > (top_up.max or request.credits)),
    ):
        if bound is not None and is_beyond:
            raise errors.InvalidRequestError(
                f"credits: {request.credits:f} is not between {top_up.min or 0:f} and {top_up.max or 'any':}",
                field="credits",
            )
    price = price_in(top_up.prices, step, request.account, "the top-up").of(request.credits)
    draft = _draft(
        step, request, kind="top_up", credit_type=request.credit_type, credits=request.credits, price=price
    )
    return msgspec.structs.replace(draft, lifetime=top_up.lifetime)


@handles(GetPurchase)
def get_purchase(step: Step, request: GetPurchase) -> Purchase:
    """Raises ``NotFoundError``."""
    return step.work.purchase(request.purchase_id, step.account_prefix)


@handles(ListPurchases)
def list_purchases(step: Step, request: ListPurchases) -> Purchases:
    """Oldest first; ``after`` is the id of the last one seen."""
    if not step.sees(request.account):
        return Purchases(purchases=())
    where = []
    if request.after:
        seen = (
            purchase_table.select()
            .with_only_columns(purchase_table.c.row)
            # Of another account's purchase it would say that it is there.
            .where(purchase_table.c.purchase_id == request.after)
            .where(purchase_table.c.account == request.account)
            .scalar_subquery()
        )
        where.append(purchase_table.c.row > seen)
    limit = min(max(request.limit, 1), 1_000)
    found = step.work.purchases.find(*where, order="row", limit=limit, account=request.account)
    return Purchases(purchases=tuple(found))


def _refunded(step: Step, request: RefundPurchase) -> Purchase:
    """Raises ``PreconditionError`` where the provider has refused the money for good."""
    purchase = _reread(step, request)
    if purchase.refund_refusal:
        raise errors.PreconditionError(
            f"purchase {purchase.purchase_id!r} was not refunded and keeps its credits: "
            f"{purchase.refund_refusal}; ask for what the provider can give, or give it back outside",
            reason="REFUND_REFUSED",
        )
    return purchase


@handles(RefundPurchase, reread=_refunded)
def refund(step: Step, request: RefundPurchase) -> Purchase:
    """Once: a refunded purchase stays as it is. What the provider refused before is asked for anew."""
    purchase = step.work.purchase(request.purchase_id, step.account_prefix)
    if request.policy not in REFUND_POLICIES:
        raise errors.InvalidRequestError(f"policy: one of {', '.join(REFUND_POLICIES)}", field="policy")
    if purchase.state == "refunded":
        return purchase
    if not purchase.is_refundable:
        raise errors.PreconditionError(
            f"purchase {purchase.purchase_id!r} is {purchase.state}; only a paid one is refunded",
            reason="PURCHASE_NOT_GRANTED",
        )
    amount = request.amount
    left = refundable_of(step, purchase)
    if amount is not None and not (amount.currency == left.currency and 0 <= amount.minor <= left.minor):
        raise errors.InvalidRequestError(f"amount: between 0 and {left}", field="amount")
    if request.policy == "take_unspent":
        _require_not_held(step, purchase)
    if purchase.refund_refusal:
        step.work.purchases.put(msgspec.structs.replace(purchase, reason=""))
    _give_back(step, purchase, request.policy, None if amount is None else amount.minor, is_dispute=False)
    return purchase


def _require_not_held(step: Step, purchase: Purchase) -> None:
    """Raises ``PreconditionError``: what a reservation needs of its credits is not known before it ends."""
    held = held_of(purchase, step.engine.grants(purchase.account, credit_type=purchase.credit_type))
    if held:
        raise errors.PreconditionError(
            f"reservations hold {held.normalize():f} credits of purchase {purchase.purchase_id!r}; settle or "
            "release them first, or wait until they lapse",
            reason="CREDITS_HELD",
        )


def _give_back(step: Step, purchase: Purchase, policy: str, minor: int | None, *, is_dispute: bool) -> None:
    lane = lane_of_purchase(purchase.purchase_id)
    key, refusals = refund_job_key(step, purchase, is_dispute=is_dispute)
    grants = step.engine.grants(purchase.account, credit_type=purchase.credit_type)
    step.decision.job(
        Job(
            kind=REFUND_JOB,
            key=key,
            lane=lane,
            account="",
            due_at=step.real_now(),
            payload={
                "purchase_id": purchase.purchase_id,
                "policy": policy,
                "minor": minor,
                "is_dispute": is_dispute,
                "refusals": refusals,
                # Before the first of its credits goes, so that a repeat after a crash measures the same.
                "withdrawn": f"{voided_of(purchase, grants):f}",
            },
        )
    )
    step.run_now(lane)


def _mark(plane: ControlPlane, request: MarkPurchasePaid, account_prefix: str) -> Charge:
    """The operator's word is in the manual provider's book first; others are asked to stop the charge."""
    provider = plane.provider
    if not isinstance(provider, ManualProvider) and not request.failed:
        raise errors.PreconditionError(
            f"the provider {provider.name!r} says itself what was paid", reason="NOT_MANUAL"
        )
    purchase: Purchase = plane.read(lambda step: step.work.purchase(request.purchase_id, account_prefix))
    if isinstance(provider, ManualProvider):
        mark = provider.mark_failed if request.failed else provider.mark_paid
        return mark(purchase.charge_key)
    if not purchase.charge_reference:
        raise errors.PreconditionError(
            f"the provider {provider.name!r} has not answered yet what became of purchase "
            f"{purchase.purchase_id!r}; it is asked again, fail it after that",
            reason="CHARGE_UNKNOWN",
        )
    return provider.cancel(purchase.charge_key, purchase.charge_reference)


@handles(MarkPurchasePaid, reread=_reread, before=_mark)
def mark_purchase_paid(step: Step, request: MarkPurchasePaid) -> Purchase:
    """Paid, and granted; or failed, unless the provider has taken the money by then."""
    purchase = step.work.purchase(request.purchase_id, step.account_prefix)
    charge: Charge = step.prior
    return apply_charge(step, purchase, charge)


def _verified(plane: ControlPlane, request: ProviderCallback, _: str) -> PaymentCallback | None:
    return plane.provider.callback(request.body.encode(), request.headers)


def _dispute(step: Step, purchase: Purchase, charge: Charge) -> None:
    """The bank has taken the money back: so are the credits, or it is told where there is nothing to take."""
    if purchase.is_refundable:
        _give_back(step, purchase, step.plane.chargeback_policy, None, is_dispute=True)
        return
    invoice = own_invoice(step, purchase)
    if invoice is not None and purchase.reason != "disputed":
        note_dispute(step, invoice, charge.amount)


@handles(ProviderCallback, before=_verified)
def provider_callback(step: Step, request: ProviderCallback) -> CallbackAnswer:
    """Applied whatever order it comes in; about nothing of ours: nothing."""
    word: PaymentCallback | None = step.prior
    if word is None:
        return CallbackAnswer()
    purchase = step.work.purchases.get(charge_key=word.charge.key)
    if purchase is not None:
        if purchase.is_open or not word.disputed:
            # Also where it is disputed: the bank's word may overtake that of the payment.
            purchase = apply_charge(step, purchase, word.charge)
        if word.disputed:
            _dispute(step, purchase, word.charge)
        return CallbackAnswer(
            purchase_id=purchase.purchase_id, invoice_id=purchase.invoice_id, state=purchase.state
        )
    is_advance = word.charge.key.startswith(ADVANCE_KEY)
    named = word.charge.key.removeprefix(ADVANCE_KEY) if is_advance else attempt_of(word.charge.key)[0]
    invoice = step.work.invoices.get(invoice_id=named)
    if invoice is None:
        return CallbackAnswer()
    # What came besides and the bank has taken back is nobody's.
    if not word.disputed or invoice.state not in ("paid", "void"):
        apply = apply_advance if is_advance else apply_payment
        invoice = apply(step, invoice, word.charge, step.now_of(invoice.account))
        step.run_now(lane_of(invoice.account))
    if word.disputed:
        note_dispute(step, invoice, word.charge.amount)
    return CallbackAnswer(invoice_id=invoice.invoice_id, state=invoice.state)
