"""What becomes of a subscription is told: begun, changed, rested, in arrears, over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from .conftest import START
from .notice_story import Facts, Scene, Told, tells
from .plans import published

EDGE = datetime(2026, 2, 28, tzinfo=UTC)
NEXT_EDGE = datetime(2026, 3, 31, tzinfo=UTC)
DAY = timedelta(days=1)


def subscribed(scene: Scene, **settings: object) -> Facts:
    """A subscription of the account; answers what every notice of it says."""
    plan = published(scene.db, scene.name("plan"), **settings)
    scene.db.subscribe(scene.account, plan.plan_id, subscription_id=scene.name("sub"))
    return {"subscription_id": scene.name("sub")}


@tells("subscription.created", "subscription.activated", "subscription.renewed")
def begun_by_its_first_payment_and_renewed(scene: Scene) -> Sequence[Told]:
    """Active only when the bank has confirmed; from then on by calendar."""
    scene.db.put_customer(scene.customer, payment_method="test_pending")
    it = subscribed(scene)
    on_plan = {**it, "plan_id": scene.name("plan")}
    assert scene.db.subscription(scene.name("sub")).state == "pending"
    scene.called_back(scene.db.invoices(scene.account)[0].invoice_id)
    scene.db.advance_clock(scene.account, NEXT_EDGE)
    return [
        ("subscription.created", on_plan),
        ("subscription.activated", on_plan),
        ("subscription.renewed", {**it, "period": "1"}),
        ("subscription.renewed", {**it, "period": "2"}),
    ]


@tells("subscription.created", "subscription.converted", "subscription.activated")
def a_trial_becomes_paid(scene: Scene) -> Sequence[Told]:
    it = {**subscribed(scene, trial={"days": 14, "credits": "100"}), "plan_id": scene.name("plan")}
    scene.db.advance_clock(scene.account, START + 14 * DAY)
    return [(f"subscription.{kind}", it) for kind in ("created", "converted", "activated")]


@tells("subscription.change_planned", "subscription.changed")
def changed_now_and_at_the_end_of_the_period(scene: Scene) -> Sequence[Told]:
    """Up at once and paid for, down with the period: both by the id that the caller gave."""
    it = subscribed(scene, credits="100", fee="10")
    published(scene.db, scene.name("large"), credits="500", fee="40")
    sub = scene.name("sub")
    scene.db.change_plan(sub, scene.name("large"), change_id="up", quantity=2)
    for _ in range(2):
        scene.db.change_plan(sub, scene.name("plan"), change_id="down", quantity=3, when="period_end")
    scene.db.advance_clock(scene.account, EDGE)
    up = {**it, "change_id": "up", "plan_id": scene.name("large"), "quantity": "2"}
    down = {**it, "change_id": "down", "plan_id": scene.name("plan"), "quantity": "3"}
    return [
        ("subscription.change_planned", down),
        ("subscription.changed", up),
        ("subscription.changed", down),
    ]


@tells("subscription.change_failed", "invoice.voided")
def a_change_that_nobody_pays_for(scene: Scene) -> Sequence[Told]:
    """The card of the change is declined: the plan stays, and the change's invoice is void."""
    it = subscribed(scene, credits="100", fee="10")
    published(scene.db, scene.name("large"), credits="500", fee="40")
    scene.db.change_plan(
        scene.name("sub"), scene.name("large"), change_id="up", payment_method="test_decline"
    )
    void = scene.db.invoices(scene.account)[-1]
    assert void.state == "void"
    return [
        ("subscription.change_failed", {**it, "change_id": "up", "plan_id": scene.name("large")}),
        ("invoice.voided", {"invoice_id": void.invoice_id}),
    ]


@tells("subscription.paused", "subscription.resumed")
def paused_and_resumed_twice_at_one_instant(scene: Scene) -> Sequence[Told]:
    """A clock that stands makes two rests no less than two."""
    it = subscribed(scene)
    for _ in range(2):
        for _ in range(2):
            scene.db.pause_subscription(scene.name("sub"))
        for _ in range(2):
            scene.db.resume_subscription(scene.name("sub"))
    return [("subscription.paused", it), ("subscription.resumed", it)] * 2


@tells("subscription.cancelled", "subscription.ended")
def cancelled_taken_back_and_cancelled_again(scene: Scene) -> Sequence[Told]:
    """Each cancellation is told with the end it brings, an earlier end too; the end itself once."""
    it, sub = subscribed(scene), scene.name("sub")
    for _ in range(2):
        scene.db.cancel_subscription(sub)
    scene.db.set_auto_renew(sub, True)
    scene.db.cancel_subscription(sub)
    for _ in range(2):
        scene.db.cancel_subscription(sub, when="now")
    scene.db.advance_clock(scene.account, NEXT_EDGE)
    with_its_period = {**it, "ends_at": EDGE.isoformat()}
    return [
        ("subscription.cancelled", with_its_period),
        ("subscription.cancelled", with_its_period),
        ("subscription.cancelled", {**it, "ends_at": START.isoformat()}),
        ("subscription.ended", it),
    ]


@tells("subscription.service_added", "subscription.service_terminated")
def a_service_comes_and_goes(scene: Scene) -> Sequence[Told]:
    it, sub = subscribed(scene), scene.name("sub")
    scene.db.create_pack(scene.name("pack"), name="Ten", amount="10")
    for _ in range(2):
        scene.db.add_service(sub, scene.name("pack"), service_id="ten")
    for _ in range(2):
        scene.db.terminate_service(sub, "ten")
    return [
        ("subscription.service_added", {**it, "service_id": "ten", "pack_id": scene.name("pack")}),
        ("subscription.service_terminated", {**it, "service_id": "ten"}),
    ]


@tells(
    "subscription.past_due",
    "payment.failed",
    "invoice.uncollectible",
    "subscription.cancelled",
    "subscription.ended",
)
def a_renewal_that_is_never_paid(scene: Scene) -> Sequence[Told]:
    """Declined five times in a week, then given up."""
    it = subscribed(scene)
    scene.db.put_customer(scene.customer, payment_method="test_decline")
    scene.db.advance_clock(scene.account, NEXT_EDGE)
    owed = {"invoice_id": scene.db.invoices(scene.account)[-1].invoice_id}
    declined = {**owed, "reason": "card_declined"}
    return [
        ("subscription.past_due", {**it, **owed}),
        *(("payment.failed", {**declined, "attempt": str(number)}) for number in range(1, 6)),
        ("invoice.uncollectible", owed),
        ("subscription.cancelled", {**it, "ends_at": (EDGE + 7 * DAY).isoformat()}),
        ("subscription.ended", it),
    ]


@tells("subscription.past_due", "subscription.settled", "payment.failed", "payment.succeeded", "invoice.paid")
def a_renewal_that_another_card_pays(scene: Scene) -> Sequence[Told]:
    """The first month is paid, the second declined and settled when the customer has another card."""
    it = subscribed(scene)
    scene.db.put_customer(scene.customer, payment_method="test_decline")
    scene.db.advance_clock(scene.account, EDGE)
    scene.db.put_customer(scene.customer, payment_method="test_ok")
    first, second = ({"invoice_id": each.invoice_id} for each in scene.db.invoices(scene.account))
    return [
        ("subscription.past_due", {**it, **second}),
        ("subscription.settled", {**it, **second}),
        ("payment.failed", {**second, "reason": "card_declined", "attempt": "1"}),
        *(("payment.succeeded", {**each, "price": "20.00 USD"}) for each in (first, second)),
        *(("invoice.paid", each) for each in (first, second)),
    ]
