import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ResultDetail(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESULT_DETAIL_UNSPECIFIED: _ClassVar[ResultDetail]
    RESULT_DETAIL_EXCEPTIONS: _ClassVar[ResultDetail]
    RESULT_DETAIL_ALL: _ClassVar[ResultDetail]
    RESULT_DETAIL_NONE: _ClassVar[ResultDetail]

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_UNSPECIFIED: _ClassVar[Status]
    STATUS_OK: _ClassVar[Status]
    STATUS_INVALID: _ClassVar[Status]
    STATUS_TOO_EARLY: _ClassVar[Status]
    STATUS_TOO_LATE: _ClassVar[Status]
    STATUS_ACCOUNT_UNKNOWN: _ClassVar[Status]
    STATUS_DUPLICATE: _ClassVar[Status]
    STATUS_CONFLICT: _ClassVar[Status]
    STATUS_ACCOUNT_SUSPENDED: _ClassVar[Status]
    STATUS_METER_UNKNOWN: _ClassVar[Status]
    STATUS_NOT_ENTITLED: _ClassVar[Status]
    STATUS_OVERFLOW: _ClassVar[Status]
    STATUS_LIMIT_REACHED: _ClassVar[Status]
    STATUS_INSUFFICIENT: _ClassVar[Status]
    STATUS_GRANT_UNKNOWN: _ClassVar[Status]
    STATUS_EVENT_UNKNOWN: _ClassVar[Status]
    STATUS_RESERVATION_UNKNOWN: _ClassVar[Status]
RESULT_DETAIL_UNSPECIFIED: ResultDetail
RESULT_DETAIL_EXCEPTIONS: ResultDetail
RESULT_DETAIL_ALL: ResultDetail
RESULT_DETAIL_NONE: ResultDetail
STATUS_UNSPECIFIED: Status
STATUS_OK: Status
STATUS_INVALID: Status
STATUS_TOO_EARLY: Status
STATUS_TOO_LATE: Status
STATUS_ACCOUNT_UNKNOWN: Status
STATUS_DUPLICATE: Status
STATUS_CONFLICT: Status
STATUS_ACCOUNT_SUSPENDED: Status
STATUS_METER_UNKNOWN: Status
STATUS_NOT_ENTITLED: Status
STATUS_OVERFLOW: Status
STATUS_LIMIT_REACHED: Status
STATUS_INSUFFICIENT: Status
STATUS_GRANT_UNKNOWN: Status
STATUS_EVENT_UNKNOWN: Status
STATUS_RESERVATION_UNKNOWN: Status

class UsageBatch(_message.Message):
    __slots__ = ("batch_id", "detail", "events", "columns")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    detail: ResultDetail
    events: _containers.RepeatedCompositeFieldContainer[UsageEvent]
    columns: UsageColumns
    def __init__(self, batch_id: _Optional[int] = ..., detail: _Optional[_Union[ResultDetail, str]] = ..., events: _Optional[_Iterable[_Union[UsageEvent, _Mapping]]] = ..., columns: _Optional[_Union[UsageColumns, _Mapping]] = ...) -> None: ...

class UsageEvent(_message.Message):
    __slots__ = ("event_id", "account_id", "meter", "credit_type", "quantity", "credits", "time_us", "dimensions", "force")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    account_id: str
    meter: str
    credit_type: str
    quantity: int
    credits: int
    time_us: int
    dimensions: _containers.ScalarMap[str, str]
    force: bool
    def __init__(self, event_id: _Optional[str] = ..., account_id: _Optional[str] = ..., meter: _Optional[str] = ..., credit_type: _Optional[str] = ..., quantity: _Optional[int] = ..., credits: _Optional[int] = ..., time_us: _Optional[int] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., force: _Optional[bool] = ...) -> None: ...

class UsageColumns(_message.Message):
    __slots__ = ("accounts", "meters", "credit_types", "account_index", "subject_index", "quantity", "time_base_us", "time_delta_us", "event_ids", "event_id_length", "event_id_width", "dimension_sets", "dimension_index", "forced", "event_uuids")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    METERS_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPES_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_INDEX_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_INDEX_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    TIME_BASE_US_FIELD_NUMBER: _ClassVar[int]
    TIME_DELTA_US_FIELD_NUMBER: _ClassVar[int]
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_LENGTH_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_WIDTH_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_SETS_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_INDEX_FIELD_NUMBER: _ClassVar[int]
    FORCED_FIELD_NUMBER: _ClassVar[int]
    EVENT_UUIDS_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedScalarFieldContainer[str]
    meters: _containers.RepeatedScalarFieldContainer[str]
    credit_types: _containers.RepeatedScalarFieldContainer[str]
    account_index: _containers.RepeatedScalarFieldContainer[int]
    subject_index: _containers.RepeatedScalarFieldContainer[int]
    quantity: _containers.RepeatedScalarFieldContainer[int]
    time_base_us: int
    time_delta_us: _containers.RepeatedScalarFieldContainer[int]
    event_ids: bytes
    event_id_length: _containers.RepeatedScalarFieldContainer[int]
    event_id_width: int
    dimension_sets: _containers.RepeatedCompositeFieldContainer[DimensionSet]
    dimension_index: _containers.RepeatedScalarFieldContainer[int]
    forced: _containers.RepeatedScalarFieldContainer[int]
    event_uuids: bytes
    def __init__(self, accounts: _Optional[_Iterable[str]] = ..., meters: _Optional[_Iterable[str]] = ..., credit_types: _Optional[_Iterable[str]] = ..., account_index: _Optional[_Iterable[int]] = ..., subject_index: _Optional[_Iterable[int]] = ..., quantity: _Optional[_Iterable[int]] = ..., time_base_us: _Optional[int] = ..., time_delta_us: _Optional[_Iterable[int]] = ..., event_ids: _Optional[bytes] = ..., event_id_length: _Optional[_Iterable[int]] = ..., event_id_width: _Optional[int] = ..., dimension_sets: _Optional[_Iterable[_Union[DimensionSet, _Mapping]]] = ..., dimension_index: _Optional[_Iterable[int]] = ..., forced: _Optional[_Iterable[int]] = ..., event_uuids: _Optional[bytes] = ...) -> None: ...

class DimensionSet(_message.Message):
    __slots__ = ("dimensions",)
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    dimensions: _containers.ScalarMap[str, str]
    def __init__(self, dimensions: _Optional[_Mapping[str, str]] = ...) -> None: ...

class UsageAck(_message.Message):
    __slots__ = ("batch_id", "seq", "applied", "duplicates", "refused", "exceptions", "results", "durable")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    EXCEPTIONS_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    seq: int
    applied: int
    duplicates: int
    refused: int
    exceptions: _containers.RepeatedCompositeFieldContainer[EventException]
    results: ResultColumns
    durable: bool
    def __init__(self, batch_id: _Optional[int] = ..., seq: _Optional[int] = ..., applied: _Optional[int] = ..., duplicates: _Optional[int] = ..., refused: _Optional[int] = ..., exceptions: _Optional[_Iterable[_Union[EventException, _Mapping]]] = ..., results: _Optional[_Union[ResultColumns, _Mapping]] = ..., durable: _Optional[bool] = ...) -> None: ...

class EventException(_message.Message):
    __slots__ = ("index", "status", "charged", "uncovered", "available", "shortfall")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    UNCOVERED_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    SHORTFALL_FIELD_NUMBER: _ClassVar[int]
    index: int
    status: Status
    charged: int
    uncovered: int
    available: int
    shortfall: int
    def __init__(self, index: _Optional[int] = ..., status: _Optional[_Union[Status, str]] = ..., charged: _Optional[int] = ..., uncovered: _Optional[int] = ..., available: _Optional[int] = ..., shortfall: _Optional[int] = ...) -> None: ...

class ResultColumns(_message.Message):
    __slots__ = ("status", "charged", "available", "available_known", "uncovered", "shortfall")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_KNOWN_FIELD_NUMBER: _ClassVar[int]
    UNCOVERED_FIELD_NUMBER: _ClassVar[int]
    SHORTFALL_FIELD_NUMBER: _ClassVar[int]
    status: bytes
    charged: _containers.RepeatedScalarFieldContainer[int]
    available: _containers.RepeatedScalarFieldContainer[int]
    available_known: bytes
    uncovered: _containers.RepeatedScalarFieldContainer[int]
    shortfall: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, status: _Optional[bytes] = ..., charged: _Optional[_Iterable[int]] = ..., available: _Optional[_Iterable[int]] = ..., available_known: _Optional[bytes] = ..., uncovered: _Optional[_Iterable[int]] = ..., shortfall: _Optional[_Iterable[int]] = ...) -> None: ...

class CorrectUsageRequest(_message.Message):
    __slots__ = ("account_id", "event_id", "quantity", "credits", "cancel", "correction_id", "regrant")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    REGRANT_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    event_id: str
    quantity: int
    credits: str
    cancel: bool
    correction_id: str
    regrant: bool
    def __init__(self, account_id: _Optional[str] = ..., event_id: _Optional[str] = ..., quantity: _Optional[int] = ..., credits: _Optional[str] = ..., cancel: _Optional[bool] = ..., correction_id: _Optional[str] = ..., regrant: _Optional[bool] = ...) -> None: ...

class CorrectUsageResponse(_message.Message):
    __slots__ = ("status", "charged", "difference", "returned", "available", "seq")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    status: Status
    charged: str
    difference: str
    returned: str
    available: str
    seq: int
    def __init__(self, status: _Optional[_Union[Status, str]] = ..., charged: _Optional[str] = ..., difference: _Optional[str] = ..., returned: _Optional[str] = ..., available: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class GetUsageEventRequest(_message.Message):
    __slots__ = ("account_id", "event_id")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    event_id: str
    def __init__(self, account_id: _Optional[str] = ..., event_id: _Optional[str] = ...) -> None: ...

class GetUsageEventResponse(_message.Message):
    __slots__ = ("event", "corrections", "seq")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    CORRECTIONS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    event: LedgerEntry
    corrections: _containers.RepeatedCompositeFieldContainer[LedgerEntry]
    seq: int
    def __init__(self, event: _Optional[_Union[LedgerEntry, _Mapping]] = ..., corrections: _Optional[_Iterable[_Union[LedgerEntry, _Mapping]]] = ..., seq: _Optional[int] = ...) -> None: ...

class LedgerEntry(_message.Message):
    __slots__ = ("seq", "account_id", "kind", "received_at", "credit_type", "event_id", "meter", "quantity", "time", "charged", "draws", "facts_json")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    FACTS_JSON_FIELD_NUMBER: _ClassVar[int]
    seq: int
    account_id: str
    kind: str
    received_at: _timestamp_pb2.Timestamp
    credit_type: str
    event_id: str
    meter: str
    quantity: int
    time: _timestamp_pb2.Timestamp
    charged: str
    draws: _containers.RepeatedCompositeFieldContainer[Draw]
    facts_json: bytes
    def __init__(self, seq: _Optional[int] = ..., account_id: _Optional[str] = ..., kind: _Optional[str] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., credit_type: _Optional[str] = ..., event_id: _Optional[str] = ..., meter: _Optional[str] = ..., quantity: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., charged: _Optional[str] = ..., draws: _Optional[_Iterable[_Union[Draw, _Mapping]]] = ..., facts_json: _Optional[bytes] = ...) -> None: ...

class Draw(_message.Message):
    __slots__ = ("grant_id", "amount")
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    amount: str
    def __init__(self, grant_id: _Optional[str] = ..., amount: _Optional[str] = ...) -> None: ...
