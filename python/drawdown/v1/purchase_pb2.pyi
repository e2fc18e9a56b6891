import datetime

from drawdown.v1 import plan_pb2 as _plan_pb2
from drawdown.v1 import values_pb2 as _values_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreatePurchaseRequest(_message.Message):
    __slots__ = ("purchase_id", "account", "pack_id", "quantity", "credit_type", "credits", "payment_method", "bill_later")
    PURCHASE_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    BILL_LATER_FIELD_NUMBER: _ClassVar[int]
    purchase_id: str
    account: str
    pack_id: str
    quantity: int
    credit_type: str
    credits: str
    payment_method: str
    bill_later: bool
    def __init__(self, purchase_id: _Optional[str] = ..., account: _Optional[str] = ..., pack_id: _Optional[str] = ..., quantity: _Optional[int] = ..., credit_type: _Optional[str] = ..., credits: _Optional[str] = ..., payment_method: _Optional[str] = ..., bill_later: _Optional[bool] = ...) -> None: ...

class GetPurchaseRequest(_message.Message):
    __slots__ = ("purchase_id",)
    PURCHASE_ID_FIELD_NUMBER: _ClassVar[int]
    purchase_id: str
    def __init__(self, purchase_id: _Optional[str] = ...) -> None: ...

class ListPurchasesRequest(_message.Message):
    __slots__ = ("account", "after", "limit")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    account: str
    after: str
    limit: int
    def __init__(self, account: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class RefundPurchaseRequest(_message.Message):
    __slots__ = ("purchase_id", "policy", "amount")
    PURCHASE_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    purchase_id: str
    policy: str
    amount: _values_pb2.Money
    def __init__(self, purchase_id: _Optional[str] = ..., policy: _Optional[str] = ..., amount: _Optional[_Union[_values_pb2.Money, _Mapping]] = ...) -> None: ...

class MarkPurchasePaidRequest(_message.Message):
    __slots__ = ("purchase_id", "failed")
    PURCHASE_ID_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    purchase_id: str
    failed: bool
    def __init__(self, purchase_id: _Optional[str] = ..., failed: _Optional[bool] = ...) -> None: ...

class ProviderCallbackRequest(_message.Message):
    __slots__ = ("body", "headers")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    BODY_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    body: str
    headers: _containers.ScalarMap[str, str]
    def __init__(self, body: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Purchases(_message.Message):
    __slots__ = ("purchases",)
    PURCHASES_FIELD_NUMBER: _ClassVar[int]
    purchases: _containers.RepeatedCompositeFieldContainer[Purchase]
    def __init__(self, purchases: _Optional[_Iterable[_Union[Purchase, _Mapping]]] = ...) -> None: ...

class Purchase(_message.Message):
    __slots__ = ("purchase_id", "account", "customer_id", "kind", "credit_type", "credits", "price", "created_at", "state", "pack_id", "quantity", "provider", "payment_method", "charge_reference", "action_url", "reason", "expires_at", "priority", "category", "bill_later", "invoice_id", "refunded", "changed_at", "charged", "lifetime")
    PURCHASE_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    CHARGE_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    ACTION_URL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    BILL_LATER_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_FIELD_NUMBER: _ClassVar[int]
    purchase_id: str
    account: str
    customer_id: str
    kind: str
    credit_type: str
    credits: str
    price: _values_pb2.Money
    created_at: _timestamp_pb2.Timestamp
    state: str
    pack_id: str
    quantity: int
    provider: str
    payment_method: str
    charge_reference: str
    action_url: str
    reason: str
    expires_at: _timestamp_pb2.Timestamp
    priority: int
    category: str
    bill_later: bool
    invoice_id: str
    refunded: _values_pb2.Money
    changed_at: _timestamp_pb2.Timestamp
    charged: _values_pb2.Money
    lifetime: _plan_pb2.Lifetime
    def __init__(self, purchase_id: _Optional[str] = ..., account: _Optional[str] = ..., customer_id: _Optional[str] = ..., kind: _Optional[str] = ..., credit_type: _Optional[str] = ..., credits: _Optional[str] = ..., price: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[str] = ..., pack_id: _Optional[str] = ..., quantity: _Optional[int] = ..., provider: _Optional[str] = ..., payment_method: _Optional[str] = ..., charge_reference: _Optional[str] = ..., action_url: _Optional[str] = ..., reason: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., priority: _Optional[int] = ..., category: _Optional[str] = ..., bill_later: _Optional[bool] = ..., invoice_id: _Optional[str] = ..., refunded: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., charged: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., lifetime: _Optional[_Union[_plan_pb2.Lifetime, _Mapping]] = ...) -> None: ...

class CallbackAnswer(_message.Message):
    __slots__ = ("purchase_id", "invoice_id", "state")
    PURCHASE_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    purchase_id: str
    invoice_id: str
    state: str
    def __init__(self, purchase_id: _Optional[str] = ..., invoice_id: _Optional[str] = ..., state: _Optional[str] = ...) -> None: ...

class SetRechargeRequest(_message.Message):
    __slots__ = ("rule",)
    RULE_FIELD_NUMBER: _ClassVar[int]
    rule: RechargeRule
    def __init__(self, rule: _Optional[_Union[RechargeRule, _Mapping]] = ...) -> None: ...

class RechargeRule(_message.Message):
    __slots__ = ("account", "credit_type", "threshold", "to", "amount", "pack_id", "enabled", "cap_money", "cap_count", "expires_after_days")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    CAP_MONEY_FIELD_NUMBER: _ClassVar[int]
    CAP_COUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AFTER_DAYS_FIELD_NUMBER: _ClassVar[int]
    account: str
    credit_type: str
    threshold: str
    to: str
    amount: str
    pack_id: str
    enabled: bool
    cap_money: _values_pb2.Money
    cap_count: int
    expires_after_days: int
    def __init__(self, account: _Optional[str] = ..., credit_type: _Optional[str] = ..., threshold: _Optional[str] = ..., to: _Optional[str] = ..., amount: _Optional[str] = ..., pack_id: _Optional[str] = ..., enabled: _Optional[bool] = ..., cap_money: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., cap_count: _Optional[int] = ..., expires_after_days: _Optional[int] = ...) -> None: ...

class GetRechargeRequest(_message.Message):
    __slots__ = ("account", "credit_type")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    account: str
    credit_type: str
    def __init__(self, account: _Optional[str] = ..., credit_type: _Optional[str] = ...) -> None: ...

class Recharge(_message.Message):
    __slots__ = ("rule", "standing")
    RULE_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    rule: RechargeRule
    standing: RechargeStanding
    def __init__(self, rule: _Optional[_Union[RechargeRule, _Mapping]] = ..., standing: _Optional[_Union[RechargeStanding, _Mapping]] = ...) -> None: ...

class RechargeStanding(_message.Message):
    __slots__ = ("state", "reason", "purchase_id", "period_start", "spent", "count", "broken_method", "looked_at_seq", "level_is_callers")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PURCHASE_ID_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    BROKEN_METHOD_FIELD_NUMBER: _ClassVar[int]
    LOOKED_AT_SEQ_FIELD_NUMBER: _ClassVar[int]
    LEVEL_IS_CALLERS_FIELD_NUMBER: _ClassVar[int]
    state: str
    reason: str
    purchase_id: str
    period_start: _timestamp_pb2.Timestamp
    spent: _values_pb2.Money
    count: int
    broken_method: str
    looked_at_seq: int
    level_is_callers: bool
    def __init__(self, state: _Optional[str] = ..., reason: _Optional[str] = ..., purchase_id: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., spent: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., count: _Optional[int] = ..., broken_method: _Optional[str] = ..., looked_at_seq: _Optional[int] = ..., level_is_callers: _Optional[bool] = ...) -> None: ...
