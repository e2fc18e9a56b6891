"""Whether a new store may be begun: an empty folder is often a disk that was not mounted."""

import logging
from pathlib import Path
from typing import Final

from drawdown import errors
from drawdown.config import ProcessConfig

_log = logging.getLogger("drawdown.runtime")

# Of every folder that holds a store.
_META: Final = "META"
# Of one that lost it: the engine says what is wrong with that.
_PARTS: Final = ("seg-*", "ckpt-*")
START_TIMEOUT_MS: Final = 2000


def holds_store(folder: Path) -> bool:
    """Whether the folder is a store's, damaged ones included."""
    return (folder / _META).exists() or any(any(folder.glob(part)) for part in _PARTS)


def require_store(process: ProcessConfig) -> None:
    """Return where the folder holds a store, or may become a new one. Looks only; nothing is made.

    Raises ``ConfigError`` where ``create`` is off, and ``SnapshotForeignError`` where the namespace in Redis
    holds a snapshot: its store is then to be restored, or the new one gets a namespace of its own.
    """
    if (Path(process.data) / _META).exists():
        return
    if not process.create:
        raise errors.ConfigError(
            f"data: {process.data} holds no store and may not become one (create is off): "
            "is its disk mounted?",
            field="data",
        )
    if process.redis and not process.redis_takeover:
        _require_none_in_redis(process)


def _require_none_in_redis(process: ProcessConfig) -> None:
    from drawdown.storage import open_snapshot_store

    store = open_snapshot_store(process, timeout_ms=min(process.redis_timeout_ms, START_TIMEOUT_MS))
    try:
        found = store.manifest()
    except errors.SnapshotError as raised:
        _log.warning("beginning a store without asking Redis: %s", raised, extra={"reason": raised.reason})
        return
    finally:
        store.close()
    if found is not None:
        raise errors.SnapshotForeignError(
            f"{process.data} holds no store, but Redis has a snapshot of store {found.store_id} up to "
            f"journal position {found.snapshot_seq}: is the disk mounted? Restore it (drawdown restore "
            "--from-redis), or give the new store a redis_namespace of its own"
        )
