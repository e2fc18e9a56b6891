"""Stub of the Rust extension. The docstrings here are the reference of the door.

Only ``int``, ``str``, ``bytes``, ``bool``, ``None`` and frozen values cross. Credits cross as
``int`` in the credit type's smallest unit; instants as UTC microseconds. Refusals by rule are
statuses; exceptions mean "could not". Every call that may block leaves the interpreter first.
"""

from typing import Final, final

__all__ = [
    "BatchEncoder",
    "Check",
    "CorruptDataError",
    "Engine",
    "EngineError",
    "EngineHaltedError",
    "FolderLockedError",
    "InvalidRequestError",
    "LoadGenerator",
    "OverloadedError",
    "ReadOnlyError",
    "Recorded",
    "Restore",
    "UnavailableError",
    "__version__",
    "build_info",
    "decode_ack",
    "restore_begin",
    "salvage_folder",
    "status_names",
    "verify_folder",
]

class EngineError(Exception):
    """Root of what the engine raises. ``definite`` says whether nothing was certainly applied."""

    reason: str
    definite: bool

class InvalidRequestError(EngineError):
    """Bytes or a command that cannot be understood. Nothing was applied; mend the request."""

class OverloadedError(EngineError):
    """Shed before anything was written. Definite; retry after back-off with the same ids."""

class CorruptDataError(EngineError):
    """Stored bytes are damaged; the message names file and offset. Nothing was changed."""

class FolderLockedError(EngineError):
    """Another process owns this data folder."""

class EngineHaltedError(EngineError):
    """The engine has stopped (closed, failed disk). Whether the call was applied is unknown."""

class ReadOnlyError(EngineError):
    """No space for the journal: nothing applied; reads go on; resumes when space is free."""

class UnavailableError(EngineError):
    """The journal cannot be read as far as was asked, for now. Definite; ask again."""

@final
class Check:
    """Answer of ``Engine.check``; truthy iff allowed. Amounts in smallest units."""

    @property
    def allowed(self) -> bool: ...
    @property
    def reason(self) -> str:
        """Status name a record of the same would get now, ``OK`` if allowed."""
    @property
    def available(self) -> int | None:
        """What can pay for this meter; ``None`` where no pool is known."""
    @property
    def units(self) -> int:
        """Largest quantity (10^-quantity_scale) whose price fits ``available``; i64 max if free."""
    @property
    def seq(self) -> int:
        """Journal position of the state that answered."""
    @property
    def scale(self) -> int:
        """Scale of the credit type of ``available``; 0 where unknown."""
    def __bool__(self) -> bool: ...

@final
class Recorded:
    """Outcome of one event. Amounts in smallest units."""

    @property
    def status(self) -> str: ...
    @property
    def charged(self) -> int: ...
    @property
    def uncovered(self) -> int: ...
    @property
    def available(self) -> int | None: ...
    @property
    def shortfall(self) -> int | None: ...
    @property
    def seq(self) -> int:
        """Durable once ``Engine.durable_seq() >= seq``."""
    @property
    def scale(self) -> int: ...

@final
class Engine:
    """The balance engine with its journal in one folder. Safe to call from any thread."""

    @staticmethod
    def open(path: str, settings: bytes | None = None) -> Engine:
        """Lock the folder, recover and be ready; creates the folder if it is absent or empty.

        ``settings`` is a JSON object of node and engine settings; unknown keys are refused.
        Raises ``FolderLockedError``, ``CorruptDataError``, ``InvalidRequestError``.
        """
    def submit(self, batch: bytes, *, account_prefix: str = "", may_force: bool = False) -> tuple[int, bytes]:
        """Decide and apply one encoded ``drawdown.v1.UsageBatch``.

        Returns ``(seq, ack)``: the encoded ``UsageAck``, to be sent only when
        ``durable_seq() >= seq``. Raises ``InvalidRequestError`` (malformed bytes),
        ``OverloadedError``, ``ReadOnlyError``, ``EngineHaltedError``.
        """
    def record(
        self,
        account: str,
        subject: str,
        quantity: int,
        event_id: str,
        time_us: int | None = None,
        dimensions: tuple[tuple[str, str], ...] = ...,
        *,
        direct: bool = False,
        force: bool = False,
    ) -> Recorded:
        """One event without encoding; ``direct`` makes ``subject`` a credit type. Not yet durable."""
    def scale_of_use(
        self,
        account: str,
        meter: str,
        time_us: int | None = None,
        dimensions: tuple[tuple[str, str], ...] | None = None,
    ) -> int:
        """Scale of the credit type that a use at that instant is priced in; 0 where it has no price."""
    def execute(self, commands: bytes, *, account_prefix: str = "") -> tuple[int, bytes]:
        """Apply one atomic group: a JSON array of commands (``drawdown-core/src/command.rs``).

        Returns ``(seq, outcomes)``; outcomes is a JSON array, one object per command, each with
        ``status`` and the command's facts; when any command is refused nothing was applied, its
        object carries ``status``, ``reason`` and ``field``, and the others have status
        ``NOT_APPLIED``.
        """
    def check(
        self,
        account: str,
        meter: str,
        quantity: int = 1,
        dimensions: tuple[tuple[str, str], ...] | None = None,
    ) -> Check:
        """May a record of the same be ``OK`` now? Reads applied state, changes nothing."""
    def submit_checks(self, batch: bytes, *, account_prefix: str = "") -> tuple[int, bytes]:
        """Encoded ``BatchCheckRequest`` to ``(seq, encoded BatchCheckResponse)``; a single
        ``CheckRequest`` is served by ``submit_check``."""
    def submit_check(self, request: bytes, *, account_prefix: str = "") -> tuple[int, bytes]:
        """Encoded ``CheckRequest`` to ``(seq, encoded CheckResponse)``."""
    def query(self, request: bytes) -> tuple[int, bytes]:
        """Any other read: a JSON object with ``type`` to ``(seq, JSON)``.

        Types: ``balance``, ``balances``, ``grants``, ``account``, ``accounts``, ``catalog``,
        ``conservation``. Answers are of applied state: wait for ``seq`` to be durable before they
        leave the process.

        ``ledger``, ``usage_event``, ``explain``, and ``balance`` and ``grants`` with ``at`` are read from the
        journal's files up to the state of the call, which is durable when they answer; they run on
        the caller's thread and hold nothing that ingest waits for.
        """
    def index_step(self) -> bytes:
        """Make the index of one closed journal segment that has none. JSON: ``closed_segments``,
        ``indexed_segments``, ``open_segments``, ``done``. Queries of the journal make what they need;
        this makes it in steps, for who wants to show how far it is."""
    def expire_due(self, max_grants: int) -> tuple[int, int, bool]:
        """Book breakage of due grants and let ended ones leave memory, at most ``max_grants`` of both:
        ``(seq, booked, more_due)``."""
    def durable_seq(self) -> int: ...
    def applied_seq(self) -> int: ...
    def wait_durable(self, seq: int, timeout_s: float = 60.0) -> bool:
        """Block (interpreter detached) until ``seq`` is durable; False on time-out."""
    def notify_fd(self) -> int:
        """An eventfd signalled after each durable group; read 8 bytes to clear it."""
    def watch(self, account: str) -> None:
        """Tell of changes of this account, yet to be created or not, by ``take_changed``. In memory only."""

    def unwatch(self, account: str) -> None:
        """Tell no more."""

    def take_changed(self) -> tuple[bool, list[str]]:
        """Watched accounts that changed since the last call; True first: all, for the catalog changed.

        The changes may not be durable yet. For one caller: what was taken is not told again.
        """

    def now_us(self) -> int:
        """The stamp of now, µs UTC: never falls, and follows no step of the wall clock over an hour."""

    def keep_now(self) -> tuple[int, int]:
        """``(seq, stamp of now)``: once ``seq`` is durable no restart goes back behind the stamp."""

    def next_transition(self, account: str) -> int | None:
        """When figures of the account next change by time alone, µs; ``None``: never, or a test clock."""

    def take_crossings(self, cursor: int, limit: int) -> tuple[int, bytes]:
        """Crossings after journal position ``cursor``: ``(next_cursor, JSON array)``."""
    def take_changes(self, cursor: int, limit: int) -> tuple[int, bytes]:
        """The same for every change that somebody is told of: grants, entitlements and clocks too."""
    def snapshot_begin(self, full: bool) -> bytes:
        """Start a pass of the remote snapshot over accounts dirty since the last completed pass.

        Returns a JSON object: ``store_id``, ``epoch``, ``start_seq`` (S), ``dirty`` (accounts).
        One pass at a time.
        """
    def snapshot_keys(self) -> bytes | None:
        """The next run of dedupe keys not handed out yet; ``None`` when all up to the last chunk's
        ``max_seq`` (at first: S) have been. That seq must be durable first. Drain and store after
        each ``snapshot_chunk`` and before storing its images: a stored image must never contain an
        event whose key is not stored."""
    def snapshot_chunk(self, max_accounts: int = 1000) -> tuple[int, list[tuple[int, bytes]]] | None:
        """``(max_seq, [(account uid, image), …])``; ``None`` at the end. An image may be stored only
        when ``durable_seq() >= max_seq``."""
    def snapshot_global(self) -> tuple[int, bytes]:
        """``(seq, image)`` of catalog, floor and clocks; stored last, before the manifest."""
    def snapshot_end(self, complete: bool) -> None:
        """Close the pass; when not complete its accounts are dirty again."""
    def checkpoint(self) -> int:
        """Write a local checkpoint now; returns its start seq."""
    def digest(self) -> str:
        """128-bit order-independent digest of the state, as hex. Cost grows with accounts."""
    def stats(self) -> bytes:
        """JSON object of counters and gauges."""
    def store_id(self) -> str: ...
    def close(self) -> None:
        """Flush, checkpoint, unlock. Later calls raise ``EngineHaltedError``. Idempotent."""

@final
class BatchEncoder:
    """Builds encoded ``UsageBatch`` messages natively. Not thread-safe."""

    def __new__(cls, encoding: str = "rows", detail: str = "exceptions") -> BatchEncoder:
        """``encoding``: ``rows`` | ``columns``; ``detail``: ``exceptions`` | ``all`` | ``none``."""
    def add(
        self,
        account: str,
        subject: str,
        quantity: int,
        event_id: str,
        time_us: int | None = None,
        dimensions: tuple[tuple[str, str], ...] = ...,
        direct: bool = False,
        force: bool = False,
    ) -> int:
        """Append one event; returns how many wait. Raises ``InvalidRequestError`` naming the field."""
    def size_bytes(self) -> int: ...
    def take(self, batch_id: int) -> bytes:
        """The encoded batch; the encoder is empty afterwards."""

@final
class LoadGenerator:
    """Synthetic batches for ``drawdown bench``: deterministic by seed, ids are fresh UUID text."""

    def __new__(
        cls,
        *,
        accounts: int,
        batch: int,
        skew: str,
        encoding: str,
        seed: int,
        meter: str,
        quantity: int,
        send_time: bool = True,
    ) -> LoadGenerator:
        """``skew``: ``uniform`` | ``zipf`` (0.99) | ``hot``. Account ids are ``acct-%08d``."""
    def next(self, batch_id: int, now_us: int) -> bytes: ...

def decode_ack(
    ack: bytes,
) -> tuple[int, int, int, int, int, list[tuple[int, str, int, int, int | None, int | None]]]:
    """``(batch_id, seq, applied, duplicates, refused, exceptions)``; an exception is
    ``(index, status, charged, uncovered, available, shortfall)``. With detail ``ALL`` every event is
    listed."""

def restore_begin(path: str, manifest: bytes) -> Restore:
    """Start rebuilding an empty folder from a remote snapshot."""

@final
class Restore:
    def keys(self, run: bytes) -> None: ...
    def image(self, image: bytes) -> None: ...
    def finish(self, global_image: bytes) -> bytes:
        """Write the folder's first checkpoint; JSON with ``recovery_seq``, ``recovery_time_us`` and
        ``accounts``."""

def salvage_folder(source: str, target: str | None = None) -> bytes:
    """Build a folder at ``target`` out of a damaged one, or only say what that would lose. JSON facts."""

def verify_folder(path: str) -> bytes:
    """Read-only check of a folder not in use: JSON report (frames, seqs, digests, conservation).
    Raises ``CorruptDataError`` naming file and offset."""

def status_names() -> list[str]:
    """Every status, in order of number, from 1."""

def build_info() -> dict[str, str]:
    """``version``, ``profile`` (``release`` | ``debug``), ``journal_format``, ``image_format``."""

__version__: Final[str]
