"""Where state is kept besides the journal. The only room that imports ``redis``.

Here: the snapshot in Redis (also Valkey, Sentinel and Cluster) and the way back from it. A snapshot
changes the cost of recovery and where one can start from on an empty machine, never the meaning of a
balance; Redis that is down, slow, wiped, stale or foreign never reaches the engine.
"""

from drawdown.storage.redis_client import check_url, open_client, ping
from drawdown.storage.redis_layout import Layout
from drawdown.storage.redis_restore import restore_from_redis
from drawdown.storage.redis_snapshot import RedisSnapshotStore, open_snapshot_store

__all__ = [
    "Layout",
    "RedisSnapshotStore",
    "check_url",
    "open_client",
    "open_snapshot_store",
    "ping",
    "restore_from_redis",
]
