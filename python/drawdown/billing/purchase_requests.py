"""Calls on purchases: packs and top-ups bought at once, and the provider's words about them."""

from decimal import Decimal

from drawdown.billing.purchase import Purchase
from drawdown.model.money import Money
from drawdown.model.request import Request, Value


class Purchases(Value, frozen=True):
    """A page of purchases, oldest first."""

    purchases: tuple[Purchase, ...] = ()


class CallbackAnswer(Value, frozen=True):
    """What a provider's word was about; empty where it was about nothing of ours."""

    purchase_id: str = ""
    invoice_id: str = ""
    state: str = ""


class CreatePurchase(Request, frozen=True):
    """Buy a pack, or ``credits`` as a top-up: asks for the money, grants on success, in one call."""

    rpc = "BillingService/CreatePurchase"
    right = "manage"
    answer = Purchase
    purchase_id: str
    account: str
    pack_id: str = ""
    quantity: int = 1
    """Of packs."""
    credit_type: str = ""
    credits: Decimal = Decimal(0)
    """Of a top-up, at the price of the account's plan."""
    payment_method: str = ""
    """Empty: the customer's own."""
    bill_later: bool = False
    """Credits now, money on the next invoice."""


class GetPurchase(Request, frozen=True):
    rpc = "BillingService/GetPurchase"
    right = "read"
    answer = Purchase
    purchase_id: str


class ListPurchases(Request, frozen=True):
    """Purchases of an account, oldest first."""

    rpc = "BillingService/ListPurchases"
    right = "read"
    answer = Purchases
    account: str
    after: str = ""
    limit: int = 100


class RefundPurchase(Request, frozen=True):
    """Give the money back; what becomes of the credits is the policy's: take_unspent, into_debt or freeze."""

    rpc = "BillingService/RefundPurchase"
    right = "manage"
    answer = Purchase
    purchase_id: str
    policy: str = "take_unspent"
    amount: Money | None = None
    """Absent: all that it came to, tax included; under take_unspent, the unspent share of it."""


class MarkPurchasePaid(Request, frozen=True):
    """An operator saw the money (provider ``manual``), or does not wait for it any more (``failed``).

    Another provider is told to stop the charge then: what it has taken by then stays paid.
    """

    rpc = "BillingService/MarkPurchasePaid"
    right = "manage"
    answer = Purchase
    purchase_id: str
    failed: bool = False


class ProviderCallback(Request, frozen=True):
    """A webhook of the payment provider, as it came; its signature is verified."""

    rpc = "BillingService/ProviderCallback"
    right = "manage"
    answer = CallbackAnswer
    as_they_are = frozenset({"body", "headers"})
    body: str
    headers: dict[str, str] = {}
