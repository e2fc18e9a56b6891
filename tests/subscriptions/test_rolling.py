"""What rolls over, as steps for the engine."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from drawdown.catalog.plan import CreditsCharge, Plan, Rollover
from drawdown.model.commands import VoidAndReplace
from drawdown.subscriptions.calendar import Period
from drawdown.subscriptions.rolling import Remainder, rolled
from drawdown.subscriptions.starting import lay_schedules
from drawdown.subscriptions.subscription import OwnGrant, Subscription

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(("amount", "cap"), [("10.5", "10"), ("0.5", None)])
def test_a_cap_from_before_it_was_checked_is_rounded_down(amount: str, cap: str | None) -> None:
    """Whole credits: 10.5 roll as 10, and less than one as none."""
    charge = CreditsCharge(
        credit_type="whole",
        amount=Decimal(40),
        cadence="monthly",
        rollover=Rollover(amount=Decimal(amount)),
    )
    plan = Plan(plan_id="p", product_id="ai", name="p", credits=charge, version=1, credit_scale=0)
    billing, grants = lay_schedules(plan, START, "UTC")
    subscription = Subscription(
        subscription_id="s",
        account="acme",
        customer_id="c",
        plan_id="p",
        version=1,
        quantity=1,
        currency="USD",
        country="",
        state="active",
        started_at=START,
        billing=billing,
        grants=grants,
    )
    own = OwnGrant(
        grant_id="g",
        credit_type="whole",
        amount=Decimal(40),
        period=Period(start=START, end=END),
        expires_at=END,
        priority=50,
        plan_key=plan.key,
    )
    steps, _ = rolled(subscription, plan, [Remainder(own, Decimal(40), Decimal(40))])
    caps = []
    for each in steps:
        assert isinstance(each, VoidAndReplace)
        (created,) = each.create
        assert not isinstance(created.amount, str)
        caps.append(created.amount.min)
    assert caps == ([] if cap is None else [cap])
