"""Channel arguments of the server, each with its reason. The client library uses matching values."""

from typing import Final

from drawdown.config import ProcessConfig
from drawdown.errors import ConfigError
from drawdown.model.address import host_and_port, is_loopback

# Metadata beyond this is refused before it is decoded far (HPACK bombs).
METADATA_SOFT_BYTES: Final = 8 << 10
METADATA_HARD_BYTES: Final = 16 << 10

# A ping of the server finds dead peers; clients may ping every 10 s, also without calls.
KEEPALIVE_MS: Final = 60_000
KEEPALIVE_TIMEOUT_MS: Final = 20_000
CLIENT_PING_MS_MIN: Final = 10_000

_IDENTITY_ONLY: Final = 1

# gRPC's word for never.
_NEVER_MS: Final = 2**31 - 1


def channel_arguments(config: ProcessConfig) -> list[tuple[str, int]]:
    """The arguments of ``grpc.aio.server``."""
    return [
        *_connection_ends(config),
        # Two servers on one port would silently split the balances between them.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", config.message_bytes_max),
        # An answer is made when the call is done: one that may not be sent would call it undone. An ack with
        # every outcome is larger than its batch; pages have bounds of their own.
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", config.streams_max),
        ("grpc.max_metadata_size", METADATA_SOFT_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_HARD_BYTES),
        # gRPC counts the calls that begin, so that those nobody has seen yet are known (arrivals.py).
        ("grpc.enable_channelz", 1),
        # Compression bombs: nothing but identity is taken or sent.
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
        ("grpc.default_compression_algorithm", 0),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", CLIENT_PING_MS_MIN),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", CLIENT_PING_MS_MIN),
    ]


def _connection_ends(config: ProcessConfig) -> list[tuple[str, int]]:
    """A caller is told that its connection ends, and sends what it has on another: no call is lost by it."""
    return [
        ("grpc.max_connection_idle_ms", _milliseconds(config.connection_idle_s)),
        ("grpc.max_connection_age_ms", _milliseconds(config.connection_age_s)),
        ("grpc.max_connection_age_grace_ms", config.drain_s * 1_000),
    ]


def _milliseconds(seconds: int) -> int:
    return min(seconds * 1_000, _NEVER_MS) if seconds else _NEVER_MS


def require_safe(config: ProcessConfig) -> None:
    """Raises ``ConfigError`` for plaintext off loopback without ``insecure_listen``, and for half of TLS."""
    if bool(config.tls_certificate) != bool(config.tls_key):
        missing = "tls_key" if config.tls_certificate else "tls_certificate"
        raise ConfigError(f"{missing}: TLS needs tls_certificate and tls_key", field=missing)
    if config.tls_client_ca and not config.tls_certificate:
        raise ConfigError(
            "tls_client_ca: client certificates need TLS: give tls_certificate", field="tls_client_ca"
        )
    if config.tls_certificate or config.insecure_listen:
        return
    for field, address in listening_addresses(config).items():
        if not is_loopback(host_and_port(address, field)[0]):
            raise ConfigError(
                f"{field}: {address} is not loopback and this connection is plaintext; give tls_certificate "
                "and tls_key, listen on 127.0.0.1 behind a proxy that ends TLS, or say --insecure-listen",
                field=field,
            )


def listening_addresses(config: ProcessConfig) -> dict[str, str]:
    """Where callers are served, by the setting's name."""
    return {"listen": config.listen, **({"http": config.http} if config.http else {})}
