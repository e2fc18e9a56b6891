"""Where state is kept besides the journal. The only room that imports ``redis``.

Here: the snapshot in Redis (also Valkey, Sentinel and Cluster) and the way back from it. A snapshot
changes the cost of recovery and where one can start from on an empty machine, never the meaning of a
balance; Redis that is down, slow, wiped, stale or foreign never reaches the engine. Its client is imported
when one of these is first asked for: a server that has no Redis starts without it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drawdown.storage.redis_client import check_url, open_client, ping
    from drawdown.storage.redis_layout import Layout
    from drawdown.storage.redis_restore import restore_from_redis
    from drawdown.storage.redis_snapshot import RedisSnapshotStore, open_snapshot_store

_LAZY = {
    "Layout": "redis_layout",
    "RedisSnapshotStore": "redis_snapshot",
    "check_url": "redis_client",
    "open_client": "redis_client",
    "open_snapshot_store": "redis_snapshot",
    "ping": "redis_client",
    "restore_from_redis": "redis_restore",
}

__all__ = [
    "Layout",
    "RedisSnapshotStore",
    "check_url",
    "open_client",
    "open_snapshot_store",
    "ping",
    "restore_from_redis",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
