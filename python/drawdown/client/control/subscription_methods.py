"""Subscriptions, as methods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from drawdown.client.control.content import struct_of
from drawdown.client.control.door import ControlDoor
from drawdown.model.credits import AmountLike, decimal_text
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
        term: int = 0,
        services: Sequence[Any] = (),
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
                term=term,
                services=tuple(struct_of(requests.ServiceOrder, each) for each in services),
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

    def change_plan(
        self,
        subscription_id: str,
        plan: str,
        *,
        change_id: str,
        quantity: int = 1,
        policy: str = "",
        when: str = "now",
        payment_method: str = "",
    ) -> Subscription:
        """Another plan or quantity, exactly once per ``change_id``.

        What costs money happens when it is paid; ``when="period_end"`` waits for the renewal. Raises
        ``PreconditionError`` where the subscription is not active or the plan not published.
        """
        answer: Subscription = self.control(
            requests.ChangePlan(
                subscription_id=subscription_id,
                change_id=change_id,
                plan_id=plan,
                quantity=quantity,
                policy=policy,
                when=when,
                payment_method=payment_method,
            )
        )
        return answer

    def preview_change(
        self, subscription_id: str, plan: str, *, quantity: int = 1, policy: str = "", when: str = "now"
    ) -> requests.ChangePreview:
        """What ``change_plan`` of the same would do, ``now`` or at ``period_end``; nothing changes."""
        answer: requests.ChangePreview = self.control(
            requests.PreviewChange(
                subscription_id=subscription_id, plan_id=plan, quantity=quantity, policy=policy, when=when
            )
        )
        return answer

    def cancel_subscription(
        self, subscription_id: str, *, when: str = "period_end", keep_credits: bool = False
    ) -> Subscription:
        """It ends with its period, or ``now``; then the plan's credits are void unless they are kept."""
        answer: Subscription = self.control(
            requests.Cancel(subscription_id=subscription_id, when=when, keep_credits=keep_credits)
        )
        return answer

    def pause_subscription(self, subscription_id: str) -> Subscription:
        """No renewals and no grants until it is resumed; present credits stay."""
        answer: Subscription = self.control(requests.Pause(subscription_id=subscription_id))
        return answer

    def resume_subscription(self, subscription_id: str) -> Subscription:
        """Go on in the period that is paid, or with a new one from now."""
        answer: Subscription = self.control(requests.Resume(subscription_id=subscription_id))
        return answer

    def set_auto_renew(self, subscription_id: str, auto_renew: bool) -> Subscription:
        """Whether another period (or term) follows the present one."""
        answer: Subscription = self.control(
            requests.SetAutoRenew(subscription_id=subscription_id, auto_renew=auto_renew)
        )
        return answer

    def add_service(
        self,
        subscription_id: str,
        pack: str,
        *,
        service_id: str,
        schedule: str = "one_off",
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        quantity: int = 1,
        bill_later: bool = False,
    ) -> Subscription:
        """A pack delivered ``one_off``, ``weekly`` or ``monthly`` from From to To."""
        order = requests.ServiceOrder(
            service_id=service_id,
            pack_id=pack,
            schedule=schedule,
            starts_at=starts_at,
            ends_at=ends_at,
            quantity=quantity,
            bill_later=bill_later,
        )
        answer: Subscription = self.control(
            requests.AddService(subscription_id=subscription_id, service=order)
        )
        return answer

    def terminate_service(self, subscription_id: str, service_id: str) -> Subscription:
        """No further deliveries, even if the subscription renews."""
        answer: Subscription = self.control(
            requests.TerminateService(subscription_id=subscription_id, service_id=service_id)
        )
        return answer

    def adjust_delivery(
        self, subscription_id: str, service_id: str, number: int, amount: AmountLike
    ) -> Subscription:
        """Set the credits of delivery ``number`` (from 0) by hand."""
        answer: Subscription = self.control(
            requests.AdjustDelivery(
                subscription_id=subscription_id,
                service_id=service_id,
                number=number,
                amount=Decimal(decimal_text(amount)),
            )
        )
        return answer

    def feature(self, account: str, feature: str) -> requests.Feature:
        """Whether the account may use a feature that is not metered, and its value. Out of its live plans."""
        answer: requests.Feature = self.control(requests.GetFeature(account=account, feature=feature))
        return answer

    def features(self, account: str) -> Sequence[requests.Feature]:
        """Every feature of the account's live plans, by name."""
        answer: requests.Features = self.control(requests.ListFeatures(account=account))
        return answer.features
