"""Passes of the remote snapshot, in a thread of their own. Trouble with Redis never reaches the engine.

A pass: claim → chunk by chunk (key runs, then account images) → global image, manifest and pointer.
A chunk is stored only when the journal behind it is on disk and with it the keys of its events.
Budget: one pass at a time, at most ``snapshot_chunk_accounts`` accounts per chunk, the thread on at
most ``snapshot_share_percent`` of one processor; between passes ``snapshot_interval_s``, and after
trouble of any kind an exponential pause with jitter: what heals soon is found soon, and a look at a
namespace that stays another's is a single GET every ten seconds.
"""

import logging
import random
import threading
import time
from typing import Any, Final

import msgspec

from drawdown import errors
from drawdown.config import ProcessConfig
from drawdown.engine import Engine
from drawdown.model.instants import now_us
from drawdown.runtime.background import Background
from drawdown.runtime.new_store import START_TIMEOUT_MS
from drawdown.storage import RedisSnapshotStore, open_snapshot_store
from drawdown.storage.redis_layout import BUCKET_ACCOUNTS, FORMAT, Manifest, Owner
from drawdown.storage.redis_snapshot import DAMAGED

_log = logging.getLogger("drawdown.snapshot")

PAUSE_S_MIN: Final = 0.5
PAUSE_S_MAX: Final = 10.0


class SnapshotPassReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a completed pass wrote."""

    snapshot_seq: int
    accounts_written: int
    runs_written: int
    generation: int
    full: bool
    seconds: float


def owner_of(engine: Engine) -> Owner:
    """Who writes the snapshots of this opening."""
    return Owner(engine.store_id(), engine.epoch(), engine.opening)


def require_only_owner(engine: Engine, config: ProcessConfig) -> None:
    """Return unless Redis shows that this folder must not be served: then acknowledged events are elsewhere.

    Raises ``SnapshotAheadError`` (the folder lost data or is an older copy) and ``SnapshotFencedError`` (the
    store goes on elsewhere). Redis that cannot be asked within two seconds, or that is another store's, stops
    nobody.
    """
    store = open_snapshot_store(config, timeout_ms=min(config.redis_timeout_ms, START_TIMEOUT_MS))
    try:
        store.claim(owner_of(engine), engine.recovered_seq)
    except (errors.SnapshotAheadError, errors.SnapshotFencedError):
        raise
    except errors.SnapshotError as raised:
        _log.warning("starting without Redis: %s", raised, extra={"reason": raised.reason})
    finally:
        store.close()


class _Written:
    """Counts of a pass under way."""

    def __init__(self) -> None:
        self.accounts = 0
        self.new_accounts = 0
        self.runs = 0
        self.buckets = 0


class _Budget:
    """Rests so that the thread's share of one processor stays below a limit."""

    def __init__(self, share_percent: int, background: Background) -> None:
        self._rest_per_work = (100 - share_percent) / share_percent
        self._background = background
        self._worked_s = time.thread_time()

    def rest(self) -> None:
        """Pause for what was worked since the last rest."""
        worked_s = time.thread_time()
        self._background.pause((worked_s - self._worked_s) * self._rest_per_work)
        self._worked_s = worked_s


class Snapshotter:
    """Keeps the snapshot in Redis near the journal's end."""

    def __init__(
        self, engine: Engine, store: RedisSnapshotStore, config: ProcessConfig, *, early_margin_s: int
    ) -> None:
        self._engine = engine
        self._store = store
        self._config = config
        self._early_margin_us = early_margin_s * 1_000_000
        self._one_pass = threading.Lock()
        self._last: Manifest | None = None
        self._completed_at: float | None = None
        self._trouble = ""
        self._failures = 0
        self._passes = 0
        self._accounts_written = 0
        self._random = random.Random()
        self.background = Background("snapshotter", self.step, fault_pause_s=PAUSE_S_MAX)

    def close(self) -> None:
        """Close the connections. The thread has been stopped before."""
        self._store.close()

    def step(self) -> float:
        """One pass; answers the pause until the next. Trouble is logged once per kind, not raised."""
        try:
            if not self._is_current():
                self.take_now(False, unhurried=True)
        except errors.SnapshotError as raised:
            return self._pause_after(raised)
        return self._config.snapshot_interval_s

    def _is_current(self) -> bool:
        """Whether nothing happened since the last pass, and Redis still has what that one wrote."""
        if self._last is None or self._last.snapshot_seq != self._engine.applied_seq():
            return False
        return self._store.manifest() == self._last

    def _pause_after(self, raised: errors.SnapshotError) -> float:
        if self.background.stopping:
            return 0.0
        self._failures += 1
        if raised.reason != self._trouble:
            _log.warning("no snapshot: %s", raised, extra={"reason": raised.reason})
        self._trouble = raised.reason
        pause: float = min(PAUSE_S_MAX, PAUSE_S_MIN * 2.0 ** min(self._failures - 1, 16))
        return pause * self._random.uniform(0.5, 1.0)

    def take_now(self, full: bool, *, unhurried: bool = False) -> SnapshotPassReport:
        """Complete one pass; durable in Redis as far as Redis is when it returns.

        ``unhurried`` keeps to ``snapshot_share_percent``; without it the pass is as quick as it can be.

        Raises ``SnapshotUnavailableError`` (retry), and what else ``claim`` of the store does. Nothing in the
        engine changes.
        """
        with self._one_pass:
            report = self._take(full, unhurried=unhurried)
        if self._trouble:
            _log.info("snapshots resume", extra={"seq": report.snapshot_seq})
        self._trouble, self._failures = "", 0
        self._passes += 1
        self._accounts_written += report.accounts_written
        self._completed_at = time.monotonic()
        return report

    def _take(self, full: bool, *, unhurried: bool) -> SnapshotPassReport:
        began = time.monotonic()
        found = self._claim()
        # Incremental only onto what this very process completed last: anything else in Redis (an
        # older copy, another process's passes) would leave accounts out.
        base = None if full or self._last is None or found != self._last else found
        begun = self._engine.snapshots.begin(full=base is None)
        complete = False
        try:
            generation = self._new_generation() if base is None else base.generation
            done = self._write_pass(generation, begun.start_seq, unhurried=unhurried)
            seq, global_image = self._engine.snapshots.global_image()
            self._engine.wait_durable(max(seq, begun.start_seq))
            self._write_runs(generation, begun.start_seq, done)
            known_runs = self._store.run_count(generation)
            manifest = Manifest(
                format=FORMAT,
                store_id=begun.store_id,
                epoch=begun.epoch,
                generation=generation,
                snapshot_seq=begun.start_seq,
                accounts=done.new_accounts + (0 if base is None else base.accounts),
                buckets=max(done.buckets, 0 if base is None else base.buckets),
                runs=known_runs,
                taken_at_us=now_us(),
                complete=True,
                opening=self._engine.opening,
            )
            self._store.complete(manifest, global_image)
            complete = True
        except errors.SnapshotError as raised:
            if raised.reason == DAMAGED:
                # Not to be added to: the next pass begins another generation.
                self._last = None
            raise
        finally:
            self._engine.snapshots.end(complete=complete)
        self._last = manifest
        if base is None:
            self._tidy(generation)
        self._prune(generation)
        return SnapshotPassReport(
            snapshot_seq=manifest.snapshot_seq,
            accounts_written=done.accounts,
            runs_written=done.runs,
            generation=generation,
            full=base is None,
            seconds=time.monotonic() - began,
        )

    def _claim(self) -> Manifest | None:
        """Own the namespace; answers the usable snapshot in it. Raises what ``claim`` of the store does."""
        return self._store.claim(owner_of(self._engine), self._engine.recovered_seq)

    def _new_generation(self) -> int:
        """A generation of its own for a full pass; what an earlier attempt left there is removed first."""
        current = self._store.current_generation()
        self._store.drop_other_generations(current)
        return current + 1

    def _write_pass(self, generation: int, start_seq: int, *, unhurried: bool) -> "_Written":
        """Store every image of the pass, each after the dedupe keys of the events it contains.

        An image may name what the catalog gained during the pass, so a changed global image goes
        into the same transaction: a restore from a half-written pass still finds its words.
        """
        passing = self._engine.snapshots
        done = _Written()
        budget = _Budget(self._config.snapshot_share_percent, self.background)
        self._engine.wait_durable(start_seq)
        stored_global: bytes | None = None
        for max_seq, images in passing.chunks(self._config.snapshot_chunk_accounts):
            global_seq, global_image = passing.global_image()
            self._engine.wait_durable(max(max_seq, global_seq))
            self._write_runs(generation, start_seq, done)
            changed = None if global_image == stored_global else global_image
            done.new_accounts += self._store.write_images(generation, images, changed)
            done.accounts += len(images)
            done.buckets = max([done.buckets, *(uid // BUCKET_ACCOUNTS + 1 for uid, _ in images)])
            stored_global = global_image
            self._require_running()
            if unhurried:
                budget.rest()
        self._write_runs(generation, start_seq, done)
        return done

    def _write_runs(self, generation: int, start_seq: int, done: "_Written") -> None:
        newest_us = self._engine.now_us() + self._early_margin_us
        for run in self._engine.snapshots.key_runs():
            done.runs += 1
            self._store.write_run(generation, f"{start_seq}-{done.runs}", run, newest_us=newest_us)
            self._require_running()

    def _require_running(self) -> None:
        if self.background.stopping:
            raise errors.SnapshotUnavailableError("stopping: the pass is given up", reason="STOPPING")

    def _prune(self, generation: int) -> None:
        """Remove runs whose every key lies below the acceptance floor: such events are ``TOO_LATE``."""
        floor_us = self._engine.floor_us()
        try:
            dropped = self._store.drop_runs_below(generation, floor_us)
        except errors.SnapshotError as raised:
            _log.warning("old key runs stay: %s", raised, extra={"reason": raised.reason})
            return
        if dropped and self._last is not None:
            self._last = msgspec.structs.replace(self._last, runs=self._last.runs - dropped)

    def _tidy(self, generation: int) -> None:
        """Remove what no reader uses. A failure here leaves garbage, never a wrong snapshot."""
        try:
            self._store.drop_other_generations(generation)
        except errors.SnapshotError as raised:
            _log.warning("old snapshot keys stay: %s", raised, extra={"reason": raised.reason})

    def stats(self) -> dict[str, Any]:
        """Figures for metrics: lag in journal positions and seconds, passes, trouble."""
        last = self._last
        completed_at = self._completed_at
        return {
            "seq": 0 if last is None else last.snapshot_seq,
            "lag_seq": self._engine.applied_seq() - (0 if last is None else last.snapshot_seq),
            "lag_s": -1 if completed_at is None else time.monotonic() - completed_at,
            "passes_total": self._passes,
            "failures_in_a_row": self._failures,
            "accounts_written_total": self._accounts_written,
            "trouble": self._trouble,
        }
