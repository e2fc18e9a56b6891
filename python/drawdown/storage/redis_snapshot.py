"""The snapshot in Redis, written: claim the namespace, write runs and images, complete, flip, tidy.

Every write is a transaction that watches the owner key: a process whose epoch has been passed, or
whose namespace was taken by another store, can never write again, however late its command arrives.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import redis.exceptions

from drawdown import errors
from drawdown.config import ProcessConfig
from drawdown.storage.redis_client import Client, open_client
from drawdown.storage.redis_layout import (
    BUCKET_ACCOUNTS,
    FORMAT,
    GLOBAL,
    Layout,
    Manifest,
    Owner,
    RunFacts,
    generation_from,
    is_newer_format,
    run_place,
    seal,
)

UNLINK_KEYS: Final = 128


# A key of the snapshot has become of another type: what is there is written anew, as another generation.
DAMAGED: Final = "SNAPSHOT_DAMAGED"


_WAYS_ON: Final = (
    "end this one, or restore from Redis into a new folder; a folder that shall go on as it is, as one out "
    "of a backup, needs a redis_namespace of its own"
)


class RedisSnapshotStore:
    """One namespace in Redis, for its one writer. Not for use from two threads at once.

    Every method raises ``SnapshotUnavailableError`` while Redis cannot be used (a retry of the pass
    helps) and ``SnapshotFencedError`` when the namespace is no longer this writer's.
    """

    def __init__(self, connect: Callable[[], Client], namespace: str, *, takeover: bool) -> None:
        self._connect = connect
        self._client: Client | None = None
        self._takeover = takeover
        self._owner: Owner | None = None
        self.layout = Layout(namespace)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def claim(self, wanted: Owner, recovered_seq: int) -> Manifest | None:
        """Make this process the writer; answers the manifest of the snapshot found, if it is usable.

        Raises ``SnapshotForeignError`` where another store's snapshot stands and ``SnapshotNewerError`` where
        a later version wrote it (neither with takeover), ``SnapshotAheadError`` where that of this store
        holds more than its journal did when it was opened, and ``SnapshotFencedError`` where a copy of this
        store writes. A refusal changes nothing.
        """
        self._require_not_passed(self.manifest(), wanted, recovered_seq)
        with self._speaking() as client:
            with client.pipeline(transaction=True) as pipe:
                pipe.watch(self.layout.owner)
                found = _owner_of(pipe.get(self.layout.owner))
                self._require_claimable(found, wanted)
                if found != wanted:
                    pipe.multi()
                    pipe.set(self.layout.owner, wanted.encoded())
                    pipe.execute()
            self._owner = wanted
            manifest = self.manifest()
        if manifest is None or manifest.store_id != wanted.store_id:
            return None
        return manifest

    def _require_not_passed(self, found: Manifest | None, wanted: Owner, recovered_seq: int) -> None:
        """What an earlier opening of this folder stored is in its journal, or this is not that folder."""
        if found is None or found.store_id != wanted.store_id:
            return
        if found.opening != wanted.opening and found.snapshot_seq > recovered_seq:
            raise errors.SnapshotAheadError(
                f"the snapshot in {self.layout.tag} is at journal position {found.snapshot_seq}, this "
                f"journal ended at {recovered_seq} when it was opened: the folder lost data or is an older "
                f"copy; {_WAYS_ON}"
            )

    def _require_claimable(self, found: Owner | None, wanted: Owner) -> None:
        if found is None:
            return
        if found.store_id != wanted.store_id:
            if self._takeover:
                return
            raise errors.SnapshotForeignError(
                f"namespace {self.layout.tag} holds the snapshot of store {found.store_id}, this is "
                f"{wanted.store_id}; give this store a namespace of its own (redis_namespace), or replace "
                "the other's with redis_takeover"
            )
        if found.epoch > wanted.epoch:
            raise errors.SnapshotFencedError(
                f"epoch {found.epoch} of this store writes to {self.layout.tag}, this process is epoch "
                f"{wanted.epoch}: it was replaced and writes no more snapshots; {_WAYS_ON}"
            )
        if found.epoch == wanted.epoch and found.opening and found.opening != wanted.opening:
            raise errors.SnapshotFencedError(
                f"another copy of this folder has come to the same epoch {found.epoch} and writes to "
                f"{self.layout.tag}; {_WAYS_ON}"
            )

    def manifest(self) -> Manifest | None:
        """The manifest of the generation in use; ``None`` where there is none or it is not whole.

        Raises ``SnapshotNewerError`` for one of a later version, unless it may be replaced.
        """
        try:
            with self._speaking() as client:
                current = generation_from(client.get(self.layout.current))
                stored = client.get(self.layout.manifest(current)) if current else None
        except errors.SnapshotUnavailableError as raised:
            if raised.reason != DAMAGED:
                raise
            stored = None
        if stored is None:
            return None
        if is_newer_format(stored) and not self._takeover:
            raise errors.SnapshotNewerError(
                f"a newer version wrote the snapshot in {self.layout.tag}: start that one, or replace the "
                "snapshot with redis_takeover"
            )
        try:
            manifest = Manifest.decoded(stored)
        except ValueError:
            return None
        if manifest.format != FORMAT or not manifest.complete or manifest.generation != current:
            return None
        return manifest

    def current_generation(self) -> int:
        """The generation that readers use; 0 where there is none."""
        try:
            with self._speaking() as client:
                return generation_from(client.get(self.layout.current))
        except errors.SnapshotUnavailableError as raised:
            if raised.reason != DAMAGED:
                raise
            return 0

    def write_run(self, generation: int, name: str, run: bytes, *, newest_us: int) -> None:
        """Store one run of dedupe keys, none of which is of an event dated after ``newest_us``."""
        sealed = seal(run_place(name), run)

        def write(pipe: Any) -> None:
            pipe.set(self.layout.run(generation, name), sealed)
            pipe.hset(self.layout.runs(generation), name, RunFacts(len(sealed), newest_us).encoded())

        self._transact(write)

    def write_images(
        self, generation: int, images: Sequence[tuple[int, bytes]], global_image: bytes | None
    ) -> int:
        """Store account images, and the global image they rely on; answers how many accounts are new."""
        by_bucket: dict[int, list[bytes | int]] = {}
        for uid, image in images:
            # HSET's arguments as they are sent: field, value, field, value …
            by_bucket.setdefault(uid // BUCKET_ACCOUNTS, []).extend((uid, seal(uid, image)))

        def write(pipe: Any) -> None:
            for bucket, fields in by_bucket.items():
                pipe.execute_command("HSET", self.layout.accounts(generation, bucket), *fields)
            if global_image is not None:
                pipe.set(self.layout.global_image(generation), seal(GLOBAL, global_image))

        answers = self._transact(write)
        return sum(answers[: len(by_bucket)])

    def complete(self, manifest: Manifest, global_image: bytes) -> None:
        """Make the pass the snapshot: global image, manifest and pointer in one transaction."""

        def write(pipe: Any) -> None:
            pipe.set(self.layout.global_image(manifest.generation), seal(GLOBAL, global_image))
            pipe.set(self.layout.manifest(manifest.generation), msgspec.json.encode(manifest))
            pipe.set(self.layout.current, manifest.generation)

        self._transact(write)

    def run_count(self, generation: int) -> int:
        """How many runs the generation names."""
        with self._speaking() as client:
            return int(client.hlen(self.layout.runs(generation)))

    def drop_runs_below(self, generation: int, floor_us: int) -> int:
        """Remove runs whose newest event lies below ``floor_us``; answers how many.

        The manifest is corrected first, in the same transaction as each step, so that a reader never
        misses a run that the manifest counts.
        """
        with self._speaking() as client:
            stored = client.hgetall(self.layout.runs(generation))
        doomed = [
            name.decode() for name, facts in stored.items() if RunFacts.decoded(facts).newest_us < floor_us
        ]
        manifest = self.manifest()
        if not doomed or manifest is None or manifest.generation != generation:
            return 0
        for start in range(0, len(doomed), UNLINK_KEYS):
            step = doomed[start : start + UNLINK_KEYS]
            manifest = msgspec.structs.replace(manifest, runs=manifest.runs - len(step))
            corrected = msgspec.json.encode(manifest)

            def write(pipe: Any, step: list[str] = step, corrected: bytes = corrected) -> None:
                pipe.set(self.layout.manifest(generation), corrected)
                pipe.hdel(self.layout.runs(generation), *step)
                pipe.unlink(*(self.layout.run(generation, name) for name in step))

            self._transact(write)
        return len(doomed)

    def drop_other_generations(self, current: int) -> int:
        """Remove every key of generations that are not ``current``, in small steps; answers how many keys.

        Cost grows with the keys of the whole database, which are scanned.
        """
        mine = f"{self.layout.generation(current)}:".encode()
        prefix = f"{self.layout.tag}:g".encode()
        doomed: list[bytes] = []
        with self._speaking() as client:
            for key in client.scan_iter(match=f"{self.layout.tag}:g*", count=1000):
                if key.startswith(prefix) and not key.startswith(mine):
                    doomed.append(key)
        for start in range(0, len(doomed), UNLINK_KEYS):
            step = doomed[start : start + UNLINK_KEYS]

            def write(pipe: Any, step: list[bytes] = step) -> None:
                pipe.unlink(*step)

            self._transact(write)
        return len(doomed)

    def _transact(self, write: Callable[[Any], None]) -> list[Any]:
        owner = self._owner
        if owner is None:
            raise errors.SnapshotError("claim the namespace before writing to it")
        with self._speaking() as client, client.pipeline(transaction=True) as pipe:
            pipe.watch(self.layout.owner)
            found = _owner_of(pipe.get(self.layout.owner))
            if found != owner:
                self._require_claimable(found, owner)
                raise errors.SnapshotUnavailableError(
                    f"the owner of {self.layout.tag} is gone: the store was wiped or restored; starting over"
                )
            pipe.multi()
            write(pipe)
            answers: list[Any] = pipe.execute()
            return answers

    @contextmanager
    def _speaking(self) -> Iterator[Client]:
        try:
            if self._client is None:
                self._client = self._connect()
            yield self._client
        except redis.exceptions.WatchError as raised:
            raise errors.SnapshotUnavailableError(
                f"the owner of {self.layout.tag} changed during a write; nothing was written"
            ) from raised
        except redis.exceptions.ResponseError as raised:
            if "WRONGTYPE" not in str(raised):
                raise errors.SnapshotUnavailableError(f"Redis: {raised}") from raised
            raise errors.SnapshotUnavailableError(
                f"a key of {self.layout.tag} is not what a snapshot writer makes: {raised}", reason=DAMAGED
            ) from raised
        except (redis.exceptions.RedisError, OSError) as raised:
            raise errors.SnapshotUnavailableError(f"Redis: {type(raised).__name__}: {raised}") from raised


def _owner_of(stored: bytes | None) -> Owner | None:
    if stored is None:
        return None
    try:
        return Owner.decoded(stored)
    except ValueError:
        raise errors.SnapshotForeignError(
            f"the owner key holds {stored[:64]!r}, which no snapshot writer makes; use another "
            "redis_namespace"
        ) from None


def open_snapshot_store(config: ProcessConfig, *, timeout_ms: int | None = None) -> RedisSnapshotStore:
    """The store that the settings name; connects when first used. ``timeout_ms`` instead of the setting's."""
    patience_ms = config.redis_timeout_ms if timeout_ms is None else timeout_ms
    return RedisSnapshotStore(
        lambda: open_client(config.redis, timeout_ms=patience_ms),
        config.redis_namespace,
        takeover=config.redis_takeover,
    )
