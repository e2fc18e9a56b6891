import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SnapshotNowRequest(_message.Message):
    __slots__ = ("full",)
    FULL_FIELD_NUMBER: _ClassVar[int]
    full: bool
    def __init__(self, full: _Optional[bool] = ...) -> None: ...

class SnapshotNowResponse(_message.Message):
    __slots__ = ("snapshot_seq", "accounts_written", "generation")
    SNAPSHOT_SEQ_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    snapshot_seq: int
    accounts_written: int
    generation: int
    def __init__(self, snapshot_seq: _Optional[int] = ..., accounts_written: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class CheckpointRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CheckpointResponse(_message.Message):
    __slots__ = ("checkpoint_seq",)
    CHECKPOINT_SEQ_FIELD_NUMBER: _ClassVar[int]
    checkpoint_seq: int
    def __init__(self, checkpoint_seq: _Optional[int] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("account_id", "digest")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    digest: bool
    def __init__(self, account_id: _Optional[str] = ..., digest: _Optional[bool] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("holds", "accounts", "pools", "grants", "violations", "digest", "seq")
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    GRANTS_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    holds: bool
    accounts: int
    pools: int
    grants: int
    violations: _containers.RepeatedScalarFieldContainer[str]
    digest: str
    seq: int
    def __init__(self, holds: _Optional[bool] = ..., accounts: _Optional[int] = ..., pools: _Optional[int] = ..., grants: _Optional[int] = ..., violations: _Optional[_Iterable[str]] = ..., digest: _Optional[str] = ..., seq: _Optional[int] = ...) -> None: ...

class GetStatsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatsResponse(_message.Message):
    __slots__ = ("engine_json", "server_json")
    ENGINE_JSON_FIELD_NUMBER: _ClassVar[int]
    SERVER_JSON_FIELD_NUMBER: _ClassVar[int]
    engine_json: bytes
    server_json: bytes
    def __init__(self, engine_json: _Optional[bytes] = ..., server_json: _Optional[bytes] = ...) -> None: ...

class AdvanceClockRequest(_message.Message):
    __slots__ = ("account_id", "to")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    to: _timestamp_pb2.Timestamp
    def __init__(self, account_id: _Optional[str] = ..., to: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AdvanceClockResponse(_message.Message):
    __slots__ = ("seq",)
    SEQ_FIELD_NUMBER: _ClassVar[int]
    seq: int
    def __init__(self, seq: _Optional[int] = ...) -> None: ...

class ExecuteCommandsRequest(_message.Message):
    __slots__ = ("commands_json",)
    COMMANDS_JSON_FIELD_NUMBER: _ClassVar[int]
    commands_json: bytes
    def __init__(self, commands_json: _Optional[bytes] = ...) -> None: ...

class ExecuteCommandsResponse(_message.Message):
    __slots__ = ("outcomes_json", "seq")
    OUTCOMES_JSON_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    outcomes_json: bytes
    seq: int
    def __init__(self, outcomes_json: _Optional[bytes] = ..., seq: _Optional[int] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("query_json",)
    QUERY_JSON_FIELD_NUMBER: _ClassVar[int]
    query_json: bytes
    def __init__(self, query_json: _Optional[bytes] = ...) -> None: ...

class QueryResponse(_message.Message):
    __slots__ = ("answer_json", "seq")
    ANSWER_JSON_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    answer_json: bytes
    seq: int
    def __init__(self, answer_json: _Optional[bytes] = ..., seq: _Optional[int] = ...) -> None: ...
