"""A client for whatever a URL names: one server, Sentinel, or Cluster; with every time-out explicit.

::

    redis://[user:password@]host:port/db      rediss:// with TLS      unix://path
    redis+sentinel://[user:password@]host:port,host:port/SERVICE[/db]
    redis+cluster://[user:password@]host:port,host:port
"""

from typing import Any, Final, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

import redis
import redis.cluster
import redis.sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

from drawdown.errors import ConfigError, SnapshotUnavailableError

Client: TypeAlias = Any
"""``redis.Redis`` or ``RedisCluster``; both answer bytes."""

# redis-py leaves these without types.
_Sentinel: Final[Any] = redis.sentinel.Sentinel
_Cluster: Final[Any] = redis.cluster.RedisCluster
_Node: Final[Any] = redis.cluster.ClusterNode

PORT_DEFAULT: Final = 6379
SENTINEL_PORT_DEFAULT: Final = 26379
PROTOCOL: Final = 3

_UNREADABLE: Final = (
    "the URL cannot be taken apart: a port is a number up to 65535, and / ? # @ in a user's name or password "
    "are written %2F %3F %23 %40"
)


def open_client(url: str, *, timeout_ms: int) -> Client:
    """The client of ``url``. Connects when first used, except for Cluster.

    A command that is not answered within ``timeout_ms`` fails and its connection is closed, never
    reused. Nothing is retried here: the snapshotter decides when to try again.
    Raises ``ConfigError`` for a URL that names nothing; for Cluster also what connecting raises.
    """
    options = _options(timeout_ms)
    parts = _parts_of(url)
    try:
        if parts.scheme in ("redis", "rediss", "unix"):
            return redis.Redis.from_url(url, **options)
        if parts.scheme == "redis+sentinel":
            return _sentinel(parts, options)
        if parts.scheme == "redis+cluster":
            return _cluster(parts, options)
    except ValueError as raised:
        raise ConfigError(f"redis: {raised}", field="redis") from raised
    raise ConfigError(
        f"redis: scheme {parts.scheme!r} is not one of redis, rediss, unix, redis+sentinel, redis+cluster",
        field="redis",
    )


def check_url(url: str) -> None:
    """Raises ``ConfigError`` for a URL that ``open_client`` could make nothing of. Does not connect."""
    parts = _parts_of(url)
    if parts.scheme == "redis+cluster":
        _hosts(parts, PORT_DEFAULT)
    else:
        open_client(url, timeout_ms=1000).close()


def _parts_of(url: str) -> SplitResult:
    """The parts of a URL, of which every one is what it seems to be.

    A password with ``/``, ``?`` or ``#`` in it ends where that stands, and its first part would be taken for
    host and port, and told to whoever reads the log. Raises ``ConfigError``, which repeats nothing of it.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in ("redis", "rediss"):
            _ = parts.port
    except ValueError:
        raise ConfigError(f"redis: {_UNREADABLE}", field="redis") from None
    behind = parts.path + parts.query + parts.fragment
    # A socket's path may have any of it in its name.
    if "@" in behind and (parts.netloc or parts.scheme != "unix"):
        raise ConfigError(f"redis: {_UNREADABLE}", field="redis")
    return parts


def ping(url: str, *, timeout_ms: int = 2000) -> None:
    """Return when the store has answered. Raises ``ConfigError``, ``SnapshotUnavailableError``."""
    client = open_client(url, timeout_ms=timeout_ms)
    try:
        client.ping()
    except redis.RedisError as raised:
        parts = _parts_of(url)
        raise SnapshotUnavailableError(f"{parts.hostname or parts.path}: {raised}") from raised
    finally:
        client.close()


def _options(timeout_ms: int) -> dict[str, Any]:
    seconds = timeout_ms / 1000
    return {
        "protocol": PROTOCOL,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
        "client_name": "drawdown-snapshot",
    }


def _sentinel(parts: SplitResult, options: dict[str, Any]) -> Client:
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ConfigError("redis: a Sentinel URL ends with /SERVICE, the name of the master", field="redis")
    sentinel = _Sentinel(
        _hosts(parts, SENTINEL_PORT_DEFAULT),
        sentinel_kwargs={
            "socket_timeout": options["socket_timeout"],
            "socket_connect_timeout": options["socket_connect_timeout"],
        },
    )
    return sentinel.master_for(service, db=int(database or 0), **_credentials(parts), **options)


def _cluster(parts: SplitResult, options: dict[str, Any]) -> Client:
    nodes = [_Node(host, port) for host, port in _hosts(parts, PORT_DEFAULT)]
    return _Cluster(startup_nodes=nodes, **_credentials(parts), **options)


def _credentials(parts: SplitResult) -> dict[str, str]:
    found: dict[str, str] = {}
    if parts.username:
        found["username"] = unquote(parts.username)
    if parts.password:
        found["password"] = unquote(parts.password)
    return found


def _hosts(parts: SplitResult, port_default: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for place, each in enumerate(parts.netloc.rpartition("@")[2].split(","), 1):
        host, colon, port = each.rpartition(":")
        if not colon:
            host, port = each, str(port_default)
        if not host or not port.isdecimal():
            # Without @ it may be a user's name and password: they are not repeated.
            raise ConfigError(f"redis: number {place} of the URL's hosts is not HOST:PORT", field="redis")
        found.append((host.strip("[]"), int(port)))
    return found
