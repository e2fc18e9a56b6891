"""Asking the provider for the money of a purchase, and for giving it back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from drawdown.billing.bought_credits import (
    grants_with,
    held_of,
    is_aside,
    put_aside,
    taken_of,
    unspent_share,
    voided_of,
)
from drawdown.billing.purchase import REFUND_REFUSED, Purchase, moved
from drawdown.errors import NotFoundError, PreconditionError, UnavailableError
from drawdown.model import commands
from drawdown.model.money import Money, total, zero
from drawdown.model.results import Grant
from drawdown.model.status import is_applied
from drawdown.payments import Charge, PaymentRequest, RefundRequest
from drawdown.runtime.control.charging import Asking, ask_for_money, asking
from drawdown.runtime.control.invoice_foot import add_to_balance
from drawdown.runtime.control.purchase_invoices import left_of, note_refund, own_invoice
from drawdown.runtime.control.purchase_steps import CHARGE_JOB, apply_charge, tell
from drawdown.runtime.control.registry import carries_out
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.jobs import StoredJob

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

REFUND_JOB: Final = "purchase.refund"
# Transfers that are quicker one after the other, before the refund is put off.
VOIDS_MAX: Final = 20
# One digit: the longest id of a purchase leaves room for no more.
DEBIT_IDS_MAX: Final = 9
# Printed on the credit note; what became of the credits is the account's business.
_NOTES: Final = {"take_unspent": "Refund of what is unspent", "disputed": "Chargeback"}


class Refunding(msgspec.Struct, frozen=True):
    """A purchase that is to be given back, and how."""

    purchase: Purchase
    left: Money
    """What it came to and no credit note has taken back."""
    policy: str
    minor: int | None
    is_dispute: bool
    withdrawn: Decimal
    """Of its credits, void when it was asked for: by credit notes, whose money is not in ``left``."""
    key: str
    """Ours of this refund, at the provider."""
    job: StoredJob
    """That carries it out; ``minor`` is on it from before the provider is asked."""


class Taken(msgspec.Struct, frozen=True):
    """What a refund took back, and what it gives."""

    money: Money
    besides: Money
    """Of the money, what the provider does not give: it was paid by the balance, or lies below its steps."""
    credits: Decimal
    refusal: str = ""
    """Why the provider gives nothing, now or ever."""


def payment_of(step: Step, job: StoredJob) -> Asking | None:
    """What to ask the provider for; nothing where the purchase is not open any more."""
    purchase = step.work.purchase(job.payload["purchase_id"])
    if not purchase.is_open:
        return None
    customer = step.customer_of(purchase.account)
    credits = f"{purchase.credits.normalize():f} {purchase.credit_type}"
    request = PaymentRequest(
        key=purchase.charge_key,
        amount=purchase.asked,
        customer_reference=customer.provider_id,
        payment_method=purchase.payment_method,
        description=credits + _invoice_named(step, purchase),
        metadata={"purchase_id": purchase.purchase_id, "account": purchase.account},
    )
    return asking(step, job, request)


def _invoice_named(step: Step, purchase: Purchase) -> str:
    """The same at each asking: providers take a key again only with what it came with."""
    invoice = own_invoice(step, purchase)
    return "" if invoice is None else f", invoice {invoice.number}"


@carries_out(CHARGE_JOB, ask=payment_of, effect=ask_for_money)
def charge_purchase(step: Step, job: StoredJob, charge: Charge | None) -> None:
    """What the provider said is on the purchase, and its credits are there where it said yes."""
    if charge is not None:
        apply_charge(step, step.work.purchase(job.payload["purchase_id"]), charge)


def refund_of(step: Step, job: StoredJob) -> Refunding | None:
    """What to give back; nothing where nothing was paid, or it was given back before."""
    purchase = step.work.purchase(job.payload["purchase_id"])
    if not purchase.is_refundable:
        return None
    asked = job.payload
    left = left_of(step, purchase) if asked["is_dispute"] else refundable_of(step, purchase)
    withdrawn = Decimal(asked.get("withdrawn", "0"))
    return Refunding(
        purchase,
        left,
        asked["policy"],
        asked.get("minor"),
        asked["is_dispute"],
        withdrawn,
        f"{_attempt('refund', asked.get('refusals', 0))}:{purchase.purchase_id}",
        job,
    )


def refundable_of(step: Step, purchase: Purchase) -> Money:
    """What the purchase came to, and neither notes nor the closing of its account have given back.

    Raises ``UnavailableError`` while the closing is not measured yet.
    """
    left = left_of(step, purchase)
    closing = step.work.closings.get(account=purchase.account)
    if closing is None or closing.remainder != "pay_out":
        return left
    if closing.state != "closed":
        raise UnavailableError(f"account {purchase.account!r} is being closed; ask again when it is")
    grants = step.engine.grants(purchase.account, credit_type=purchase.credit_type)
    own = {each.grant_id for each in grants_with(purchase, grants)}
    paid_out = [each.payout for each in closing.lines if each.payout is not None and each.grant_id in own]
    return max(left - total(paid_out, left.currency), zero(left.currency))


def give_back(plane: ControlPlane, asked: Refunding) -> Taken:
    """Credits taken as the policy says, and the money given back; every part of it once.

    Where the provider refuses the money for good no credits are gone.
    """
    # Its grant may be on its way still: a bank's word can come with that of the payment.
    plane.delivery.deliver()
    purchase = asked.purchase
    has_credits = purchase.state == "granted"
    nothing = zero(purchase.price.currency)
    if asked.is_dispute:
        if asked.policy != "take_unspent":
            _let_go(plane, purchase)
        taken = _take(plane, asked) if has_credits else Decimal(0)
        # The bank has taken it already: what was charged, and no more.
        return Taken(min(asked.left, purchase.asked), nothing, taken)
    money = asked.left
    if asked.policy == "take_unspent" and has_credits:
        money = asked.left.times(unspent_share(purchase, _set_aside(plane, asked), asked.withdrawn))
    if asked.minor is not None:
        money = Money(asked.minor, purchase.price.currency)
    if purchase.bill_later:
        besides = nothing
    else:
        _note_amount(plane, asked, money)
        try:
            besides = money - _money_back(plane, asked, min(money, purchase.asked))
        except (PreconditionError, NotFoundError) as fault:
            return Taken(nothing, nothing, Decimal(0), refusal=str(fault))
    return Taken(money, besides, _take(plane, asked) if has_credits else Decimal(0))


def _note_amount(plane: ControlPlane, asked: Refunding, money: Money) -> None:
    """A repeat asks for the same money: its key may have given it already, whatever is unspent by then."""
    if asked.minor is None:
        with plane.sql.transaction() as work:
            work.jobs.rewrite(asked.job.row, {**asked.job.payload, "minor": money.minor})


def _money_back(plane: ControlPlane, asked: Refunding, money: Money) -> Money:
    """What of it the provider gives back. Raises as its ``refund`` does."""
    if money.minor <= 0:
        return money
    return plane.provider.refund(
        RefundRequest(
            key=asked.key,
            charge_reference=asked.purchase.charge_reference,
            amount=money,
            reason=asked.policy,
        )
    ).amount


def _take(plane: ControlPlane, asked: Refunding) -> Decimal:
    """Credits taken back; the same when it is done again."""
    purchase = asked.purchase
    if asked.policy == "take_unspent":
        return _void(plane, purchase) - asked.withdrawn
    if asked.policy == "into_debt":
        return _debit(plane, purchase, purchase.credits - asked.withdrawn)
    plane.engine.execute([commands.SuspendAccount(account=purchase.account)])
    return Decimal(0)


def _debit(plane: ControlPlane, purchase: Purchase, credits: Decimal) -> Decimal:
    """The credits are debited, once, whatever that makes of the balance; answers how many are.

    None where the engine refuses it: the account is closed, or its debt is as large as debts can be.
    """
    for event_id in _debit_ids(purchase):
        status = plane.engine.record(
            purchase.account,
            credit_type=purchase.credit_type,
            credits=credits,
            event_id=event_id,
            force=True,
        ).status
        if is_applied(status):
            return credits
        if status != "CONFLICT":
            break
    return Decimal(0)


def _debit_ids(purchase: Purchase) -> list[str]:
    """The event's id, and more of them, as a caller may have used it. A repeat comes to the same one."""
    first = f"refund:{purchase.purchase_id}"
    return [first, *(f"{first}:{number}" for number in range(2, DEBIT_IDS_MAX + 1))]


def _void(plane: ControlPlane, purchase: Purchase) -> Decimal:
    """All that is left of what was bought and is valid, or will be, is void; answers how much of it is,
    whenever that happened."""

    def void(each: Grant) -> commands.Command:
        return commands.VoidGrant(account=purchase.account, grant_id=each.grant_id)

    return voided_of(purchase, _until_none_stands(plane, purchase, lambda each: False, void))


def _set_aside(plane: ControlPlane, asked: Refunding) -> Decimal:
    """All that is left of what was bought is pending; answers how much of it is taken so, now.

    What came to be held since the refund was asked for is waited for.
    """
    purchase = asked.purchase
    _require_not_held(purchase, plane.engine.grants(purchase.account, credit_type=purchase.credit_type))
    grants = _until_none_stands(plane, asked.purchase, is_aside, lambda each: put_aside(each, asked.key))
    # Of a reservation that was quicker.
    _require_not_held(purchase, grants)
    return taken_of(asked.purchase, grants) - asked.withdrawn


def _require_not_held(purchase: Purchase, grants: Iterable[Grant]) -> None:
    if held_of(purchase, grants):
        raise UnavailableError(f"reservations hold credits of purchase {purchase.purchase_id!r}; ask again")


def _until_none_stands(
    plane: ControlPlane,
    purchase: Purchase,
    may_stand: Callable[[Grant], bool],
    take: Callable[[Grant], commands.Command],
) -> list[Grant]:
    """The account's grants when ``take`` was done to those of the purchase that may not stand."""
    for _ in range(VOIDS_MAX):
        grants = plane.engine.grants(purchase.account, credit_type=purchase.credit_type)
        own = grants_with(purchase, grants)
        # What has expired is nobody's any more, whether or not it is booked as breakage yet.
        gone = ("voided", "expired")
        standing = [each for each in own if each.state not in gone and not may_stand(each)]
        if not standing:
            return grants
        # A transfer that is quicker puts another grant in its place: looked at once more.
        plane.engine.execute([take(each) for each in standing])
    raise UnavailableError(f"the credits of purchase {purchase.purchase_id!r} do not hold still; ask again")


def _let_go(plane: ControlPlane, purchase: Purchase) -> None:
    """What a refund has put aside, which is not made any more, is the account's as before."""
    grants = plane.engine.grants(purchase.account, credit_type=purchase.credit_type)
    if releases := _releases(purchase, grants):
        plane.engine.execute(releases)


def _releases(purchase: Purchase, grants: Iterable[Grant]) -> list[commands.Command]:
    aside = [each for each in grants_with(purchase, grants) if is_aside(each)]
    return [commands.release_grant(purchase.account, each.grant_id) for each in aside]


@carries_out(REFUND_JOB, ask=refund_of, effect=give_back, steps_aside=True)
def refund_purchase(step: Step, job: StoredJob, taken: Taken | None) -> None:
    """The purchase is refunded, with what was taken and given."""
    purchase = step.work.purchase(job.payload["purchase_id"])
    if taken is None or not purchase.is_refundable:
        return
    if taken.refusal:
        _not_refunded(step, purchase, taken.refusal)
        return
    reason = "disputed" if job.payload["is_dispute"] else job.payload["policy"]
    given, billed = taken.money, purchase.charged
    if purchase.bill_later:
        # Not on an invoice yet, the spent share comes there; what is, only a credit note corrects.
        is_billed = bool(purchase.invoice_id)
        given = zero(purchase.price.currency) if is_billed else taken.money
        billed = None if is_billed else purchase.price - taken.money
    note_refund(step, purchase, given, _NOTES.get(reason, "Refund"))
    # The bank takes all that was charged: what a note gave of it before is not the account's besides.
    besides = given - purchase.asked if job.payload["is_dispute"] else taken.besides
    add_to_balance(step, purchase.account, besides)
    at = step.now_of(purchase.account)
    refunded = moved(purchase, "refunded", at, reason=reason, refunded=given, charged=billed)
    step.work.purchases.put(refunded)
    tell(
        step,
        "purchase.refunded",
        refunded,
        reason=reason,
        money=str(given),
        credits_taken=f"{taken.credits:f}",
    )


def _not_refunded(step: Step, purchase: Purchase, refusal: str) -> None:
    """The purchase and its credits are as before, with the provider's reason; it may be asked for anew."""
    number = step.work.series.following(_refusals_of(purchase))
    for command in _releases(
        purchase, step.engine.grants(purchase.account, credit_type=purchase.credit_type)
    ):
        # One that has expired, or was voided as the account was closed, stays so.
        if step.would_refuse(purchase.account, [command]) is None:
            step.decision.command(purchase.account, command)
    refused = msgspec.structs.replace(purchase, reason=f"{REFUND_REFUSED}{refusal}")
    step.work.purchases.put(refused)
    step.decision.notice(
        "purchase.not_refunded",
        purchase.account,
        key=f"{_attempt('purchase.not_refunded', number)}:{purchase.purchase_id}",
        purchase_id=purchase.purchase_id,
        purchase_kind=purchase.kind,
        credit_type=purchase.credit_type,
        reason=refusal,
    )


def refund_job_key(step: Step, purchase: Purchase, *, is_dispute: bool) -> tuple[str, int]:
    """Of the job that gives the purchase back, and how often the provider has refused that before.

    Of its own for the bank's word: a refund that waits for the provider must not swallow it.
    """
    refusals = step.work.series.last(_refusals_of(purchase))
    named = f"{REFUND_JOB}.disputed" if is_dispute else _attempt(REFUND_JOB, refusals)
    return f"{named}:{purchase.purchase_id}", refusals


def require_no_refund_waits(step: Step, purchase: Purchase) -> None:
    """Raises ``PreconditionError`` while a refund of the purchase is under way."""
    if not purchase.is_refundable:
        return
    key, _ = refund_job_key(step, purchase, is_dispute=False)
    if step.work.jobs.is_due(key):
        raise PreconditionError(
            f"a refund of purchase {purchase.purchase_id!r} waits for its answer; ask again when it is "
            "through, or refused",
            reason="REFUND_WAITS",
        )


def _attempt(named: str, number: int) -> str:
    return f"{named}.{number}" if number else named


def _refusals_of(purchase: Purchase) -> str:
    return f"refund.refused:{purchase.purchase_id}"
