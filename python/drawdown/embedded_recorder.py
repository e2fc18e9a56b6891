"""The recorder of the embedded form: batches go straight to the engine, acks wait for the disk."""

from __future__ import annotations

import threading
import time
from collections import deque

from drawdown.client.backoff import Backoff
from drawdown.client.recorder import BatchBuilder, PendingBatch, Recorder, RecorderOptions, settle
from drawdown.client.usage_event import SealedEvent
from drawdown.engine import Engine, decode_ack, translating
from drawdown.errors import OverloadedError, PreconditionError

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
        self._submitted: deque[tuple[int, PendingBatch, bytes]] = deque()
        self._closed = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition(threading.RLock())
        self._thread = threading.Thread(target=self._run, name="drawdown-recorder", daemon=True)
        self._thread.start()

    def add(self, event: SealedEvent) -> None:
        """Take one event whose fields are final; waits for the disk while the window is full."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            if self._closed:
                raise PreconditionError("the recorder is closed; open another", reason="RECORDER_CLOSED")
            full = self._builder.add(event)
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
            if self._builder.events:
                self._submit()
            deadline = None if timeout_s is None else time.monotonic() + timeout_s
            while self._submitted:
                self._settle_first(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Flush and end. A second call changes nothing."""
        with self._changed:
            if self._closed:
                return
            try:
                self.flush()
            finally:
                self._closed = True
                self._changed.notify_all()
        self._thread.join()

    def _submit(self) -> None:
        """Hand the batch being built to the engine. The caller holds the lock."""
        while len(self._submitted) >= self._options.window:
            self._settle_first(None)
        batch = self._builder.take()
        backoff = Backoff(self._options.backoff_s_max)
        deadline = time.monotonic() + self._options.retry_s
        while True:
            try:
                with translating():
                    seq, ack = self._engine.submit(batch.encoded, may_force=True)
                break
            except OverloadedError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(backoff.next_s())
        self._submitted.append((seq, batch, ack))

    def _settle_first(self, timeout_s: float | None) -> None:
        seq, batch, ack = self._submitted[0]
        if timeout_s is None:
            self._engine.wait_durable(seq)
        else:
            self._engine.wait_durable(seq, timeout_s)
        self._submitted.popleft()
        settle(batch, decode_ack(ack), self.totals, self._options)

    def _run(self) -> None:
        """Send batches that have waited long enough, and settle those that are durable."""
        try:
            with self._changed:
                while not self._closed:
                    wait_s: float | None = None
                    if self._builder.events:
                        wait_s = self._builder_since + self._linger_s - time.monotonic()
                        if wait_s <= 0:
                            self._submit()
                            continue
                    elif self._submitted:
                        if self._engine.durable_seq() >= self._submitted[0][0]:
                            self._settle_first(None)
                            continue
                        wait_s = DISK_POLL_S
                    self._changed.wait(wait_s)
        except BaseException as error:
            with self._changed:
                self._failure = error
