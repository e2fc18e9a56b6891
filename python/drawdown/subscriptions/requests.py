"""Calls on subscriptions."""

from drawdown.model.request import Request, Value
from drawdown.subscriptions.subscription import Subscription


class Subscriptions(Value, frozen=True):
    """A page of subscriptions by id."""

    subscriptions: tuple[Subscription, ...] = ()


class Subscribe(Request, frozen=True):
    """An account begins on a published plan; exactly once per ``subscription_id``."""

    rpc = "SubscriptionService/Subscribe"
    right = "manage"
    answer = Subscription
    account: str
    subscription_id: str
    plan_id: str
    product_id: str = ""
    """If given, the plan must be one of this product."""
    quantity: int = 1
    payment_method: str = ""
    """At the payment provider; empty: the customer's default."""
    currency: str = ""
    """Empty: the customer's."""


class GetSubscription(Request, frozen=True):
    rpc = "SubscriptionService/GetSubscription"
    right = "read"
    answer = Subscription
    subscription_id: str


class ListSubscriptions(Request, frozen=True):
    rpc = "SubscriptionService/ListSubscriptions"
    right = "read"
    answer = Subscriptions
    account: str = ""
    after: str = ""
    limit: int = 100
