"""What a billing period owes when it is over: overage, and the true-up to a minimum spend."""

from decimal import Decimal

from drawdown.catalog.plan import Plan
from drawdown.model.money import Money, total
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.renewing import price_of
from drawdown.subscriptions.subscription import Subscription


def overage_charge(
    subscription: Subscription, plan: Plan, number: int, credit_type: str, credits: Decimal
) -> Charge | None:
    """The line for ``credits`` past zero; below zero where corrections took back more than was used."""
    price = None if plan.overage is None else price_of(plan.overage.prices, subscription, "overage.prices")
    if price is None or credits == 0:
        return None
    amount = price.of(credits) if credits > 0 else -price.of(-credits)
    return _charge(
        subscription, plan, number, "overage", f"Overage of {credit_type}", amount, credits, credit_type
    )


def minimum_charge(subscription: Subscription, plan: Plan, number: int, spent: list[Money]) -> Charge | None:
    """The visible line that raises a period to its minimum."""
    price = price_of(plan.minimum_spend, subscription, "minimum_spend")
    if price is None:
        return None
    missing = price.of(Decimal(1)) - total(spent, subscription.currency)
    if missing.minor <= 0:
        return None
    return _charge(
        subscription, plan, number, "minimum_spend", "Minimum spend, true-up", missing, Decimal(1), ""
    )


def _charge(
    subscription: Subscription,
    plan: Plan,
    number: int,
    kind: str,
    description: str,
    amount: Money,
    quantity: Decimal,
    reference: str,
) -> Charge:
    suffix = f":{reference}" if reference else ""
    return Charge(
        charge_id=f"{subscription.subscription_id}:{subscription.epoch}.{number}:{kind}{suffix}",
        kind=kind,
        description=description,
        amount=amount,
        quantity=quantity,
        period=subscription.billing.period(number),
        subscription_id=subscription.subscription_id,
        plan_key=plan.key,
        reference=reference,
        in_advance=False,
    )
