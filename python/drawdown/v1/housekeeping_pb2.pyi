import datetime

from drawdown.v1 import values_pb2 as _values_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CloseAccountRequest(_message.Message):
    __slots__ = ("account", "remainder", "reason", "confirm")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    REMAINDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    account: str
    remainder: str
    reason: str
    confirm: bool
    def __init__(self, account: _Optional[str] = ..., remainder: _Optional[str] = ..., reason: _Optional[str] = ..., confirm: _Optional[bool] = ...) -> None: ...

class GetAccountClosingRequest(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: str
    def __init__(self, account: _Optional[str] = ...) -> None: ...

class AccountClosing(_message.Message):
    __slots__ = ("account", "customer_id", "remainder", "closed_at", "reason", "state", "grants", "lines", "payouts")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    REMAINDER_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    PAYOUTS_FIELD_NUMBER: _ClassVar[int]
    account: str
    customer_id: str
    remainder: str
    closed_at: _timestamp_pb2.Timestamp
    reason: str
    state: str
    grants: _containers.RepeatedScalarFieldContainer[str]
    lines: _containers.RepeatedCompositeFieldContainer[ClosingLine]
    payouts: _containers.RepeatedCompositeFieldContainer[_values_pb2.Money]
    def __init__(self, account: _Optional[str] = ..., customer_id: _Optional[str] = ..., remainder: _Optional[str] = ..., closed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., state: _Optional[str] = ..., grants: _Optional[_Iterable[str]] = ..., lines: _Optional[_Iterable[_Union[ClosingLine, _Mapping]]] = ..., payouts: _Optional[_Iterable[_Union[_values_pb2.Money, _Mapping]]] = ...) -> None: ...

class ClosingLine(_message.Message):
    __slots__ = ("grant_id", "credit_type", "credits", "category", "payout")
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_FIELD_NUMBER: _ClassVar[int]
    grant_id: str
    credit_type: str
    credits: str
    category: str
    payout: _values_pb2.Money
    def __init__(self, grant_id: _Optional[str] = ..., credit_type: _Optional[str] = ..., credits: _Optional[str] = ..., category: _Optional[str] = ..., payout: _Optional[_Union[_values_pb2.Money, _Mapping]] = ...) -> None: ...

class EraseCustomerRequest(_message.Message):
    __slots__ = ("customer_id", "confirm")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    confirm: bool
    def __init__(self, customer_id: _Optional[str] = ..., confirm: _Optional[bool] = ...) -> None: ...

class Erasure(_message.Message):
    __slots__ = ("customer_id", "erased_at", "accounts", "texts")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    ERASED_AT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    erased_at: _timestamp_pb2.Timestamp
    accounts: _containers.RepeatedScalarFieldContainer[str]
    texts: int
    def __init__(self, customer_id: _Optional[str] = ..., erased_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., accounts: _Optional[_Iterable[str]] = ..., texts: _Optional[int] = ...) -> None: ...

class ImportOpeningRequest(_message.Message):
    __slots__ = ("rows", "dry_run")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[OpeningRow]
    dry_run: bool
    def __init__(self, rows: _Optional[_Iterable[_Union[OpeningRow, _Mapping]]] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class OpeningRow(_message.Message):
    __slots__ = ("line", "kind", "fields")
    class FieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LINE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    line: int
    kind: str
    fields: _containers.ScalarMap[str, str]
    def __init__(self, line: _Optional[int] = ..., kind: _Optional[str] = ..., fields: _Optional[_Mapping[str, str]] = ...) -> None: ...

class OpeningImport(_message.Message):
    __slots__ = ("applied", "actions", "problems")
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    applied: bool
    actions: _containers.RepeatedCompositeFieldContainer[OpeningAction]
    problems: _containers.RepeatedCompositeFieldContainer[OpeningProblem]
    def __init__(self, applied: _Optional[bool] = ..., actions: _Optional[_Iterable[_Union[OpeningAction, _Mapping]]] = ..., problems: _Optional[_Iterable[_Union[OpeningProblem, _Mapping]]] = ...) -> None: ...

class OpeningAction(_message.Message):
    __slots__ = ("line", "kind", "id", "state")
    LINE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    line: int
    kind: str
    id: str
    state: str
    def __init__(self, line: _Optional[int] = ..., kind: _Optional[str] = ..., id: _Optional[str] = ..., state: _Optional[str] = ...) -> None: ...

class OpeningProblem(_message.Message):
    __slots__ = ("line", "field", "message")
    LINE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    line: int
    field: str
    message: str
    def __init__(self, line: _Optional[int] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
