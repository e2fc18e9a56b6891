import datetime

from drawdown.v1 import values_pb2 as _values_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransferCreditsRequest(_message.Message):
    __slots__ = ("transfer_id", "from_account", "to_account", "credit_type", "credits")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    TO_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    from_account: str
    to_account: str
    credit_type: str
    credits: str
    def __init__(self, transfer_id: _Optional[str] = ..., from_account: _Optional[str] = ..., to_account: _Optional[str] = ..., credit_type: _Optional[str] = ..., credits: _Optional[str] = ...) -> None: ...

class GetTransferRequest(_message.Message):
    __slots__ = ("transfer_id",)
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    def __init__(self, transfer_id: _Optional[str] = ...) -> None: ...

class Transfer(_message.Message):
    __slots__ = ("transfer_id", "from_account", "to_account", "credit_type", "credits", "created_at", "state", "attempt", "parts")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    TO_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    from_account: str
    to_account: str
    credit_type: str
    credits: str
    created_at: _timestamp_pb2.Timestamp
    state: str
    attempt: int
    parts: _containers.RepeatedCompositeFieldContainer[TransferPart]
    def __init__(self, transfer_id: _Optional[str] = ..., from_account: _Optional[str] = ..., to_account: _Optional[str] = ..., credit_type: _Optional[str] = ..., credits: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[str] = ..., attempt: _Optional[int] = ..., parts: _Optional[_Iterable[_Union[TransferPart, _Mapping]]] = ...) -> None: ...

class TransferPart(_message.Message):
    __slots__ = ("from_grant_id", "rest_grant_id", "to_grant_id", "credits", "cost", "expires_at")
    FROM_GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    REST_GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    TO_GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    from_grant_id: str
    rest_grant_id: str
    to_grant_id: str
    credits: str
    cost: _values_pb2.Money
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, from_grant_id: _Optional[str] = ..., rest_grant_id: _Optional[str] = ..., to_grant_id: _Optional[str] = ..., credits: _Optional[str] = ..., cost: _Optional[_Union[_values_pb2.Money, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
