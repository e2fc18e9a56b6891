"""API keys of a running server, with the methods of its key file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from drawdown.client import channel as channels
from drawdown.client.rpc_errors import error_of
from drawdown.client.tls import Tls
from drawdown.model.api_key import KeyFacts
from drawdown.model.rights import Right, names_of
from drawdown.v1 import admin_pb2 as pb
from drawdown.v1 import admin_pb2_grpc

AnswerT = TypeVar("AnswerT")
TIMEOUT_S = 30.0


class RemoteKeys:
    """The keys behind ``AdminService``. Needs the right ``admin``. Nothing is repeated by itself."""

    def __init__(self, target: str, api_key: str | None, tls: Tls | None = None) -> None:
        self._channel: Any = channels.ClosableChannel(channels.open_channel(target, tls))
        self._metadata = channels.metadata_of(api_key)
        self._admin = admin_pb2_grpc.AdminServiceStub(self._channel)

    def _call(self, method: Callable[..., AnswerT], request: Any) -> AnswerT:
        try:
            return method(request, timeout=TIMEOUT_S, metadata=self._metadata)
        except grpc.RpcError as failure:
            raise error_of(failure) from failure

    def all_keys(self) -> list[KeyFacts]:
        """All keys, revoked ones included."""
        return [_key_of(each) for each in self._call(self._admin.ListApiKeys, pb.ListApiKeysRequest()).keys]

    def create(
        self,
        name: str,
        rights: Iterable[Right],
        *,
        account_prefix: str = "",
        certificate: str = "",
        calls_per_s: int = 0,
        expires_at: int | None = None,
    ) -> tuple[KeyFacts, str]:
        """A new key and its text, which is told this once."""
        request = pb.CreateApiKeyRequest(
            name=name,
            rights=names_of(rights),
            account_prefix=account_prefix,
            certificate=certificate,
            calls_per_s=calls_per_s,
        )
        if expires_at is not None:
            request.expires_at.FromMicroseconds(expires_at)
        made = self._call(self._admin.CreateApiKey, request)
        return _key_of(made.key), made.text

    def rotate(self, key_id: str, overlap_s: int) -> tuple[KeyFacts, str]:
        """A second text for a key; the present one is taken ``overlap_s`` longer."""
        request = pb.RotateApiKeyRequest(key_id=key_id, overlap_s=overlap_s)
        made = self._call(self._admin.RotateApiKey, request)
        return _key_of(made.key), made.text

    def revoke(self, key_id: str) -> KeyFacts:
        """The key is not taken any more; a second call changes nothing."""
        return _key_of(self._call(self._admin.RevokeApiKey, pb.RevokeApiKeyRequest(key_id=key_id)).key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()


def _key_of(message: pb.ApiKey) -> KeyFacts:
    def instant(field: str) -> int | None:
        return int(getattr(message, field).ToMicroseconds()) if message.HasField(field) else None

    return KeyFacts(
        key_id=message.key_id,
        name=message.name,
        rights=tuple(message.rights),
        account_prefix=message.account_prefix,
        certificate=message.certificate,
        calls_per_s=message.calls_per_s,
        state=message.state,
        created_at=message.created_at.ToMicroseconds(),
        expires_at=instant("expires_at"),
        revoked_at=instant("revoked_at"),
        last_used_at=instant("last_used_at"),
    )
