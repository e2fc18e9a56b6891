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

class ApiKey(_message.Message):
    __slots__ = ("key_id", "name", "rights", "account_prefix", "certificate", "calls_per_s", "created_at", "expires_at", "revoked_at", "last_used_at", "state")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CALLS_PER_S_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_AT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    name: str
    rights: _containers.RepeatedScalarFieldContainer[str]
    account_prefix: str
    certificate: str
    calls_per_s: int
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    revoked_at: _timestamp_pb2.Timestamp
    last_used_at: _timestamp_pb2.Timestamp
    state: str
    def __init__(self, key_id: _Optional[str] = ..., name: _Optional[str] = ..., rights: _Optional[_Iterable[str]] = ..., account_prefix: _Optional[str] = ..., certificate: _Optional[str] = ..., calls_per_s: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[str] = ...) -> None: ...

class CreateApiKeyRequest(_message.Message):
    __slots__ = ("name", "rights", "account_prefix", "certificate", "calls_per_s", "expires_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_PREFIX_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CALLS_PER_S_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    rights: _containers.RepeatedScalarFieldContainer[str]
    account_prefix: str
    certificate: str
    calls_per_s: int
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., rights: _Optional[_Iterable[str]] = ..., account_prefix: _Optional[str] = ..., certificate: _Optional[str] = ..., calls_per_s: _Optional[int] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateApiKeyResponse(_message.Message):
    __slots__ = ("key", "text")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    key: ApiKey
    text: str
    def __init__(self, key: _Optional[_Union[ApiKey, _Mapping]] = ..., text: _Optional[str] = ...) -> None: ...

class ListApiKeysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListApiKeysResponse(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[ApiKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[ApiKey, _Mapping]]] = ...) -> None: ...

class RotateApiKeyRequest(_message.Message):
    __slots__ = ("key_id", "overlap_s")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_S_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    overlap_s: int
    def __init__(self, key_id: _Optional[str] = ..., overlap_s: _Optional[int] = ...) -> None: ...

class RotateApiKeyResponse(_message.Message):
    __slots__ = ("key", "text")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    key: ApiKey
    text: str
    def __init__(self, key: _Optional[_Union[ApiKey, _Mapping]] = ..., text: _Optional[str] = ...) -> None: ...

class RevokeApiKeyRequest(_message.Message):
    __slots__ = ("key_id",)
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    def __init__(self, key_id: _Optional[str] = ...) -> None: ...

class RevokeApiKeyResponse(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: ApiKey
    def __init__(self, key: _Optional[_Union[ApiKey, _Mapping]] = ...) -> None: ...

class TakeBackupRequest(_message.Message):
    __slots__ = ("destination",)
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    destination: str
    def __init__(self, destination: _Optional[str] = ...) -> None: ...

class BackupTaken(_message.Message):
    __slots__ = ("destination", "store_id", "taken_at", "seq", "files", "bytes", "rows")
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    TAKEN_AT_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    destination: str
    store_id: str
    taken_at: _timestamp_pb2.Timestamp
    seq: int
    files: int
    bytes: int
    rows: int
    def __init__(self, destination: _Optional[str] = ..., store_id: _Optional[str] = ..., taken_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., seq: _Optional[int] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ..., rows: _Optional[int] = ...) -> None: ...
