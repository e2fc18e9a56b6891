"""Whether what a plan comes to can be counted at all: asked before anybody agrees to it."""

from __future__ import annotations

from typing import Final

import msgspec

from drawdown.catalog.plan import Plan
from drawdown.errors import InvalidRequestError, PreconditionError
from drawdown.subscriptions.arrears import overage_price
from drawdown.subscriptions.renewing import credits_of, period_charges, price_of
from drawdown.subscriptions.subscription import Subscription, schedules_from

UNITS_MAX: Final = 2**63 - 1
# Names the field of ``Money`` that holds an amount.
_MONEY: Final = "minor"
# A whole one, whatever the anchor.
_PERIOD: Final = 1


def check_bounds(subscription: Subscription, plan: Plan) -> None:
    """Whether each cadence's credits and each period's price fit 64 bits, and every price is there.

    Raises ``PreconditionError``: ``OVERFLOW`` naming ``quantity``, or ``CURRENCY_UNAVAILABLE``.
    """
    if credits_of(subscription, plan).scaleb(plan.credit_scale) > UNITS_MAX:
        raise overflow(plan, subscription.quantity, "the credits of a cadence")
    start = subscription.billing.start
    billing, grants = schedules_from(plan, start, subscription.billing.zone, start)
    laid = msgspec.structs.replace(subscription, billing=billing, grants=grants)
    overage_price(laid, plan)
    price_of(plan.minimum_spend, laid, "minimum_spend")
    try:
        period_charges(laid, plan, _PERIOD)
    except InvalidRequestError as error:
        if error.field != _MONEY:
            raise
        raise overflow(plan, subscription.quantity, "the price of a period") from error


def overflow(plan: Plan, quantity: int, what: str) -> PreconditionError:
    """What a quantity answers to that nobody can count."""
    return PreconditionError(
        f"quantity: at {quantity} of plan {plan.plan_id!r} {what} would not fit 64 bits",
        reason="OVERFLOW",
        field="quantity",
    )
