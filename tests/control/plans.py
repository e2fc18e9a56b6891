"""Plans that many tests use."""

from __future__ import annotations

from typing import Any

from drawdown.catalog.plan import Plan
from drawdown.client.interface import Database


def paid_plan(plan_id: str, *, credits: Any = "1000", fee: str = "20", **settings: Any) -> dict[str, Any]:
    """Monthly, a base fee, credits each month (an amount, or the whole charge), two meters."""
    if isinstance(credits, str):
        credits = {"credit_type": "credits", "amount": credits, "cadence": "monthly"}
    content: dict[str, Any] = {
        "plan_id": plan_id,
        "product": "ai",
        "name": plan_id,
        "base_fee": [{"currency": "USD", "amount": fee}],
        "credits": credits,
        "rates": [
            {"meter": "tokens", "credits": "1", "per": "1000"},
            {"meter": "calls", "credits": "2"},
        ],
    }
    content.update(settings)
    return content


def published(db: Database, plan_id: str, **settings: Any) -> Plan:
    """Such a plan, published."""
    db.create_plan(**paid_plan(plan_id, **settings))
    return db.publish_plan(plan_id)
