"""What a recorder is: a stream of usage events that is batched, bounded and re-sent.

Embedded and over gRPC the same: ``record`` adds an event and returns its id, batches leave when
they are full or ``linger_ms`` old, ``flush`` returns when everything recorded so far is durable.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from drawdown.client.usage_event import ScaleOf, SealedEvent, encode_event, seal_fields
from drawdown.engine import BatchEncoder
from drawdown.errors import InvalidRequestError
from drawdown.model import AmountLike, InstantLike

BATCH_EVENTS_MAX = 65_536
# The server takes messages of at most 4 MiB: a batch is closed well before.
BATCH_BYTES_MAX = 3 << 20
# What a batch may have against an event that another batch would take: columns have times for all events or
# for none, and hold them as distances from the first; a batch has an end.
_FAULTS_BESIDE_OTHERS: Final = frozenset({"time_us", "batch"})


class UsageException(msgspec.Struct, frozen=True, kw_only=True):
    """One event whose outcome is not plainly ``OK``. Amounts in the credit type's smallest unit."""

    account: str
    event_id: str
    subject: str
    """Meter, or credit type of a direct debit."""
    status: str
    charged: int
    uncovered: int
    available: int | None
    shortfall: int | None
    seq: int = 0
    """Journal position that the batch of the event is durable at."""


class RecorderTotals(msgspec.Struct, kw_only=True):
    """What the acks said so far. After a break, events re-sent although applied count as duplicates."""

    recorded: int = 0
    """Events taken by ``record``; the other counts follow as acks arrive."""
    applied: int = 0
    duplicates: int = 0
    refused: int = 0
    batches: int = 0
    """Batches acknowledged."""
    reconnects: int = 0


class RecorderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The less usual settings of a recorder."""

    window: int = 16
    """Batches in flight at most; ``record`` waits while as many are un-acknowledged."""
    encoding: str = "columns"
    """``rows`` | ``columns``: the same facts, columns take fewer bytes."""
    detail: str = "exceptions"
    """``exceptions`` | ``all`` | ``none``: which outcomes reach ``on_exception``."""
    on_exception: Callable[[UsageException], None] | None = None
    """Called in the recorder's thread, in order; must not block and must not raise."""
    retry_s: float = 300.0
    """Give up when no batch was acknowledged for so long although one was waiting."""
    backoff_s_max: float = 5.0


class PendingBatch(NamedTuple):
    """A batch that was encoded and is not acknowledged yet. Its bytes never change."""

    batch_id: int
    encoded: bytes
    events: int
    references: list[tuple[str, str, str]]
    """``(account, event_id, subject)`` per event, kept only where outcomes are wanted."""


Ack = tuple[int, int, int, int, int, list[tuple[int, str, int, int, int | None, int | None]]]
"""``decode_ack``: batch_id, seq, applied, duplicates, refused, exceptions."""


class BatchBuilder:
    """Fills one batch after the other. Not thread-safe: its recorder holds a lock around it."""

    def __init__(self, batch: int, options: RecorderOptions) -> None:
        if not 1 <= batch <= BATCH_EVENTS_MAX:
            raise InvalidRequestError(f"batch: {batch} is outside 1–{BATCH_EVENTS_MAX}", field="batch")
        if options.window < 1:
            raise InvalidRequestError(f"window: {options.window} is less than 1", field="window")
        self._batch = batch
        self._keeps_references = options.on_exception is not None
        self._encoder = BatchEncoder(options.encoding, options.detail)
        self._references: list[tuple[str, str, str]] = []
        self._next_batch_id = 1
        self.events = 0

    def add(self, event: SealedEvent, end_batch: Callable[[], None]) -> bool:
        """Append; True when the batch is full and has to be taken.

        ``end_batch`` takes what is there, where the event cannot travel with it.
        """
        while True:
            try:
                self.events = encode_event(self._encoder, event)
                break
            except InvalidRequestError as error:
                if not self.events or error.field not in _FAULTS_BESIDE_OTHERS:
                    raise
            end_batch()
        if self._keeps_references:
            self._references.append((event.account, event.event_id, event.subject))
        return self.events >= self._batch or self._encoder.size_bytes() >= BATCH_BYTES_MAX

    @property
    def last_batch_id(self) -> int:
        """Id of the batch taken last; 0 before the first."""
        return self._next_batch_id - 1

    def take(self) -> PendingBatch:
        """The batch so far; the builder is empty afterwards."""
        batch = PendingBatch(
            self._next_batch_id, self._encoder.take(self._next_batch_id), self.events, self._references
        )
        self._next_batch_id += 1
        self._references = []
        self.events = 0
        return batch


def settle(batch: PendingBatch, ack: Ack, totals: RecorderTotals, options: RecorderOptions) -> None:
    """Count an ack and hand its exceptions on, in order."""
    _, seq, applied, duplicates, refused, exceptions = ack
    totals.applied += applied
    totals.duplicates += duplicates
    totals.refused += refused
    totals.batches += 1
    if options.on_exception is None:
        return
    for index, status, charged, uncovered, available, shortfall in exceptions:
        account, event_id, subject = batch.references[index]
        options.on_exception(
            UsageException(
                account=account,
                event_id=event_id,
                subject=subject,
                status=status,
                charged=charged,
                uncovered=uncovered,
                available=available,
                shortfall=shortfall,
                seq=seq,
            )
        )


class Recorder(abc.ABC):
    """A stream of usage. Close it, or use it in a ``with`` block: leaving flushes."""

    totals: RecorderTotals
    _stamps = True
    """Events without id and time get ours, so that a repeat is exact however late."""

    def __init__(self, scale_of: ScaleOf, own_clocks: Collection[str] = ()) -> None:
        self._scale_of = scale_of
        # Of the connection, which may come to know more: no clock of ours says the time of these accounts.
        self._own_clocks = own_clocks
        self.totals = RecorderTotals()

    def record(
        self,
        account: str,
        meter: str | None = None,
        *,
        quantity: int = 1,
        credit_type: str | None = None,
        credits: AmountLike | None = None,
        event_id: str | None = None,
        time: InstantLike | None = None,
        dimensions: Mapping[str, str] | None = None,
        force: bool = False,
    ) -> str:
        """Take one event and return its id; it is durable once a later ``flush`` returned.

        Waits while ``window`` batches are un-acknowledged. Raises ``InvalidRequestError`` with the
        field's name (the event is not taken), or the error that ended the stream.
        """
        event = seal_fields(
            account,
            meter,
            quantity,
            credit_type,
            credits,
            event_id,
            time,
            dimensions,
            force,
            self._scale_of,
            stamps=self._stamps and account not in self._own_clocks,
        )
        self.add(event)
        return event.event_id

    @abc.abstractmethod
    def add(self, event: SealedEvent) -> None:
        """Take one event whose fields are final; ``record`` without the conversions."""

    @abc.abstractmethod
    def flush(self, timeout_s: float | None = None) -> None:
        """Return when every event taken so far is acknowledged.

        Raises ``UnavailableError`` after ``timeout_s``: the events stay and are sent on.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Flush and end the stream. A second call changes nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
