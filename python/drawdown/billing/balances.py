"""What an account has with us in money, and how much of its overage stands on invoices."""

from decimal import Decimal

from drawdown.model.money import Money
from drawdown.model.request import Value


class MoneyBalance(Value, frozen=True):
    """From credit notes; the next invoices use it up."""

    account: str
    balance: Money


class OverageBilled(Value, frozen=True):
    """Credits past zero that stand on invoices so far, over all periods."""

    account: str
    credit_type: str
    credits: Decimal = Decimal(0)
