import datetime

from drawdown.v1 import transfer_pb2 as _transfer_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GrantCategory(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRANT_CATEGORY_UNSPECIFIED: _ClassVar[GrantCategory]
    GRANT_CATEGORY_PAID: _ClassVar[GrantCategory]
    GRANT_CATEGORY_PROMOTIONAL: _ClassVar[GrantCategory]

class GrantSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRANT_SOURCE_UNSPECIFIED: _ClassVar[GrantSource]
    GRANT_SOURCE_PURCHASE: _ClassVar[GrantSource]
    GRANT_SOURCE_SUBSCRIPTION: _ClassVar[GrantSource]
    GRANT_SOURCE_RECHARGE: _ClassVar[GrantSource]
    GRANT_SOURCE_PROMOTION: _ClassVar[GrantSource]
    GRANT_SOURCE_SIGNUP: _ClassVar[GrantSource]
    GRANT_SOURCE_TRIAL: _ClassVar[GrantSource]
    GRANT_SOURCE_ROLLOVER: _ClassVar[GrantSource]
    GRANT_SOURCE_ADJUSTMENT: _ClassVar[GrantSource]

class GrantState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GRANT_STATE_UNSPECIFIED: _ClassVar[GrantState]
    GRANT_STATE_VOIDED: _ClassVar[GrantState]
    GRANT_STATE_PENDING: _ClassVar[GrantState]
    GRANT_STATE_EXPIRED: _ClassVar[GrantState]
    GRANT_STATE_SCHEDULED: _ClassVar[GrantState]
    GRANT_STATE_EXHAUSTED: _ClassVar[GrantState]
    GRANT_STATE_ACTIVE: _ClassVar[GrantState]
GRANT_CATEGORY_UNSPECIFIED: GrantCategory
GRANT_CATEGORY_PAID: GrantCategory
GRANT_CATEGORY_PROMOTIONAL: GrantCategory
GRANT_SOURCE_UNSPECIFIED: GrantSource
GRANT_SOURCE_PURCHASE: GrantSource
GRANT_SOURCE_SUBSCRIPTION: GrantSource
GRANT_SOURCE_RECHARGE: GrantSource
GRANT_SOURCE_PROMOTION: GrantSource
GRANT_SOURCE_SIGNUP: GrantSource
GRANT_SOURCE_TRIAL: GrantSource
GRANT_SOURCE_ROLLOVER: GrantSource
GRANT_SOURCE_ADJUSTMENT: GrantSource
GRANT_STATE_UNSPECIFIED: GrantState
GRANT_STATE_VOIDED: GrantState
GRANT_STATE_PENDING: GrantState
GRANT_STATE_EXPIRED: GrantState
GRANT_STATE_SCHEDULED: GrantState
GRANT_STATE_EXHAUSTED: GrantState
GRANT_STATE_ACTIVE: GrantState

class GrantFormula(_message.Message):
    __slots__ = ("of", "min", "fraction", "minus")
    OF_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    MINUS_FIELD_NUMBER: _ClassVar[int]
    of: str
    min: str
    fraction: str
    minus: str
    def __init__(self, of: _Optional[str] = ..., min: _Optional[str] = ..., fraction: _Optional[str] = ..., minus: _Optional[str] = ...) -> None: ...

class GrantContent(_message.Message):
    __slots__ = ("grant_id", "credit_type", "amount", "formula", "name", "category", "priority", "effective_at", "expires_at", "scope", "pending", "source", "source_reference", "cost_minor", "cost_currency", "reason", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    FORMULA_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    COST_MINOR_FIELD_NUMBER: _ClassVar[int]
    COST_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    credit_type: str
    amount: str
    formula: GrantFormula
    name: str
    category: GrantCategory
    priority: int
    effective_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    scope: _containers.RepeatedScalarFieldContainer[str]
    pending: bool
    source: GrantSource
    source_reference: str
    cost_minor: int
    cost_currency: str
    reason: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, grant_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., amount: _Optional[str] = ..., formula: _Optional[_Union[GrantFormula, _Mapping]] = ..., name: _Optional[str] = ..., category: _Optional[_Union[GrantCategory, str]] = ..., priority: _Optional[int] = ..., effective_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., scope: _Optional[_Iterable[str]] = ..., pending: _Optional[bool] = ..., source: _Optional[_Union[GrantSource, str]] = ..., source_reference: _Optional[str] = ..., cost_minor: _Optional[int] = ..., cost_currency: _Optional[str] = ..., reason: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("account_id", "content", "state", "remaining", "held", "burned", "expired", "voided", "moved", "scale")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    BURNED_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    VOIDED_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    content: GrantContent
    state: GrantState
    remaining: str
    held: str
    burned: str
    expired: str
    voided: str
    moved: str
    scale: int
    def __init__(self, account_id: _Optional[str] = ..., content: _Optional[_Union[GrantContent, _Mapping]] = ..., state: _Optional[_Union[GrantState, str]] = ..., remaining: _Optional[str] = ..., held: _Optional[str] = ..., burned: _Optional[str] = ..., expired: _Optional[str] = ..., voided: _Optional[str] = ..., moved: _Optional[str] = ..., scale: _Optional[int] = ...) -> None: ...

class CreateGrantRequest(_message.Message):
    __slots__ = ("account_id", "grant")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    grant: GrantContent
    def __init__(self, account_id: _Optional[str] = ..., grant: _Optional[_Union[GrantContent, _Mapping]] = ...) -> None: ...

class CreateGrantResponse(_message.Message):
    __slots__ = ("grant", "already_existed", "seq")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    ALREADY_EXISTED_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    grant: Grant
    already_existed: bool
    seq: int
    def __init__(self, grant: _Optional[_Union[Grant, _Mapping]] = ..., already_existed: _Optional[bool] = ..., seq: _Optional[int] = ...) -> None: ...

class GetGrantRequest(_message.Message):
    __slots__ = ("account_id", "grant_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    grant_id: str
    def __init__(self, account_id: _Optional[str] = ..., grant_id: _Optional[str] = ...) -> None: ...

class GetGrantResponse(_message.Message):
    __slots__ = ("grant", "seq")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    grant: Grant
    seq: int
    def __init__(self, grant: _Optional[_Union[Grant, _Mapping]] = ..., seq: _Optional[int] = ...) -> None: ...

class ListGrantsRequest(_message.Message):
    __slots__ = ("account_id", "credit_type", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    credit_type: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListGrantsResponse(_message.Message):
    __slots__ = ("grants", "next_page_token", "seq")
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    grants: _containers.RepeatedCompositeFieldContainer[Grant]
    next_page_token: str
    seq: int
    def __init__(self, grants: _Optional[_Iterable[_Union[Grant, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class VoidGrantRequest(_message.Message):
    __slots__ = ("account_id", "grant_id", "reason", "confirm")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    grant_id: str
    reason: str
    confirm: bool
    def __init__(self, account_id: _Optional[str] = ..., grant_id: _Optional[str] = ..., reason: _Optional[str] = ..., confirm: _Optional[bool] = ...) -> None: ...

class VoidGrantResponse(_message.Message):
    __slots__ = ("forfeited", "already_voided", "grant", "seq")
    FORFEITED_FIELD_NUMBER: _ClassVar[int]
    ALREADY_VOIDED_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    forfeited: str
    already_voided: bool
    grant: Grant
    seq: int
    def __init__(self, forfeited: _Optional[str] = ..., already_voided: _Optional[bool] = ..., grant: _Optional[_Union[Grant, _Mapping]] = ..., seq: _Optional[int] = ...) -> None: ...

class ReleaseGrantRequest(_message.Message):
    __slots__ = ("account_id", "grant_id", "effective_at", "expires_at")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    grant_id: str
    effective_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., grant_id: _Optional[str] = ..., effective_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReleaseGrantResponse(_message.Message):
    __slots__ = ("grant", "already_released", "seq")
    GRANT_FIELD_NUMBER: _ClassVar[int]
    ALREADY_RELEASED_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    grant: Grant
    already_released: bool
    seq: int
    def __init__(self, grant: _Optional[_Union[Grant, _Mapping]] = ..., already_released: _Optional[bool] = ..., seq: _Optional[int] = ...) -> None: ...

class VoidAndReplaceRequest(_message.Message):
    __slots__ = ("account_id", "void_grant_ids", "create", "confirm")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    VOID_GRANT_IDS_FIELD_NUMBER: _ClassVar[int]
    CREATE_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    void_grant_ids: _containers.RepeatedScalarFieldContainer[str]
    create: _containers.RepeatedCompositeFieldContainer[GrantContent]
    confirm: bool
    def __init__(self, account_id: _Optional[str] = ..., void_grant_ids: _Optional[_Iterable[str]] = ..., create: _Optional[_Iterable[_Union[GrantContent, _Mapping]]] = ..., confirm: _Optional[bool] = ...) -> None: ...

class VoidAndReplaceResponse(_message.Message):
    __slots__ = ("grants", "already_existed", "seq")
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    ALREADY_EXISTED_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    grants: _containers.RepeatedCompositeFieldContainer[Grant]
    already_existed: bool
    seq: int
    def __init__(self, grants: _Optional[_Iterable[_Union[Grant, _Mapping]]] = ..., already_existed: _Optional[bool] = ..., seq: _Optional[int] = ...) -> None: ...
