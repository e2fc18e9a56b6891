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
    __slots__ = ("account", "subscription_id", "plan_id", "product_id", "quantity", "payment_method", "currency")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    account: str
    subscription_id: str
    plan_id: str
    product_id: str
    quantity: int
    payment_method: str
    currency: str
    def __init__(self, account: _Optional[str] = ..., subscription_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., product_id: _Optional[str] = ..., quantity: _Optional[int] = ..., payment_method: _Optional[str] = ..., currency: _Optional[str] = ...) -> None: ...

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

class Subscriptions(_message.Message):
    __slots__ = ("subscriptions",)
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    subscriptions: _containers.RepeatedCompositeFieldContainer[Subscription]
    def __init__(self, subscriptions: _Optional[_Iterable[_Union[Subscription, _Mapping]]] = ...) -> None: ...

class Subscription(_message.Message):
    __slots__ = ("subscription_id", "account", "customer_id", "plan_id", "version", "quantity", "currency", "country", "state", "started_at", "billing", "grants", "billing_next", "grant_next", "epoch", "trial_ends_at", "ends_at", "ended_at", "auto_renew", "payment_method", "own_grants", "planned_change", "changes", "paused_at")
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
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    PAUSED_AT_FIELD_NUMBER: _ClassVar[int]
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
    changes: int
    paused_at: _timestamp_pb2.Timestamp
    def __init__(self, subscription_id: _Optional[str] = ..., account: _Optional[str] = ..., customer_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., version: _Optional[int] = ..., quantity: _Optional[int] = ..., currency: _Optional[str] = ..., country: _Optional[str] = ..., state: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., billing: _Optional[_Union[_values_pb2.Schedule, _Mapping]] = ..., grants: _Optional[_Union[_values_pb2.Schedule, _Mapping]] = ..., billing_next: _Optional[int] = ..., grant_next: _Optional[int] = ..., epoch: _Optional[int] = ..., trial_ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., auto_renew: _Optional[bool] = ..., payment_method: _Optional[str] = ..., own_grants: _Optional[_Iterable[_Union[OwnGrant, _Mapping]]] = ..., planned_change: _Optional[_Union[PlannedChange, _Mapping]] = ..., changes: _Optional[int] = ..., paused_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class OwnGrant(_message.Message):
    __slots__ = ("grant_id", "credit_type", "amount", "period", "expires_at", "priority", "cost", "kind", "rolled")
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ROLLED_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    credit_type: str
    amount: str
    period: _values_pb2.Period
    expires_at: _timestamp_pb2.Timestamp
    priority: int
    cost: _values_pb2.Money
    kind: str
    rolled: int
    def __init__(self, grant_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., amount: _Optional[str] = ..., period: _Optional[_Union[_values_pb2.Period, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., priority: _Optional[int] = ..., cost: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., kind: _Optional[str] = ..., rolled: _Optional[int] = ...) -> None: ...

class PlannedChange(_message.Message):
    __slots__ = ("change_id", "plan_id", "version", "quantity", "policy")
    CHANGE_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    change_id: str
    plan_id: str
    version: int
    quantity: int
    policy: str
    def __init__(self, change_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., version: _Optional[int] = ..., quantity: _Optional[int] = ..., policy: _Optional[str] = ...) -> None: ...
