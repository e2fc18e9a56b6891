"""What becomes of invoices, payments, purchases and recharges is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from drawdown.errors import PreconditionError
from drawdown.payments import ChargeState, RefundRequest

from .notice_stories_of_subscriptions import EDGE, subscribed
from .notice_story import Facts, Scene, Told, tells
from .plans import published
from .test_invoices import GRACE, overage_plan, usd
from .test_purchases import pack
from .waiting import wait_until


@tells("invoice.created", "invoice.approved", "invoice.finalized", "invoice.paid", "payment.succeeded")
def an_invoice_that_an_operator_approves(scene: Scene) -> Sequence[Told]:
    """Approved twice, it is told once."""
    subscribed(scene, type="custom", release="on_approval")
    (draft,) = scene.db.invoices(scene.account)
    for _ in range(2):
        scene.db.approve_invoice(draft.invoice_id)
    it = {"invoice_id": draft.invoice_id}
    return [
        *((f"invoice.{kind}", it) for kind in ("created", "approved", "finalized", "paid")),
        ("payment.succeeded", {**it, "price": "20.00 USD"}),
    ]


@tells("invoice.created", "invoice.approved", "invoice.finalized", "invoice.paid", "payment.succeeded")
def an_invoice_that_is_approved_before_its_usage_is_in(scene: Scene) -> Sequence[Told]:
    """The fee is paid when it is approved, ten credits past zero when the grace is over."""
    subscribed(scene, **overage_plan("1", release="on_approval"))
    scene.db.approve_invoice(scene.db.invoices(scene.account)[0].invoice_id)
    scene.db.record(scene.account, credit_type="credits", credits="110", event_id="ten-past")
    scene.db.advance_clock(scene.account, EDGE)
    first, second = ({"invoice_id": each.invoice_id} for each in scene.db.invoices(scene.account))
    for _ in range(2):
        scene.db.approve_invoice(second["invoice_id"])
    scene.db.advance_clock(scene.account, EDGE + GRACE)
    kinds = ("created", "approved", "finalized", "paid")
    return [
        *((f"invoice.{kind}", each) for kind in kinds for each in (first, second)),
        ("payment.succeeded", {**first, "price": "20.00 USD"}),
        ("payment.succeeded", {**second, "price": "20.00 USD"}),
        ("payment.succeeded", {**second, "price": "10.00 USD"}),
    ]


@tells("invoice.approved", "invoice.finalized")
def an_approval_of_what_is_paid_in_advance(scene: Scene) -> Sequence[Told]:
    """It waits for its usage alone, and the approval stands nevertheless."""
    subscribed(scene, **overage_plan("1"))
    scene.db.advance_clock(scene.account, EDGE)
    first, second = (each.invoice_id for each in scene.db.invoices(scene.account))
    for _ in range(2):
        approved = scene.db.approve_invoice(second)
        assert (approved.state, approved.advance_state) == ("approved", "paid")
    scene.db.advance_clock(scene.account, EDGE + GRACE)
    return [
        ("invoice.approved", {"invoice_id": second}),
        *(("invoice.finalized", {"invoice_id": each}) for each in (first, second)),
    ]


@tells("invoice.created", "invoice.voided")
def a_last_invoice_that_waits_for_approval(scene: Scene) -> Sequence[Told]:
    """Usage alone stands on it: a draft is told when it has something to approve."""
    subscribed(scene, **overage_plan("1", release="on_approval"))
    (first,) = scene.db.invoices(scene.account)
    scene.db.approve_invoice(first.invoice_id)
    scene.db.record(scene.account, credit_type="credits", credits="110", event_id="ten-past")
    scene.db.cancel_subscription(scene.name("sub"))
    scene.db.advance_clock(scene.account, EDGE + GRACE)
    last = scene.db.invoices(scene.account)[-1]
    assert (last.state, [line.kind for line in last.lines]) == ("draft", ["overage"])
    for _ in range(2):
        scene.db.close_invoice(last.invoice_id, "void")
    return [
        ("invoice.created", {"invoice_id": first.invoice_id}),
        ("invoice.created", {"invoice_id": last.invoice_id}),
        ("invoice.voided", {"invoice_id": last.invoice_id}),
    ]


@tells("invoice.held", "invoice.approved")
def an_invoice_far_above_the_usual(scene: Scene) -> Sequence[Told]:
    """Held and told once; the one behind it for that, and then for what it has itself."""
    subscribed(scene, **overage_plan("1"))
    scene.db.record(scene.account, credit_type="credits", credits="100100", event_id="wrong-unit")
    scene.db.advance_clock(scene.account, EDGE)
    scene.db.record(scene.account, credit_type="credits", credits="50000100", event_id="again")
    scene.db.advance_clock(scene.account, EDGE + timedelta(days=40))
    _, first, second = ({"invoice_id": each.invoice_id} for each in scene.db.invoices(scene.account))
    for _ in range(2):
        scene.db.approve_invoice(first["invoice_id"])
    usual = "times what the account was usually billed for as long a time"
    return [
        ("invoice.held", {**first, "reason": f"100000.00 USD for usage, 5000 {usual}"}),
        ("invoice.held", {**second, "reason": f"the usage of {first['invoice_id']} comes first"}),
        ("invoice.held", {**second, "reason": f"50000000.00 USD for usage, 499 {usual}"}),
        ("invoice.approved", first),
    ]


@tells("invoice.created")
def an_invoice_of_a_second_subscription_and_a_credit_note(scene: Scene) -> Sequence[Told]:
    """At one instant, behind the first's that is final; a note says what it corrects."""
    subscribed(scene, type="custom", release="on_approval")
    (first,) = scene.db.invoices(scene.account)
    scene.db.approve_invoice(first.invoice_id)
    scene.db.subscribe(scene.account, scene.name("plan"), subscription_id=scene.name("second"))
    second = scene.db.invoices(scene.account)[-1]
    for _ in range(2):
        scene.db.create_credit_note(
            scene.name("note"), first.invoice_id, first.lines[0].line_id, amount=usd(5), reason="late"
        )
    return [
        ("invoice.created", {"invoice_id": first.invoice_id}),
        ("invoice.created", {"invoice_id": second.invoice_id}),
        ("invoice.created", {"invoice_id": scene.name("note"), "corrects": first.invoice_id}),
    ]


@tells("payment.action_required", "payment.succeeded", "payment.disputed")
def a_customer_has_to_confirm_and_disputes(scene: Scene) -> Sequence[Told]:
    """A receiver can send the customer to the page; the bank takes the money back, once."""
    scene.db.put_customer(scene.customer, payment_method="test_action")
    subscribed(scene)
    invoice_id = scene.db.invoices(scene.account)[0].invoice_id
    scene.called_back(invoice_id)
    body, headers = scene.provider.dispute(invoice_id)
    for _ in range(2):
        scene.db.provider_callback(body.decode(), headers)
    it = {"invoice_id": invoice_id}
    return [
        ("payment.action_required", {**it, "action_url": f"https://pay.example/{invoice_id}"}),
        ("payment.succeeded", {**it, "price": "20.00 USD"}),
        ("payment.disputed", {**it, "money": "20.00 USD"}),
    ]


def bought(scene: Scene, stem: str, method: str = "test_ok") -> Facts:
    """A pack of 20 credits for 60; answers what every notice of the purchase says."""
    purchase_id = scene.name(stem)
    for _ in range(2):
        scene.db.buy_pack(scene.account, scene.name("pack"), purchase_id=purchase_id, payment_method=method)
    return {"purchase_id": purchase_id, "credit_type": "credits", "price": "60.00 USD"}


@tells(
    "purchase.created",
    "purchase.granted",
    "purchase.refunded",
    "purchase.failed",
    "payment.action_required",
    "payment.failed",
    "payment.succeeded",
)
def packs_are_bought(scene: Scene) -> Sequence[Told]:
    """One is paid and paid back, one is declined, one waits for the customer and fails."""
    pack(scene.db, scene.name("pack"))
    paid, declined = bought(scene, "paid"), bought(scene, "declined", "test_decline")
    waits = bought(scene, "waits", "test_action")
    key = scene.db.purchase(scene.name("waits")).charge_key
    scene.called_back(key, ChargeState.FAILED)
    for _ in range(2):
        scene.db.refund_purchase(scene.name("paid"), policy="take_unspent")
    refunded = {**paid, "reason": "take_unspent", "money": "60.00 USD", "credits_taken": "20"}
    declined_for = {**declined, "reason": "card_declined"}
    return [
        *(("purchase.created", each) for each in (paid, declined, waits)),
        ("purchase.granted", {**paid, "credits": "20"}),
        ("purchase.refunded", refunded),
        ("purchase.failed", declined_for),
        ("purchase.failed", waits),
        ("payment.action_required", {**waits, "action_url": f"https://pay.example/{key}"}),
        ("payment.failed", declined_for),
        ("payment.failed", waits),
        ("payment.succeeded", paid),
    ]


@tells("purchase.not_refunded")
def a_refund_that_the_provider_refuses(scene: Scene) -> Sequence[Told]:
    """Half was given back past this software; told at each asking."""
    pack(scene.db, scene.name("pack"))
    its = bought(scene, "p")
    reference = scene.db.purchase(its["purchase_id"]).charge_reference
    half = RefundRequest(key=scene.name("elsewhere"), charge_reference=reference, amount=usd(30))
    scene.provider.refund(half)
    for _ in range(2):
        with pytest.raises(PreconditionError):
            scene.db.refund_purchase(its["purchase_id"])
    facts = {"purchase_id": its["purchase_id"], "credit_type": "credits"}
    reason = "60.00 USD can't be given back of 60.00 USD (succeeded), 30.00 USD of it given back already"
    return [("purchase.not_refunded", {**facts, "reason": reason})] * 2


def topped(scene: Scene) -> dict[str, str]:
    """A plan that sells credits in between at 1 USD each, its own credit spent; a rule for them."""
    prices = [{"currency": "USD", "model": "per_unit", "amount": "1"}]
    published(scene.db, scene.name("plan"), type="free", base_fee=[], credits="1", top_up={"prices": prices})
    scene.db.subscribe(scene.account, scene.name("plan"), subscription_id=scene.name("sub"))
    scene.db.record(scene.account, credit_type="credits", credits="1", event_id="own")
    return {"threshold": "5", "to": "20"}


def until_standing(scene: Scene, *states: str) -> None:
    wait_until(lambda: scene.db.recharge(scene.account, "credits").standing.state in states)


@tells("recharge.enabled", "recharge.started", "recharge.succeeded", "recharge.disabled")
def a_recharge_is_switched_on_and_off(scene: Scene) -> Sequence[Told]:
    """Each switch is told once, however often it is pressed; another threshold switches nothing."""
    rule = topped(scene)
    scene.db.set_recharge(scene.account, "credits", enabled=False, **rule)
    for threshold in ("5", "5", "4"):
        scene.db.set_recharge(scene.account, "credits", threshold=threshold, to="20")
        until_standing(scene, "idle")
    for _ in range(2):
        scene.db.set_recharge(scene.account, "credits", enabled=False, **rule)
    (purchase,) = scene.db.purchases(scene.account)
    it = {"credit_type": "credits"}
    its_purchase = {**it, "purchase_id": purchase.purchase_id, "credits": "20"}
    return [
        ("recharge.enabled", it),
        ("recharge.started", its_purchase),
        ("recharge.succeeded", its_purchase),
        ("recharge.disabled", {**it, "reason": "switched_off"}),
    ]


@tells("purchase.created", "payment.succeeded", "purchase.not_granted")
def a_purchase_whose_credits_have_no_room(scene: Scene) -> Sequence[Told]:
    """Said twice that it is paid, it is told once that its credits are refused."""
    sold = pack(scene.db, scene.name("pack"))
    scene.db.buy_pack(scene.account, sold, purchase_id=scene.name("p"), payment_method="test_pending")
    scene.db.create_grant(scene.account, "credits", "9223372030", grant_id=scene.name("large"))
    body, headers = scene.db.payment_provider().finish(f"purchase:{scene.name('p')}")
    for _ in range(2):
        scene.db.provider_callback(body.decode(), headers)
    it = {"purchase_id": scene.name("p")}
    return [
        ("purchase.created", it),
        ("payment.succeeded", it),
        ("purchase.not_granted", {**it, "reason": "OVERFLOW"}),
    ]


@tells("recharge.enabled", "recharge.failed", "recharge.disabled", "purchase.failed")
def a_recharge_that_is_declined(scene: Scene) -> Sequence[Told]:
    """It is off with that; switched off by hand as well it is no further off, and on again it is on."""
    scene.db.put_customer(scene.customer, payment_method="test_decline")
    rule = topped(scene)
    scene.db.set_recharge(scene.account, "credits", **rule)
    until_standing(scene, "disabled")
    scene.db.set_recharge(scene.account, "credits", enabled=False, **rule)
    (purchase,) = scene.db.purchases(scene.account)
    scene.db.put_customer(scene.customer, payment_method="test_ok")
    scene.db.set_recharge(scene.account, "credits", **rule)
    it = {"credit_type": "credits"}
    failed = {**it, "purchase_id": purchase.purchase_id}
    return [
        ("recharge.enabled", it),
        ("recharge.enabled", it),
        ("recharge.failed", {**failed, "reason": "card_declined"}),
        ("recharge.disabled", {**failed, "reason": "payment_failed"}),
        ("purchase.failed", {**failed, "reason": "card_declined"}),
    ]


@tells("account.closed", "recharge.disabled", "subscription.cancelled", "subscription.ended")
def an_account_is_closed(scene: Scene) -> Sequence[Told]:
    """Its subscription and its recharge end with it, each told once."""
    rule = topped(scene)
    scene.db.create_grant(
        scene.account, "credits", "10", grant_id="bought", cost_minor=1000, cost_currency="USD"
    )
    scene.db.set_recharge(scene.account, "credits", **rule)
    for _ in range(2):
        scene.db.close_account(scene.account, remainder="pay_out", confirm=True)
    it = {"subscription_id": scene.name("sub")}
    return [
        ("account.closed", {"remainder": "pay_out", "payouts": "10.00 USD"}),
        ("recharge.disabled", {"credit_type": "credits", "reason": "account_closed"}),
        ("subscription.cancelled", it),
        ("subscription.ended", it),
    ]
