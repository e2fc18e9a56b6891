"""What becomes of grants and balances, and what an account may use, is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from .conftest import START
from .notice_stories_of_subscriptions import EDGE, subscribed
from .notice_story import Facts, Scene, Told, tells

DAY = timedelta(days=1)


def granted(scene: Scene, grant_id: str, credits: str, **settings: Any) -> Facts:
    """A grant of the account; answers what every notice of it says."""
    for _ in range(2):
        scene.db.create_grant(scene.account, "credits", credits, grant_id=grant_id, **settings)
    return {"grant_id": grant_id, "credit_type": "credits", "amount": credits, "category": "paid"}


def used(scene: Scene, credits: str, event_id: str) -> None:
    done = scene.db.record(scene.account, credit_type="credits", credits=credits, event_id=event_id)
    assert done.status == "OK"


@tells(
    "grant.created",
    "grant.activated",
    "grant.expiring_soon",
    "grant.expired",
    "grant.exhausted",
    "grant.voided",
)
def grants_begin_and_end(scene: Scene) -> Sequence[Told]:
    """One begins later and expires with credits left, one is used up, one is voided with some left."""
    over = granted(scene, "over", "10", effective_at=START + DAY, expires_at=START + 31 * DAY, priority=90)
    spent = granted(scene, "spent", "5", priority=10)
    void = granted(scene, "void", "7", priority=20)
    used(scene, "5", "all of one")
    used(scene, "3", "of the next")
    for _ in range(2):
        scene.db.void_grant(scene.account, "void", confirm=True)
    scene.db.advance_clock(scene.account, START + DAY)
    used(scene, "4", "of the one that expires")
    scene.db.advance_clock(scene.account, START + 60 * DAY)
    soon = {**over, "left": "6"}
    return [
        ("grant.created", {**over, "state": "scheduled"}),
        ("grant.created", {**spent, "state": "active"}),
        ("grant.created", {**void, "state": "active"}),
        ("grant.activated", spent),
        ("grant.activated", void),
        ("grant.activated", over),
        ("grant.expiring_soon", {**soon, "lead_s": str(7 * 86_400)}),
        ("grant.expiring_soon", {**soon, "lead_s": str(86_400)}),
        ("grant.expired", soon),
        ("grant.exhausted", spent),
        ("grant.voided", {**void, "forfeited": "4"}),
    ]


@tells("grant.created", "grant.activated")
def credits_wait_for_an_approval(scene: Scene) -> Sequence[Told]:
    """Made pending with the period, spendable when an operator has approved its invoice."""
    subscribed(scene, type="custom", release="on_approval")
    (waiting,) = scene.db.grants(scene.account)
    scene.db.approve_invoice(scene.db.invoices(scene.account)[0].invoice_id)
    it = {"grant_id": waiting.grant_id, "credit_type": "credits", "amount": "1000", "source": "subscription"}
    return [("grant.created", {**it, "state": "pending"}), ("grant.activated", it)]


@tells("balance.low", "balance.depleted", "balance.recovered", "balance.low_cleared")
def a_balance_falls_and_rises(scene: Scene) -> Sequence[Told]:
    """Two thresholds on the way down, zero, and all of it back."""
    granted(scene, "first", "100")
    scene.db.set_thresholds(scene.account, "credits", ["50", "20%"])
    for credits, event_id in (("49", "above"), ("1", "at fifty"), ("5", "below"), ("25", "at a fifth")):
        used(scene, credits, event_id)
    used(scene, "20", "the rest")
    granted(scene, "second", "100")
    it = {"credit_type": "credits"}
    low = {**it, "threshold": "50", "available": "50"}
    fifth = {**it, "threshold": "20", "threshold_percent": "20%", "available": "20"}
    back = {**it, "available": "100"}
    return [
        ("balance.low", low),
        ("balance.low", fifth),
        ("balance.depleted", {**it, "available": "0"}),
        ("balance.recovered", back),
        ("balance.low_cleared", {**back, "threshold": "50"}),
        ("balance.low_cleared", {**back, "threshold_percent": "20%"}),
    ]


@tells("entitlement.changed")
def a_feature_comes_and_goes(scene: Scene) -> Sequence[Told]:
    """With the subscription, and away with it; what is the same after all is not told."""
    subscribed(scene, features={"sso": "true"}, rates=[])
    scene.until_told("entitlement.changed", 1)
    scene.db.pause_subscription(scene.name("sub"))
    scene.db.resume_subscription(scene.name("sub"))
    scene.db.cancel_subscription(scene.name("sub"))
    scene.db.advance_clock(scene.account, EDGE)
    return [
        ("entitlement.changed", {"features_gained": '["sso"]'}),
        ("entitlement.changed", {"features_lost": '["sso"]'}),
    ]


@tells("runway")
def a_balance_lasts_for_less_than_was_set(scene: Scene) -> Sequence[Told]:
    """90 in a week are 12.86 a day: 30 left last for 2.3 days, and 5 were set."""
    granted(scene, "all", "120")
    used(scene, "90", "week")
    return [("runway", {"credit_type": "credits", "available": "30", "per_day": "12.857143", "days": "2.3"})]
