"""The recorder of the embedded form: batches go straight to the engine, acks wait for the disk."""

from __future__ import annotations

import threading
import time
from collections import deque

from drawdown.client.backoff import Backoff
from drawdown.client.recorder import BatchBuilder, PendingBatch, Recorder, RecorderOptions, settle
from drawdown.client.usage_event import SealedEvent
from drawdown.engine import Engine, decode_ack, translating
from drawdown.errors import DrawdownError, OverloadedError, PreconditionError, ReadOnlyError, UnavailableError

# Only while batches wait for the disk and nothing else happens: acks are noticed this late at most.
DISK_POLL_S = 0.002


class EmbeddedRecorder(Recorder):
    """See ``Recorder``. A small thread sends batches that are ``linger_ms`` old."""

    _stamps = False

    def __init__(self, engine: Engine, *, batch: int, linger_ms: float, options: RecorderOptions) -> None:
        super().__init__(engine.scale)
        self._engine = engine
        self._options = options
        self._linger_s = max(0.0, linger_ms / 1000)
        self._builder = BatchBuilder(batch, options)
        self._builder_since = 0.0
        # Taken from the builder and refused so far; it goes before any other.
        self._refused: PendingBatch | None = None
        self._submitted: deque[tuple[int, PendingBatch, bytes]] = deque()
        self._closed = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition(threading.RLock())
        self._thread = threading.Thread(target=self._run, name="drawdown-recorder", daemon=True)
        self._thread.start()

    def add(self, event: SealedEvent) -> None:
        """Take one event whose fields are final; waits for the disk while the window is full."""
        with self._changed:
            self._raise_if_ended()
            full = self._builder.add(event, self._end_batch)
            self.totals.recorded += 1
            if full:
                self._submit()
            elif self._builder.events == 1:
                self._builder_since = time.monotonic()
                self._changed.notify_all()

    def flush(self, timeout_s: float | None = None) -> None:
        """Return when every event taken so far is durable."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            deadline = None if timeout_s is None else time.monotonic() + timeout_s
            self._submit(deadline)
            while self._submitted:
                self._settle_first(deadline)

    def close(self) -> None:
        """Flush and end. A second call changes nothing."""
        with self._changed:
            if self._closed:
                return
            # First: what came while the flush waits for the engine would be in no batch that anybody sends.
            self._closed = True
            self._changed.notify_all()
            self.flush()
        self._thread.join()

    def _raise_if_ended(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise PreconditionError("the recorder is closed; open another", reason="RECORDER_CLOSED")

    def _end_batch(self) -> None:
        """Make room for an event that cannot travel with what is being built."""
        self._submit()
        self._raise_if_ended()

    def _submit(self, deadline: float | None = None) -> None:
        """Hand what is being built to the engine, after what it has refused. The caller holds the lock."""
        self._hand_over(deadline)
        if self._builder.events:
            while len(self._submitted) >= self._options.window:
                self._settle_first(deadline)
            self._refused = self._builder.take()
            self._hand_over(deadline)

    def _hand_over(self, deadline: float | None) -> None:
        """Return when the engine has the batch; it stays where this raises.

        The engine may be out of time or of disk space for a while. After ``retry_s`` the recorder fails:
        a batch that is left out would be missed by nobody.
        """
        backoff = Backoff(self._options.backoff_s_max)
        gives_up_at = time.monotonic() + self._options.retry_s
        # While this waits another thread may come by and succeed.
        while (batch := self._refused) is not None:
            if self._failure is not None:
                raise self._failure
            try:
                with translating():
                    seq, ack = self._engine.submit(batch.encoded, may_force=True)
            except (OverloadedError, ReadOnlyError) as error:
                now = time.monotonic()
                if now >= gives_up_at:
                    self._fail(error)
                    raise
                if deadline is not None and now >= deadline:
                    self._changed.notify_all()
                    raise UnavailableError(
                        f"not everything was taken in time; it is kept and handed over again: {error.message}"
                    ) from error
                self._changed.wait(backoff.next_s())
            except DrawdownError as error:
                self._fail(error)
                raise
            else:
                self._submitted.append((seq, batch, ack))
                self._refused = None

    def _fail(self, error: DrawdownError) -> None:
        """Whoever comes gets the reason; it is definite where nothing else is under way."""
        error.definite = error.definite and not self._submitted
        self._failure = error
        self._changed.notify_all()

    def _settle_first(self, deadline: float | None) -> None:
        seq, batch, ack = self._submitted[0]
        if deadline is None:
            self._engine.wait_durable(seq)
        else:
            self._engine.wait_durable(seq, max(0.0, deadline - time.monotonic()))
        self._submitted.popleft()
        settle(batch, decode_ack(ack), self.totals, self._options)

    def _run(self) -> None:
        """Send batches that have waited long enough, and settle those that are durable."""
        try:
            with self._changed:
                while not self._closed and self._failure is None:
                    wait_s = self._step()
                    # The step may have waited for the engine, and the close be over meanwhile.
                    if not self._closed:
                        self._changed.wait(wait_s)
        except BaseException as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _step(self) -> float | None:
        """Do what is due; seconds until more may be. The caller holds the lock."""
        if self._refused is not None:
            self._submit()
        if self._builder.events:
            wait_s = self._builder_since + self._linger_s - time.monotonic()
            if wait_s > 0:
                return wait_s
            self._submit()
        while self._submitted and self._engine.durable_seq() >= self._submitted[0][0]:
            self._settle_first(None)
        return DISK_POLL_S if self._submitted else None
