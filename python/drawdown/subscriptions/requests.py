"""Calls on subscriptions."""

from datetime import datetime
from decimal import Decimal

from drawdown.model.money import Money
from drawdown.model.request import Request, Value
from drawdown.subscriptions.charge import Charge
from drawdown.subscriptions.subscription import Subscription


class Subscriptions(Value, frozen=True):
    """A page of subscriptions by id."""

    subscriptions: tuple[Subscription, ...] = ()


class ServiceOrder(Value, frozen=True):
    """A pack to be delivered on a schedule, from From to To."""

    service_id: str
    pack_id: str
    schedule: str = "one_off"
    """``one_off``, ``weekly`` or ``monthly``."""
    starts_at: datetime | None = None
    """From; absent: now."""
    ends_at: datetime | None = None
    """To: no delivery at or after it."""
    quantity: int = 1
    bill_later: bool = False


class ChangePreview(Value, frozen=True):
    """What a change would do, with the figures of this moment; nothing has changed."""

    subscription_id: str
    plan_id: str
    policy: str
    effective_at: datetime
    due_now: Money
    charges: tuple[Charge, ...] = ()
    """Each line that the change makes, due now or on the next invoice; overage as it is at this moment."""
    grants_voided: tuple[str, ...] = ()
    credits_forfeited: Decimal = Decimal(0)
    """Free credits of the grants that are replaced."""
    credits_granted: Decimal = Decimal(0)


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
    term: int = 0
    """Billing periods of a term, for licences; 0: each period stands for itself."""
    services: tuple[ServiceOrder, ...] = ()


class ChangePlan(Request, frozen=True):
    """Another plan or quantity; exactly once per ``change_id``."""

    rpc = "SubscriptionService/ChangePlan"
    right = "manage"
    answer = Subscription
    subscription_id: str
    change_id: str
    plan_id: str
    quantity: int = 1
    policy: str = ""
    """``void_replace``, ``keep_until_expiry`` or ``prorate``; empty: the new plan's."""
    when: str = "now"
    """``now`` or ``period_end``."""
    payment_method: str = ""
    """Empty: the present one is confirmed."""


class PreviewChange(Request, frozen=True):
    """What ``ChangePlan`` of the same would do."""

    rpc = "SubscriptionService/PreviewChange"
    right = "read"
    answer = ChangePreview
    subscription_id: str
    plan_id: str
    quantity: int = 1
    policy: str = ""
    when: str = "now"
    """``now`` or ``period_end``."""


class Cancel(Request, frozen=True):
    """End the subscription, now or when its billing period is over."""

    rpc = "SubscriptionService/Cancel"
    right = "manage"
    answer = Subscription
    subscription_id: str
    when: str = "period_end"
    """``period_end`` or ``now``."""
    keep_credits: bool = False
    """Now: leave the plan's present credits to their own expiry instead of voiding them."""


class Pause(Request, frozen=True):
    """No renewals and no grants until it is resumed; present credits stay."""

    rpc = "SubscriptionService/Pause"
    right = "manage"
    answer = Subscription
    subscription_id: str


class Resume(Request, frozen=True):
    """Go on: in the period that is paid, or with a new one from now."""

    rpc = "SubscriptionService/Resume"
    right = "manage"
    answer = Subscription
    subscription_id: str


class SetAutoRenew(Request, frozen=True):
    """Whether another period follows the present one (or another term the present term)."""

    rpc = "SubscriptionService/SetAutoRenew"
    right = "manage"
    answer = Subscription
    subscription_id: str
    auto_renew: bool


class AddService(Request, frozen=True):
    """Put a pack on the subscription; exactly once per ``service_id``."""

    rpc = "SubscriptionService/AddService"
    right = "manage"
    answer = Subscription
    subscription_id: str
    service: ServiceOrder


class TerminateService(Request, frozen=True):
    """No further deliveries, even if the subscription renews."""

    rpc = "SubscriptionService/TerminateService"
    right = "manage"
    answer = Subscription
    subscription_id: str
    service_id: str


class AdjustDelivery(Request, frozen=True):
    """Set the credits of one delivery by hand, made already or still to come."""

    rpc = "SubscriptionService/AdjustDelivery"
    right = "manage"
    answer = Subscription
    subscription_id: str
    service_id: str
    number: int
    """From 0 on."""
    amount: Decimal


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


class Feature(Value, frozen=True):
    """The answer about one feature that is not metered."""

    feature: str
    kind: str
    """``boolean`` or ``config``."""
    allowed: bool
    value: str = ""
    """Of a ``config`` feature, as the plan has it."""
    reason: str = "OK"
    """``NOT_ENTITLED`` where no live plan has it, ``ACCOUNT_SUSPENDED`` while the account is suspended."""
    subscription_id: str = ""
    """Of the newest live subscription that has it: that one decides."""


class Features(Value, frozen=True):
    """Every feature of the account, by name."""

    features: tuple[Feature, ...] = ()


class GetFeature(Request, frozen=True):
    """May this account use this feature, and with which value?"""

    rpc = "SubscriptionService/GetFeature"
    right = "read"
    answer = Feature
    account: str
    feature: str


class ListFeatures(Request, frozen=True):
    rpc = "SubscriptionService/ListFeatures"
    right = "read"
    answer = Features
    account: str
