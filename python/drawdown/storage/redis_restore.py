"""An empty machine's way back: pointer → manifest → images → runs → a data folder.

Everything read is untrusted input: sizes are checked against the manifest, and each part carries a
checksum that the engine verifies.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import redis.exceptions

from drawdown import errors
from drawdown.engine import Restore
from drawdown.storage.recovery_gap import ANYWHERE, RecoveryGap, close_gap
from drawdown.storage.redis_client import Client, open_client
from drawdown.storage.redis_layout import (
    FORMAT,
    GLOBAL,
    Layout,
    Manifest,
    RunFacts,
    generation_from,
    run_place,
    unseal,
)

SCAN_FIELDS: Final = 500

Progress = Callable[[str, int, int], None]
"""Told ``(what, done, total)`` now and then."""


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore reached."""

    store_id: str
    generation: int
    snapshot_seq: int
    recovery_seq: int
    """Journal position that the folder starts from; what was acknowledged after it is not in it."""
    recovery_time_us: int
    accounts: int
    digest: str
    """Of the restored state: two states with one digest have the same balances."""


def read_manifest(url: str, *, namespace: str = "drawdown", timeout_ms: int = 10_000) -> Manifest:
    """The manifest of the snapshot in use, to show a recovery point before anything is written.

    Raises ``SnapshotIncompleteError`` where there is none, ``SnapshotUnavailableError``.
    """
    with _reading():
        client = open_client(url, timeout_ms=timeout_ms)
        try:
            return _manifest(client, Layout(namespace))
        finally:
            client.close()


def restore_from_redis(
    url: str,
    data: str,
    *,
    namespace: str = "drawdown",
    timeout_ms: int = 10_000,
    progress: Progress | None = None,
) -> RestoreReport:
    """Rebuild the folder ``data``, which must be absent or empty, from the snapshot in Redis.

    After an error of the store the same call may be made again: what this one left is no obstacle.

    The folder has the store's identity and starts at the snapshot's recovery point. Raises
    ``SnapshotIncompleteError`` (a part is missing), ``SnapshotUnavailableError`` (try again),
    ``InvalidRequestError`` (the folder is not empty), ``CorruptDataError`` (a damaged part).
    """
    folder = Path(data)
    if folder.exists() and not all(map(_left_by_a_restore, folder.iterdir())):
        raise errors.InvalidRequestError(
            f"data: {data} is not empty; restore into a new folder and keep this one", field="data"
        )
    report = progress or (lambda _what, _done, _total: None)
    with _reading():
        client = open_client(url, timeout_ms=timeout_ms)
        try:
            return _restore(client, Layout(namespace), data, report)
        finally:
            client.close()


def _left_by_a_restore(path: Path) -> bool:
    """What the engine, too, takes for empty: a lock, and files that never got their names."""
    return path.is_file() and (path.name == "LOCK" or path.suffix == ".tmp")


class _reading:
    """Redis trouble as ``SnapshotUnavailableError``."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: Any, raised: BaseException | None, __: Any) -> None:
        if isinstance(raised, redis.exceptions.RedisError):
            raise errors.SnapshotUnavailableError(f"Redis: {type(raised).__name__}: {raised}") from raised


def _manifest(client: Client, layout: Layout) -> Manifest:
    current = generation_from(client.get(layout.current))
    if not current:
        raise errors.SnapshotIncompleteError(f"namespace {layout.tag} holds no complete snapshot")
    stored = client.get(layout.manifest(current))
    if stored is None:
        raise errors.SnapshotIncompleteError(f"generation {current} of {layout.tag} has no manifest")
    try:
        manifest = Manifest.decoded(stored)
    except ValueError as raised:
        raise errors.SnapshotIncompleteError(f"{layout.manifest(current)}: {raised}") from raised
    if manifest.format != FORMAT:
        raise errors.SnapshotIncompleteError(
            f"{layout.tag} has snapshot format {manifest.format}, this version reads {FORMAT}"
        )
    if not manifest.complete or manifest.generation != current:
        raise errors.SnapshotIncompleteError(f"generation {current} of {layout.tag} was never completed")
    return manifest


def _restore(client: Client, layout: Layout, data: str, progress: Progress) -> RestoreReport:
    manifest = _manifest(client, layout)
    generation = manifest.generation
    global_image = client.get(layout.global_image(generation))
    if global_image is None:
        raise errors.SnapshotIncompleteError(f"{layout.global_image(generation)} is missing")
    with Restore(data, msgspec.json.encode(manifest)) as restore:
        accounts = _feed_images(client, layout, manifest, restore, progress)
        if accounts < manifest.accounts:
            raise errors.SnapshotIncompleteError(
                f"generation {generation} of {layout.tag} has {accounts} account images, "
                f"its manifest says {manifest.accounts}"
            )
        _feed_runs(client, layout, manifest, restore, progress)
        global_image = unseal(GLOBAL, global_image, layout.global_image(generation))
        facts = _finished(restore, global_image, manifest, data)
    return RestoreReport(
        store_id=manifest.store_id,
        generation=generation,
        snapshot_seq=manifest.snapshot_seq,
        recovery_seq=facts.get("recovery_seq", manifest.snapshot_seq),
        recovery_time_us=facts.get("recovery_time_us", manifest.taken_at_us),
        accounts=facts.get("accounts", accounts),
        digest=facts["digest"],
    )


def _finished(restore: Restore, global_image: bytes, manifest: Manifest, data: str) -> dict[str, Any]:
    """The folder can be opened when this returns, and never without the note of what it may lack."""
    folder, recovery_seq = Path(data), manifest.snapshot_seq
    RecoveryGap(recovery_seq=recovery_seq, end_seq=ANYWHERE).write(folder)
    try:
        facts = restore.finish(global_image)
    except BaseException:
        close_gap(folder)
        raise
    end_seq = int(facts["first_seq"]) - 1
    if end_seq > recovery_seq:
        RecoveryGap(recovery_seq=recovery_seq, end_seq=end_seq).write(folder)
    else:
        close_gap(folder)
    return facts


def _feed_runs(
    client: Client, layout: Layout, manifest: Manifest, restore: Restore, progress: Progress
) -> None:
    names = client.hgetall(layout.runs(manifest.generation))
    if len(names) < manifest.runs:
        raise errors.SnapshotIncompleteError(
            f"{layout.runs(manifest.generation)} names {len(names)} runs, the manifest says {manifest.runs}"
        )
    for done, (name, facts) in enumerate(sorted(names.items(), key=_pass_order)):
        key = layout.run(manifest.generation, name.decode())
        run = client.get(key)
        if run is None or len(run) != RunFacts.decoded(facts).size_bytes:
            raise errors.SnapshotIncompleteError(f"{key} is missing or cut short")
        restore.keys(unseal(run_place(name.decode()), run, key))
        progress("key runs", done + 1, len(names))


def _pass_order(entry: tuple[bytes, bytes]) -> tuple[int, int]:
    seq, _, number = entry[0].decode().partition("-")
    return int(seq), int(number)


def _feed_images(
    client: Client, layout: Layout, manifest: Manifest, restore: Restore, progress: Progress
) -> int:
    accounts = 0
    for bucket in range(manifest.buckets):
        for image in _images(client, layout.accounts(manifest.generation, bucket)):
            restore.image(image)
            accounts += 1
        progress("account buckets", bucket + 1, manifest.buckets)
    return accounts


def _images(client: Client, key: str) -> Iterator[bytes]:
    """Each image of a bucket once; SCAN may answer a field again, so they are told apart by uid."""
    seen: set[bytes] = set()
    for uid, image in client.hscan_iter(key, count=SCAN_FIELDS):
        if uid not in seen:
            seen.add(uid)
            yield unseal(int(uid), image, f"{key} {uid.decode()}")
