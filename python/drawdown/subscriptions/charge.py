"""What a subscription costs for a period, on its way to an invoice."""

from decimal import Decimal

from drawdown.model.money import Money
from drawdown.model.request import Value
from drawdown.subscriptions.calendar import Period


class Charge(Value, frozen=True):
    """One amount, rounded once. The id makes it one line, however often it is decided."""

    charge_id: str
    kind: str
    description: str
    amount: Money
    quantity: Decimal
    period: Period
    subscription_id: str
    plan_key: str
    reference: str = ""
    in_advance: bool = True
