import datetime

from drawdown.v1 import values_pb2 as _values_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubscribeRequest(_message.Message):
    __slots__ = ("account", "subscription_id", "plan_id", "product_id", "quantity", "payment_method", "currency", "term", "services")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    account: str
    subscription_id: str
    plan_id: str
    product_id: str
    quantity: int
    payment_method: str
    currency: str
    term: int
    services: _containers.RepeatedCompositeFieldContainer[ServiceOrder]
    def __init__(self, account: _Optional[str] = ..., subscription_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., product_id: _Optional[str] = ..., quantity: _Optional[int] = ..., payment_method: _Optional[str] = ..., currency: _Optional[str] = ..., term: _Optional[int] = ..., services: _Optional[_Iterable[_Union[ServiceOrder, _Mapping]]] = ...) -> None: ...

class ServiceOrder(_message.Message):
    __slots__ = ("service_id", "pack_id", "schedule", "starts_at", "ends_at", "quantity", "bill_later")
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    STARTS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    BILL_LATER_FIELD_NUMBER: _ClassVar[int]
    service_id: str
    pack_id: str
    schedule: str
    starts_at: _timestamp_pb2.Timestamp
    ends_at: _timestamp_pb2.Timestamp
    quantity: int
    bill_later: bool
    def __init__(self, service_id: _Optional[str] = ..., pack_id: _Optional[str] = ..., schedule: _Optional[str] = ..., starts_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., quantity: _Optional[int] = ..., bill_later: _Optional[bool] = ...) -> None: ...

class GetSubscriptionRequest(_message.Message):
    __slots__ = ("subscription_id",)
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    def __init__(self, subscription_id: _Optional[str] = ...) -> None: ...

class ListSubscriptionsRequest(_message.Message):
    __slots__ = ("account", "after", "limit")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    account: str
    after: str
    limit: int
    def __init__(self, account: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ChangePlanRequest(_message.Message):
    __slots__ = ("subscription_id", "change_id", "plan_id", "quantity", "policy", "when", "payment_method")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    change_id: str
    plan_id: str
    quantity: int
    policy: str
    when: str
    payment_method: str
    def __init__(self, subscription_id: _Optional[str] = ..., change_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., quantity: _Optional[int] = ..., policy: _Optional[str] = ..., when: _Optional[str] = ..., payment_method: _Optional[str] = ...) -> None: ...

class PreviewChangeRequest(_message.Message):
    __slots__ = ("subscription_id", "plan_id", "quantity", "policy", "when")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    plan_id: str
    quantity: int
    policy: str
    when: str
    def __init__(self, subscription_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., quantity: _Optional[int] = ..., policy: _Optional[str] = ..., when: _Optional[str] = ...) -> None: ...

class CancelRequest(_message.Message):
    __slots__ = ("subscription_id", "when", "keep_credits")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    KEEP_CREDITS_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    when: str
    keep_credits: bool
    def __init__(self, subscription_id: _Optional[str] = ..., when: _Optional[str] = ..., keep_credits: _Optional[bool] = ...) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ("subscription_id",)
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    def __init__(self, subscription_id: _Optional[str] = ...) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ("subscription_id",)
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    def __init__(self, subscription_id: _Optional[str] = ...) -> None: ...

class SetAutoRenewRequest(_message.Message):
    __slots__ = ("subscription_id", "auto_renew")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    AUTO_RENEW_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    auto_renew: bool
    def __init__(self, subscription_id: _Optional[str] = ..., auto_renew: _Optional[bool] = ...) -> None: ...

class AddServiceRequest(_message.Message):
    __slots__ = ("subscription_id", "service")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    service: ServiceOrder
    def __init__(self, subscription_id: _Optional[str] = ..., service: _Optional[_Union[ServiceOrder, _Mapping]] = ...) -> None: ...

class TerminateServiceRequest(_message.Message):
    __slots__ = ("subscription_id", "service_id")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    service_id: str
    def __init__(self, subscription_id: _Optional[str] = ..., service_id: _Optional[str] = ...) -> None: ...

class AdjustDeliveryRequest(_message.Message):
    __slots__ = ("subscription_id", "service_id", "number", "amount")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    service_id: str
    number: int
    amount: str
    def __init__(self, subscription_id: _Optional[str] = ..., service_id: _Optional[str] = ..., number: _Optional[int] = ..., amount: _Optional[str] = ...) -> None: ...

class Subscriptions(_message.Message):
    __slots__ = ("subscriptions",)
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    subscriptions: _containers.RepeatedCompositeFieldContainer[Subscription]
    def __init__(self, subscriptions: _Optional[_Iterable[_Union[Subscription, _Mapping]]] = ...) -> None: ...

class Subscription(_message.Message):
    __slots__ = ("subscription_id", "account", "customer_id", "plan_id", "version", "quantity", "currency", "country", "state", "started_at", "billing", "grants", "billing_next", "grant_next", "epoch", "trial_ends_at", "ends_at", "ended_at", "auto_renew", "payment_method", "own_grants", "planned_change", "segments", "waiting_charges", "paused_at", "term", "term_ends_at", "services", "seen", "left_plans", "unpaid_invoice_id", "past_due_since", "left_prices", "term_months", "term_agreed_end")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    BILLING_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    BILLING_NEXT_FIELD_NUMBER: _ClassVar[int]
    GRANT_NEXT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    TRIAL_ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    AUTO_RENEW_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    OWN_GRANTS_FIELD_NUMBER: _ClassVar[int]
    PLANNED_CHANGE_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    WAITING_CHARGES_FIELD_NUMBER: _ClassVar[int]
    PAUSED_AT_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    TERM_ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    LEFT_PLANS_FIELD_NUMBER: _ClassVar[int]
    UNPAID_INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    PAST_DUE_SINCE_FIELD_NUMBER: _ClassVar[int]
    LEFT_PRICES_FIELD_NUMBER: _ClassVar[int]
    TERM_MONTHS_FIELD_NUMBER: _ClassVar[int]
    TERM_AGREED_END_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    account: str
    customer_id: str
    plan_id: str
    version: int
    quantity: int
    currency: str
    country: str
    state: str
    started_at: _timestamp_pb2.Timestamp
    billing: _values_pb2.Schedule
    grants: _values_pb2.Schedule
    billing_next: int
    grant_next: int
    epoch: int
    trial_ends_at: _timestamp_pb2.Timestamp
    ends_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    auto_renew: bool
    payment_method: str
    own_grants: _containers.RepeatedCompositeFieldContainer[OwnGrant]
    planned_change: PlannedChange
    segments: _containers.RepeatedCompositeFieldContainer[Segment]
    waiting_charges: _containers.RepeatedCompositeFieldContainer[Charge]
    paused_at: _timestamp_pb2.Timestamp
    term: int
    term_ends_at: _timestamp_pb2.Timestamp
    services: _containers.RepeatedCompositeFieldContainer[Service]
    seen: _containers.RepeatedScalarFieldContainer[str]
    left_plans: _containers.RepeatedScalarFieldContainer[str]
    unpaid_invoice_id: str
    past_due_since: _timestamp_pb2.Timestamp
    left_prices: _containers.RepeatedCompositeFieldContainer[LeftPrice]
    term_months: int
    term_agreed_end: _timestamp_pb2.Timestamp
    def __init__(self, subscription_id: _Optional[str] = ..., account: _Optional[str] = ..., customer_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., version: _Optional[int] = ..., quantity: _Optional[int] = ..., currency: _Optional[str] = ..., country: _Optional[str] = ..., state: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., billing: _Optional[_Union[_values_pb2.Schedule, _Mapping]] = ..., grants: _Optional[_Union[_values_pb2.Schedule, _Mapping]] = ..., billing_next: _Optional[int] = ..., grant_next: _Optional[int] = ..., epoch: _Optional[int] = ..., trial_ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., auto_renew: _Optional[bool] = ..., payment_method: _Optional[str] = ..., own_grants: _Optional[_Iterable[_Union[OwnGrant, _Mapping]]] = ..., planned_change: _Optional[_Union[PlannedChange, _Mapping]] = ..., segments: _Optional[_Iterable[_Union[Segment, _Mapping]]] = ..., waiting_charges: _Optional[_Iterable[_Union[Charge, _Mapping]]] = ..., paused_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., term: _Optional[int] = ..., term_ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., services: _Optional[_Iterable[_Union[Service, _Mapping]]] = ..., seen: _Optional[_Iterable[str]] = ..., left_plans: _Optional[_Iterable[str]] = ..., unpaid_invoice_id: _Optional[str] = ..., past_due_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., left_prices: _Optional[_Iterable[_Union[LeftPrice, _Mapping]]] = ..., term_months: _Optional[int] = ..., term_agreed_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class LeftPrice(_message.Message):
    __slots__ = ("plan_key", "until")
    PLAN_KEY_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    plan_key: str
    until: _timestamp_pb2.Timestamp
    def __init__(self, plan_key: _Optional[str] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class OwnGrant(_message.Message):
    __slots__ = ("grant_id", "credit_type", "amount", "period", "expires_at", "priority", "cost", "kind", "rolled", "plan_key")
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ROLLED_FIELD_NUMBER: _ClassVar[int]
    PLAN_KEY_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    credit_type: str
    amount: str
    period: _values_pb2.Period
    expires_at: _timestamp_pb2.Timestamp
    priority: int
    cost: _values_pb2.Money
    kind: str
    rolled: int
    plan_key: str
    def __init__(self, grant_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., amount: _Optional[str] = ..., period: _Optional[_Union[_values_pb2.Period, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., priority: _Optional[int] = ..., cost: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., kind: _Optional[str] = ..., rolled: _Optional[int] = ..., plan_key: _Optional[str] = ...) -> None: ...

class PlannedChange(_message.Message):
    __slots__ = ("change_id", "plan_id", "version", "quantity", "policy", "asked_at", "invoice_id", "former_payment_method", "replaced")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    ASKED_AT_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    FORMER_PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    change_id: str
    plan_id: str
    version: int
    quantity: int
    policy: str
    asked_at: _timestamp_pb2.Timestamp
    invoice_id: str
    former_payment_method: str
    replaced: PlannedChange
    def __init__(self, change_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., version: _Optional[int] = ..., quantity: _Optional[int] = ..., policy: _Optional[str] = ..., asked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., invoice_id: _Optional[str] = ..., former_payment_method: _Optional[str] = ..., replaced: _Optional[_Union[PlannedChange, _Mapping]] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("since", "amount", "credit_type")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    since: _timestamp_pb2.Timestamp
    amount: str
    credit_type: str
    def __init__(self, since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., amount: _Optional[str] = ..., credit_type: _Optional[str] = ...) -> None: ...

class Charge(_message.Message):
    __slots__ = ("charge_id", "kind", "description", "amount", "quantity", "period", "subscription_id", "plan_key", "reference", "in_advance")
    CHARGE_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_KEY_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    IN_ADVANCE_FIELD_NUMBER: _ClassVar[int]
    charge_id: str
    kind: str
    description: str
    amount: _values_pb2.Money
    quantity: str
    period: _values_pb2.Period
    subscription_id: str
    plan_key: str
    reference: str
    in_advance: bool
    def __init__(self, charge_id: _Optional[str] = ..., kind: _Optional[str] = ..., description: _Optional[str] = ..., amount: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., quantity: _Optional[str] = ..., period: _Optional[_Union[_values_pb2.Period, _Mapping]] = ..., subscription_id: _Optional[str] = ..., plan_key: _Optional[str] = ..., reference: _Optional[str] = ..., in_advance: _Optional[bool] = ...) -> None: ...

class Service(_message.Message):
    __slots__ = ("service_id", "pack_id", "schedule", "deliveries", "quantity", "until", "bill_later", "state", "delivered", "adjusted", "unbilled", "charged_until", "until_given")
    class AdjustedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    BILL_LATER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    ADJUSTED_FIELD_NUMBER: _ClassVar[int]
    UNBILLED_FIELD_NUMBER: _ClassVar[int]
    CHARGED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    UNTIL_GIVEN_FIELD_NUMBER: _ClassVar[int]
    service_id: str
    pack_id: str
    schedule: str
    deliveries: _values_pb2.Schedule
    quantity: int
    until: _timestamp_pb2.Timestamp
    bill_later: bool
    state: str
    delivered: int
    adjusted: _containers.ScalarMap[str, str]
    unbilled: _containers.RepeatedScalarFieldContainer[int]
    charged_until: _timestamp_pb2.Timestamp
    until_given: bool
    def __init__(self, service_id: _Optional[str] = ..., pack_id: _Optional[str] = ..., schedule: _Optional[str] = ..., deliveries: _Optional[_Union[_values_pb2.Schedule, _Mapping]] = ..., quantity: _Optional[int] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., bill_later: _Optional[bool] = ..., state: _Optional[str] = ..., delivered: _Optional[int] = ..., adjusted: _Optional[_Mapping[str, str]] = ..., unbilled: _Optional[_Iterable[int]] = ..., charged_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until_given: _Optional[bool] = ...) -> None: ...

class ChangePreview(_message.Message):
    __slots__ = ("subscription_id", "plan_id", "policy", "effective_at", "due_now", "charges", "grants_voided", "credits_forfeited", "credits_granted")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    DUE_NOW_FIELD_NUMBER: _ClassVar[int]
    CHARGES_FIELD_NUMBER: _ClassVar[int]
    GRANTS_VOIDED_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FORFEITED_FIELD_NUMBER: _ClassVar[int]
    CREDITS_GRANTED_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    plan_id: str
    policy: str
    effective_at: _timestamp_pb2.Timestamp
    due_now: _values_pb2.Money
    charges: _containers.RepeatedCompositeFieldContainer[Charge]
    grants_voided: _containers.RepeatedScalarFieldContainer[str]
    credits_forfeited: str
    credits_granted: str
    def __init__(self, subscription_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., policy: _Optional[str] = ..., effective_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., due_now: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., charges: _Optional[_Iterable[_Union[Charge, _Mapping]]] = ..., grants_voided: _Optional[_Iterable[str]] = ..., credits_forfeited: _Optional[str] = ..., credits_granted: _Optional[str] = ...) -> None: ...

class GetFeatureRequest(_message.Message):
    __slots__ = ("account", "feature")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    account: str
    feature: str
    def __init__(self, account: _Optional[str] = ..., feature: _Optional[str] = ...) -> None: ...

class ListFeaturesRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: str
    def __init__(self, account: _Optional[str] = ...) -> None: ...

class Features(_message.Message):
    __slots__ = ("features",)
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedCompositeFieldContainer[Feature]
    def __init__(self, features: _Optional[_Iterable[_Union[Feature, _Mapping]]] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ("feature", "kind", "allowed", "value", "reason", "subscription_id")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    feature: str
    kind: str
    allowed: bool
    value: str
    reason: str
    subscription_id: str
    def __init__(self, feature: _Optional[str] = ..., kind: _Optional[str] = ..., allowed: _Optional[bool] = ..., value: _Optional[str] = ..., reason: _Optional[str] = ..., subscription_id: _Optional[str] = ...) -> None: ...
