import datetime

from drawdown.v1 import usage_pb2 as _usage_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CheckRequest(_message.Message):
    __slots__ = ("account_id", "meter", "quantity", "dimensions")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    meter: str
    quantity: int
    dimensions: _containers.ScalarMap[str, str]
    def __init__(self, account_id: _Optional[str] = ..., meter: _Optional[str] = ..., quantity: _Optional[int] = ..., dimensions: _Optional[_Mapping[str, str]] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("allowed", "reason", "available", "units", "seq")
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    allowed: bool
    reason: _usage_pb2.Status
    available: int
    units: int
    seq: int
    def __init__(self, allowed: _Optional[bool] = ..., reason: _Optional[_Union[_usage_pb2.Status, str]] = ..., available: _Optional[int] = ..., units: _Optional[int] = ..., seq: _Optional[int] = ...) -> None: ...

class BatchCheckRequest(_message.Message):
    __slots__ = ("checks",)
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    checks: _containers.RepeatedCompositeFieldContainer[CheckRequest]
    def __init__(self, checks: _Optional[_Iterable[_Union[CheckRequest, _Mapping]]] = ...) -> None: ...

class BatchCheckResponse(_message.Message):
    __slots__ = ("results", "seq")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[CheckResponse]
    seq: int
    def __init__(self, results: _Optional[_Iterable[_Union[CheckResponse, _Mapping]]] = ..., seq: _Optional[int] = ...) -> None: ...

class WatchEntitlementsRequest(_message.Message):
    __slots__ = ("checks",)
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    checks: _containers.RepeatedCompositeFieldContainer[CheckRequest]
    def __init__(self, checks: _Optional[_Iterable[_Union[CheckRequest, _Mapping]]] = ...) -> None: ...

class WatchEntitlementsResponse(_message.Message):
    __slots__ = ("changes", "seq")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[EntitlementChange]
    seq: int
    def __init__(self, changes: _Optional[_Iterable[_Union[EntitlementChange, _Mapping]]] = ..., seq: _Optional[int] = ...) -> None: ...

class EntitlementChange(_message.Message):
    __slots__ = ("index", "answer")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    index: int
    answer: CheckResponse
    def __init__(self, index: _Optional[int] = ..., answer: _Optional[_Union[CheckResponse, _Mapping]] = ...) -> None: ...

class ReserveRequest(_message.Message):
    __slots__ = ("account_id", "reservation_id", "meter", "credit_type", "quantity", "credits", "dimensions", "ttl", "session_id")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    reservation_id: str
    meter: str
    credit_type: str
    quantity: int
    credits: str
    dimensions: _containers.ScalarMap[str, str]
    ttl: _duration_pb2.Duration
    session_id: str
    def __init__(self, account_id: _Optional[str] = ..., reservation_id: _Optional[str] = ..., meter: _Optional[str] = ..., credit_type: _Optional[str] = ..., quantity: _Optional[int] = ..., credits: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., session_id: _Optional[str] = ...) -> None: ...

class ReserveResponse(_message.Message):
    __slots__ = ("status", "held", "headroom", "uncovered", "available", "shortfall", "expires_at", "seq")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    HEADROOM_FIELD_NUMBER: _ClassVar[int]
    UNCOVERED_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    SHORTFALL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    status: _usage_pb2.Status
    held: str
    headroom: str
    uncovered: str
    available: str
    shortfall: str
    expires_at: _timestamp_pb2.Timestamp
    seq: int
    def __init__(self, status: _Optional[_Union[_usage_pb2.Status, str]] = ..., held: _Optional[str] = ..., headroom: _Optional[str] = ..., uncovered: _Optional[str] = ..., available: _Optional[str] = ..., shortfall: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., seq: _Optional[int] = ...) -> None: ...

class SettleRequest(_message.Message):
    __slots__ = ("account_id", "reservation_id", "quantity", "credits", "refuse_extra")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    REFUSE_EXTRA_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    reservation_id: str
    quantity: int
    credits: str
    refuse_extra: bool
    def __init__(self, account_id: _Optional[str] = ..., reservation_id: _Optional[str] = ..., quantity: _Optional[int] = ..., credits: _Optional[str] = ..., refuse_extra: _Optional[bool] = ...) -> None: ...

class SettleResponse(_message.Message):
    __slots__ = ("status", "charged", "returned", "extra", "uncovered", "available", "seq")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    UNCOVERED_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    status: _usage_pb2.Status
    charged: str
    returned: str
    extra: str
    uncovered: str
    available: str
    seq: int
    def __init__(self, status: _Optional[_Union[_usage_pb2.Status, str]] = ..., charged: _Optional[str] = ..., returned: _Optional[str] = ..., extra: _Optional[str] = ..., uncovered: _Optional[str] = ..., available: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ("account_id", "reservation_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    reservation_id: str
    def __init__(self, account_id: _Optional[str] = ..., reservation_id: _Optional[str] = ...) -> None: ...

class ReleaseResponse(_message.Message):
    __slots__ = ("status", "returned", "available", "seq")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    status: _usage_pb2.Status
    returned: str
    available: str
    seq: int
    def __init__(self, status: _Optional[_Union[_usage_pb2.Status, str]] = ..., returned: _Optional[str] = ..., available: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class ListReservationsRequest(_message.Message):
    __slots__ = ("account_id", "page_size", "page_token")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    page_size: int
    page_token: str
    def __init__(self, account_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class Reservation(_message.Message):
    __slots__ = ("account_id", "reservation_id", "credit_type", "scale", "meter", "quantity", "held", "headroom", "created_at", "expires_at")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    HEADROOM_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    reservation_id: str
    credit_type: str
    scale: int
    meter: str
    quantity: int
    held: str
    headroom: str
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., reservation_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., scale: _Optional[int] = ..., meter: _Optional[str] = ..., quantity: _Optional[int] = ..., held: _Optional[str] = ..., headroom: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListReservationsResponse(_message.Message):
    __slots__ = ("reservations", "next_page_token", "seq")
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    reservations: _containers.RepeatedCompositeFieldContainer[Reservation]
    next_page_token: str
    seq: int
    def __init__(self, reservations: _Optional[_Iterable[_Union[Reservation, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class KeepReservationsRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class KeepReservationsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
