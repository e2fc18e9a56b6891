"""Subscriptions, as methods."""

from __future__ import annotations

from collections.abc import Sequence

from drawdown.client.control.door import ControlDoor
from drawdown.subscriptions import requests
from drawdown.subscriptions.subscription import Subscription


class SubscriptionMethods(ControlDoor):
    """Who is on what plan."""

    def subscribe(
        self,
        account: str,
        plan: str,
        *,
        subscription_id: str,
        product: str = "",
        quantity: int = 1,
        payment_method: str = "",
        currency: str = "",
    ) -> Subscription:
        """Begin on a published plan: exactly once, however often it is called with the same ids.

        Raises ``PreconditionError``: a draft, a plan of another product, a paid plan without a payment
        method, no price in the currency.
        """
        answer: Subscription = self.control(
            requests.Subscribe(
                account=account,
                subscription_id=subscription_id,
                plan_id=plan,
                product_id=product,
                quantity=quantity,
                payment_method=payment_method,
                currency=currency,
            )
        )
        return answer

    def subscription(self, subscription_id: str) -> Subscription:
        """One subscription. Raises ``NotFoundError``."""
        answer: Subscription = self.control(requests.GetSubscription(subscription_id=subscription_id))
        return answer

    def subscriptions(
        self, account: str = "", *, after: str = "", limit: int = 100
    ) -> Sequence[Subscription]:
        """A page of subscriptions by id behind ``after``, of one account or of all."""
        answer: requests.Subscriptions = self.control(
            requests.ListSubscriptions(account=account, after=after, limit=limit)
        )
        return answer.subscriptions
