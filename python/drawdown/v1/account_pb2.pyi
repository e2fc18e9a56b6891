import datetime

from drawdown.v1 import housekeeping_pb2 as _housekeeping_pb2
from drawdown.v1 import usage_pb2 as _usage_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PolicyKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POLICY_KIND_UNSPECIFIED: _ClassVar[PolicyKind]
    POLICY_KIND_HARD: _ClassVar[PolicyKind]
    POLICY_KIND_PARTIAL: _ClassVar[PolicyKind]
    POLICY_KIND_OVERDRAFT: _ClassVar[PolicyKind]
    POLICY_KIND_OVERAGE: _ClassVar[PolicyKind]
POLICY_KIND_UNSPECIFIED: PolicyKind
POLICY_KIND_HARD: PolicyKind
POLICY_KIND_PARTIAL: PolicyKind
POLICY_KIND_OVERDRAFT: PolicyKind
POLICY_KIND_OVERAGE: PolicyKind

class Account(_message.Message):
    __slots__ = ("account_id", "customer_id", "suspended", "rate_table", "test_clock", "credit_types")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    RATE_TABLE_FIELD_NUMBER: _ClassVar[int]
    TEST_CLOCK_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPES_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    customer_id: str
    suspended: bool
    rate_table: str
    test_clock: _timestamp_pb2.Timestamp
    credit_types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, account_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., suspended: _Optional[bool] = ..., rate_table: _Optional[str] = ..., test_clock: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., credit_types: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateAccountRequest(_message.Message):
    __slots__ = ("account_id", "customer_id", "rate_table", "test_clock")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    RATE_TABLE_FIELD_NUMBER: _ClassVar[int]
    TEST_CLOCK_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    customer_id: str
    rate_table: str
    test_clock: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., rate_table: _Optional[str] = ..., test_clock: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateAccountResponse(_message.Message):
    __slots__ = ("account", "already_existed", "seq")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ALREADY_EXISTED_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    account: Account
    already_existed: bool
    seq: int
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ..., already_existed: _Optional[bool] = ..., seq: _Optional[int] = ...) -> None: ...

class GetAccountRequest(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    def __init__(self, account_id: _Optional[str] = ...) -> None: ...

class GetAccountResponse(_message.Message):
    __slots__ = ("account", "seq")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    account: Account
    seq: int
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ..., seq: _Optional[int] = ...) -> None: ...

class ListAccountsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "prefix")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    prefix: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., prefix: _Optional[str] = ...) -> None: ...

class ListAccountsResponse(_message.Message):
    __slots__ = ("accounts", "next_page_token", "seq")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[Account]
    next_page_token: str
    seq: int
    def __init__(self, accounts: _Optional[_Iterable[_Union[Account, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class UpdateAccountRequest(_message.Message):
    __slots__ = ("account_id", "suspended")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    SUSPENDED_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    suspended: bool
    def __init__(self, account_id: _Optional[str] = ..., suspended: _Optional[bool] = ...) -> None: ...

class UpdateAccountResponse(_message.Message):
    __slots__ = ("account", "seq")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    account: Account
    seq: int
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ..., seq: _Optional[int] = ...) -> None: ...

class AssignRateTableRequest(_message.Message):
    __slots__ = ("account_id", "rate_table", "valid_from")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    RATE_TABLE_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    rate_table: str
    valid_from: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., rate_table: _Optional[str] = ..., valid_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AssignRateTableResponse(_message.Message):
    __slots__ = ("already_existed", "seq")
    ALREADY_EXISTED_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    already_existed: bool
    seq: int
    def __init__(self, already_existed: _Optional[bool] = ..., seq: _Optional[int] = ...) -> None: ...

class SetPeriodEdgeRequest(_message.Message):
    __slots__ = ("account_id", "at", "withdrawn")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    at: _timestamp_pb2.Timestamp
    withdrawn: bool
    def __init__(self, account_id: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., withdrawn: _Optional[bool] = ...) -> None: ...

class SetPeriodEdgeResponse(_message.Message):
    __slots__ = ("already_existed", "seq")
    ALREADY_EXISTED_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    already_existed: bool
    seq: int
    def __init__(self, already_existed: _Optional[bool] = ..., seq: _Optional[int] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("kind", "limit", "price", "cap")
    KIND_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    kind: PolicyKind
    limit: str
    price: str
    cap: str
    def __init__(self, kind: _Optional[_Union[PolicyKind, str]] = ..., limit: _Optional[str] = ..., price: _Optional[str] = ..., cap: _Optional[str] = ...) -> None: ...

class SetPolicyRequest(_message.Message):
    __slots__ = ("account_id", "credit_type", "policy", "since")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    credit_type: str
    policy: Policy
    since: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SetPolicyResponse(_message.Message):
    __slots__ = ("seq",)
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...

class SetThresholdsRequest(_message.Message):
    __slots__ = ("account_id", "credit_type", "thresholds")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    credit_type: str
    thresholds: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, account_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., thresholds: _Optional[_Iterable[str]] = ...) -> None: ...

class SetThresholdsResponse(_message.Message):
    __slots__ = ("seq",)
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...

class Balance(_message.Message):
    __slots__ = ("account_id", "credit_type", "scale", "available", "remaining", "held", "overdraft", "overage", "policy", "thresholds")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_FIELD_NUMBER: _ClassVar[int]
    OVERAGE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    credit_type: str
    scale: int
    available: str
    remaining: str
    held: str
    overdraft: str
    overage: str
    policy: Policy
    thresholds: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, account_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., scale: _Optional[int] = ..., available: _Optional[str] = ..., remaining: _Optional[str] = ..., held: _Optional[str] = ..., overdraft: _Optional[str] = ..., overage: _Optional[str] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., thresholds: _Optional[_Iterable[str]] = ...) -> None: ...

class GetBalanceRequest(_message.Message):
    __slots__ = ("account_id", "credit_type", "at")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    credit_type: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetBalanceResponse(_message.Message):
    __slots__ = ("balance", "seq")
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    balance: Balance
    seq: int
    def __init__(self, balance: _Optional[_Union[Balance, _Mapping]] = ..., seq: _Optional[int] = ...) -> None: ...

class ListBalancesRequest(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    def __init__(self, account_id: _Optional[str] = ...) -> None: ...

class ListBalancesResponse(_message.Message):
    __slots__ = ("balances", "seq")
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    balances: _containers.RepeatedCompositeFieldContainer[Balance]
    seq: int
    def __init__(self, balances: _Optional[_Iterable[_Union[Balance, _Mapping]]] = ..., seq: _Optional[int] = ...) -> None: ...

class PutCustomerRequest(_message.Message):
    __slots__ = ("customer",)
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    customer: Customer
    def __init__(self, customer: _Optional[_Union[Customer, _Mapping]] = ...) -> None: ...

class Customer(_message.Message):
    __slots__ = ("customer_id", "name", "email", "currency", "country", "time_zone", "payment_method", "provider_id", "address", "tax_id", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TAX_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    name: str
    email: str
    currency: str
    country: str
    time_zone: str
    payment_method: str
    provider_id: str
    address: _containers.RepeatedScalarFieldContainer[str]
    tax_id: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, customer_id: _Optional[str] = ..., name: _Optional[str] = ..., email: _Optional[str] = ..., currency: _Optional[str] = ..., country: _Optional[str] = ..., time_zone: _Optional[str] = ..., payment_method: _Optional[str] = ..., provider_id: _Optional[str] = ..., address: _Optional[_Iterable[str]] = ..., tax_id: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GetCustomerRequest(_message.Message):
    __slots__ = ("customer_id",)
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    def __init__(self, customer_id: _Optional[str] = ...) -> None: ...

class ListCustomersRequest(_message.Message):
    __slots__ = ("prefix", "after", "limit")
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    prefix: str
    after: str
    limit: int
    def __init__(self, prefix: _Optional[str] = ..., after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class Customers(_message.Message):
    __slots__ = ("customers",)
    CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    customers: _containers.RepeatedCompositeFieldContainer[Customer]
    def __init__(self, customers: _Optional[_Iterable[_Union[Customer, _Mapping]]] = ...) -> None: ...

class WatchBalancesRequest(_message.Message):
    __slots__ = ("account_ids", "credit_type")
    ACCOUNT_IDS_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    account_ids: _containers.RepeatedScalarFieldContainer[str]
    credit_type: str
    def __init__(self, account_ids: _Optional[_Iterable[str]] = ..., credit_type: _Optional[str] = ...) -> None: ...

class WatchBalancesResponse(_message.Message):
    __slots__ = ("balances", "seq")
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    balances: _containers.RepeatedCompositeFieldContainer[Balance]
    seq: int
    def __init__(self, balances: _Optional[_Iterable[_Union[Balance, _Mapping]]] = ..., seq: _Optional[int] = ...) -> None: ...

class ListLedgerEntriesRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token", "kinds", "credit_type", "oldest_first")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    kinds: _containers.RepeatedScalarFieldContainer[str]
    credit_type: str
    oldest_first: bool
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., kinds: _Optional[_Iterable[str]] = ..., credit_type: _Optional[str] = ..., oldest_first: _Optional[bool] = ...) -> None: ...

class ListLedgerEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token", "first_kept_seq", "seq")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FIRST_KEPT_SEQ_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_usage_pb2.LedgerEntry]
    next_page_token: str
    first_kept_seq: int
    seq: int
    def __init__(self, entries: _Optional[_Iterable[_Union[_usage_pb2.LedgerEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., first_kept_seq: _Optional[int] = ..., seq: _Optional[int] = ...) -> None: ...

class ExplainBalanceRequest(_message.Message):
    __slots__ = ("account_id", "event_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    event_id: str
    def __init__(self, account_id: _Optional[str] = ..., event_id: _Optional[str] = ...) -> None: ...

class ExplainBalanceResponse(_message.Message):
    __slots__ = ("event", "rate", "units_before", "draws", "balance_before", "balance_after", "settlements", "corrections", "seq")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    UNITS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    BALANCE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_AFTER_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENTS_FIELD_NUMBER: _ClassVar[int]
    CORRECTIONS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    event: _usage_pb2.LedgerEntry
    rate: AppliedRate
    units_before: int
    draws: _containers.RepeatedCompositeFieldContainer[GrantDraw]
    balance_before: Balance
    balance_after: Balance
    settlements: _containers.RepeatedCompositeFieldContainer[_usage_pb2.LedgerEntry]
    corrections: _containers.RepeatedCompositeFieldContainer[_usage_pb2.LedgerEntry]
    seq: int
    def __init__(self, event: _Optional[_Union[_usage_pb2.LedgerEntry, _Mapping]] = ..., rate: _Optional[_Union[AppliedRate, _Mapping]] = ..., units_before: _Optional[int] = ..., draws: _Optional[_Iterable[_Union[GrantDraw, _Mapping]]] = ..., balance_before: _Optional[_Union[Balance, _Mapping]] = ..., balance_after: _Optional[_Union[Balance, _Mapping]] = ..., settlements: _Optional[_Iterable[_Union[_usage_pb2.LedgerEntry, _Mapping]]] = ..., corrections: _Optional[_Iterable[_Union[_usage_pb2.LedgerEntry, _Mapping]]] = ..., seq: _Optional[int] = ...) -> None: ...

class AppliedRate(_message.Message):
    __slots__ = ("rate_table", "meter", "credit_type", "match", "valid_from", "version", "sent_json")
    class MatchEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RATE_TABLE_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SENT_JSON_FIELD_NUMBER: _ClassVar[int]
    rate_table: str
    meter: str
    credit_type: str
    match: _containers.ScalarMap[str, str]
    valid_from: _timestamp_pb2.Timestamp
    version: int
    sent_json: bytes
    def __init__(self, rate_table: _Optional[str] = ..., meter: _Optional[str] = ..., credit_type: _Optional[str] = ..., match: _Optional[_Mapping[str, str]] = ..., valid_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., version: _Optional[int] = ..., sent_json: _Optional[bytes] = ...) -> None: ...

class GrantDraw(_message.Message):
    __slots__ = ("grant_id", "name", "amount", "remaining_before", "remaining_after")
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REMAINING_BEFORE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_AFTER_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    name: str
    amount: str
    remaining_before: str
    remaining_after: str
    def __init__(self, grant_id: _Optional[str] = ..., name: _Optional[str] = ..., amount: _Optional[str] = ..., remaining_before: _Optional[str] = ..., remaining_after: _Optional[str] = ...) -> None: ...
