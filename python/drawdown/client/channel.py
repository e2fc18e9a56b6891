"""The connection to a server: options, credentials, and the paths of the raw calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from drawdown.client.tls import Tls
from drawdown.errors import InvalidRequestError, PreconditionError

STREAM_USAGE = "/drawdown.v1.UsageService/StreamUsage"
RECORD_USAGE = "/drawdown.v1.UsageService/RecordUsage"
BATCH_CHECK = "/drawdown.v1.EntitlementService/BatchCheck"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"

# Answers with detail ALL, and pages of grants, may pass gRPC's default of 4 MiB.
MESSAGE_BYTES_MAX = 16 << 20

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    # Reconnecting is quick after a restart: the server is usually back within seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A dead peer is noticed on an open stream; the server allows pings of this interval.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Two databases on one target do not share a connection's flow control.
    ("grpc.use_local_subchannel_pool", 1),
]


def check_target(target: str) -> str:
    """``HOST:PORT`` as it is; raises ``InvalidRequestError`` for anything else."""
    host, separator, port = target.rpartition(":")
    # A slash is of a URL, which gRPC would look up as a host's name until the time is over.
    if not separator or not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise InvalidRequestError(
            f"target: {target!r} is not HOST:PORT, for example localhost:7070", field="target"
        )
    return target


def metadata_of(api_key: str | None) -> tuple[tuple[str, str], ...]:
    """Headers that go with every call."""
    return (("authorization", f"Bearer {api_key}"),) if api_key else ()


def open_channel(target: str, tls: Tls | None) -> grpc.Channel:
    """A channel to ``target``: plaintext, or with ``tls``. Connects on first use."""
    check_target(target)
    if tls is None:
        return grpc.insecure_channel(target, options=OPTIONS)
    return grpc.secure_channel(target, tls.credentials(), options=OPTIONS)


def open_aio_channel(target: str, tls: Tls | None) -> grpc.aio.Channel:
    """The same for asyncio."""
    check_target(target)
    if tls is None:
        return grpc.aio.insecure_channel(target, options=OPTIONS)
    return grpc.aio.secure_channel(target, tls.credentials(), options=OPTIONS)


def tls_of(tls: Tls | None, root_certificates: bytes | None) -> Tls | None:
    """``root_certificates`` alone are TLS without a client certificate."""
    if tls is None and root_certificates is not None:
        return Tls(root_certificates=root_certificates)
    return tls


class ClosableChannel:
    """A channel, of threads or asyncio, whose calls raise ``PreconditionError`` once it is closed.

    gRPC has words of its own for that, one in each form and none of them a failed call.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._closed = False
        self.unary_unary = self._guarded(channel.unary_unary)
        self.unary_stream = self._guarded(channel.unary_stream)
        self.stream_unary = self._guarded(channel.stream_unary)
        self.stream_stream = self._guarded(channel.stream_stream)

    def _guarded(self, method_of: Callable[..., Callable[..., Any]]) -> Callable[..., Callable[..., Any]]:
        def made(*args: Any, **kwargs: Any) -> Callable[..., Any]:
            method = method_of(*args, **kwargs)

            def call(*args: Any, **kwargs: Any) -> Any:
                try:
                    return method(*args, **kwargs)
                except (ValueError, grpc.aio.UsageError):
                    if not self._closed:
                        raise
                    raise closed_connection() from None

            return call

        return made

    def close(self) -> Any:
        """Close the channel; for asyncio to be awaited."""
        self._closed = True
        return self._channel.close()


def closed_connection(*, definite: bool = True) -> PreconditionError:
    """What a call on a closed connection raises; not definite where a recorder had sent something."""
    return PreconditionError(
        "this connection was closed: open another and repeat; close recorders before their connection",
        reason="CONNECTION_CLOSED",
        definite=definite,
    )


def task_is_cancelled() -> bool:
    """In asyncio, where something raised ``CancelledError``: whether it is this task, and not a call alone
    that ended with its connection."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
