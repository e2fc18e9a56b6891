import datetime

from drawdown.v1 import values_pb2 as _values_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReportSalesRequest(_message.Message):
    __slots__ = ("since", "until", "account")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    account: str
    def __init__(self, since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account: _Optional[str] = ...) -> None: ...

class ReportCreditsRequest(_message.Message):
    __slots__ = ("account_prefix", "since", "until")
    ACCOUNT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    account_prefix: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    def __init__(self, account_prefix: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SalesReport(_message.Message):
    __slots__ = ("packs", "recharges")
    PACKS_FIELD_NUMBER: _ClassVar[int]
    RECHARGES_FIELD_NUMBER: _ClassVar[int]
    packs: _containers.RepeatedCompositeFieldContainer[PackSales]
    recharges: _containers.RepeatedCompositeFieldContainer[RechargeSales]
    def __init__(self, packs: _Optional[_Iterable[_Union[PackSales, _Mapping]]] = ..., recharges: _Optional[_Iterable[_Union[RechargeSales, _Mapping]]] = ...) -> None: ...

class PackSales(_message.Message):
    __slots__ = ("pack_id", "revenue", "refunded", "packs", "purchases", "credits")
    PACK_ID_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_FIELD_NUMBER: _ClassVar[int]
    PACKS_FIELD_NUMBER: _ClassVar[int]
    PURCHASES_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    pack_id: str
    revenue: _values_pb2.Money
    refunded: _values_pb2.Money
    packs: int
    purchases: int
    credits: str
    def __init__(self, pack_id: _Optional[str] = ..., revenue: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., refunded: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., packs: _Optional[int] = ..., purchases: _Optional[int] = ..., credits: _Optional[str] = ...) -> None: ...

class RechargeSales(_message.Message):
    __slots__ = ("credit_type", "money", "recharges", "failures", "credits")
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    MONEY_FIELD_NUMBER: _ClassVar[int]
    RECHARGES_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    credit_type: str
    money: _values_pb2.Money
    recharges: int
    failures: int
    credits: str
    def __init__(self, credit_type: _Optional[str] = ..., money: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., recharges: _Optional[int] = ..., failures: _Optional[int] = ..., credits: _Optional[str] = ...) -> None: ...

class CreditReport(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[CreditSums]
    def __init__(self, rows: _Optional[_Iterable[_Union[CreditSums, _Mapping]]] = ...) -> None: ...

class CreditSums(_message.Message):
    __slots__ = ("credit_type", "source", "grants", "granted", "burned", "expired", "voided", "moved", "outstanding", "cost", "recognised", "breakage", "forfeited", "carried", "deferred", "opening", "opening_deferred")
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    BURNED_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    VOIDED_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    RECOGNISED_FIELD_NUMBER: _ClassVar[int]
    BREAKAGE_FIELD_NUMBER: _ClassVar[int]
    FORFEITED_FIELD_NUMBER: _ClassVar[int]
    CARRIED_FIELD_NUMBER: _ClassVar[int]
    DEFERRED_FIELD_NUMBER: _ClassVar[int]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    OPENING_DEFERRED_FIELD_NUMBER: _ClassVar[int]
    credit_type: str
    source: str
    grants: int
    granted: str
    burned: str
    expired: str
    voided: str
    moved: str
    outstanding: str
    cost: _values_pb2.Money
    recognised: _values_pb2.Money
    breakage: _values_pb2.Money
    forfeited: _values_pb2.Money
    carried: _values_pb2.Money
    deferred: _values_pb2.Money
    opening: str
    opening_deferred: _values_pb2.Money
    def __init__(self, credit_type: _Optional[str] = ..., source: _Optional[str] = ..., grants: _Optional[int] = ..., granted: _Optional[str] = ..., burned: _Optional[str] = ..., expired: _Optional[str] = ..., voided: _Optional[str] = ..., moved: _Optional[str] = ..., outstanding: _Optional[str] = ..., cost: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., recognised: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., breakage: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., forfeited: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., carried: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., deferred: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., opening: _Optional[str] = ..., opening_deferred: _Optional[_Union[_values_pb2.Money, _Mapping]] = ...) -> None: ...

class ReportUsageRequest(_message.Message):
    __slots__ = ("since", "until", "account_prefix", "after", "limit")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    account_prefix: str
    after: int
    limit: int
    def __init__(self, since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account_prefix: _Optional[str] = ..., after: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ReportTopAccountsRequest(_message.Message):
    __slots__ = ("since", "until", "account_prefix", "limit")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    account_prefix: str
    limit: int
    def __init__(self, since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account_prefix: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ReportRunwayRequest(_message.Message):
    __slots__ = ("days", "account_prefix", "limit")
    DAYS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    days: int
    account_prefix: str
    limit: int
    def __init__(self, days: _Optional[int] = ..., account_prefix: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class UsageReport(_message.Message):
    __slots__ = ("rows", "next")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[UsageSums]
    next: int
    def __init__(self, rows: _Optional[_Iterable[_Union[UsageSums, _Mapping]]] = ..., next: _Optional[int] = ...) -> None: ...

class UsageSums(_message.Message):
    __slots__ = ("account", "credit_type", "meter", "day", "events", "quantity", "charged")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    account: str
    credit_type: str
    meter: str
    day: str
    events: int
    quantity: str
    charged: str
    def __init__(self, account: _Optional[str] = ..., credit_type: _Optional[str] = ..., meter: _Optional[str] = ..., day: _Optional[str] = ..., events: _Optional[int] = ..., quantity: _Optional[str] = ..., charged: _Optional[str] = ...) -> None: ...

class TopAccounts(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[TopAccount]
    def __init__(self, rows: _Optional[_Iterable[_Union[TopAccount, _Mapping]]] = ...) -> None: ...

class TopAccount(_message.Message):
    __slots__ = ("account", "credit_type", "events", "charged")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    account: str
    credit_type: str
    events: int
    charged: str
    def __init__(self, account: _Optional[str] = ..., credit_type: _Optional[str] = ..., events: _Optional[int] = ..., charged: _Optional[str] = ...) -> None: ...

class RunwayReport(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[Runway]
    def __init__(self, rows: _Optional[_Iterable[_Union[Runway, _Mapping]]] = ...) -> None: ...

class Runway(_message.Message):
    __slots__ = ("account", "credit_type", "available", "per_day", "days")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    PER_DAY_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    account: str
    credit_type: str
    available: str
    per_day: str
    days: str
    def __init__(self, account: _Optional[str] = ..., credit_type: _Optional[str] = ..., available: _Optional[str] = ..., per_day: _Optional[str] = ..., days: _Optional[str] = ...) -> None: ...
