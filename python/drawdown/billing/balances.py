"""What an account has with us in money."""

from drawdown.model.money import Money
from drawdown.model.request import Value


class MoneyBalance(Value, frozen=True):
    """From credit notes; the next invoices use it up."""

    account: str
    balance: Money
