"""The recorder over gRPC: one stream, a window of un-acknowledged batches, resend after a break.

Batches are kept until their ack has arrived and acks come in order, so after a break everything
un-acknowledged is sent again, oldest first, with the same bytes. The server applies each event at
most once: what it had already applied comes back as duplicates.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Iterator

import grpc

from drawdown.client.backoff import Backoff
from drawdown.client.channel import STREAM_USAGE, closed_connection
from drawdown.client.recorder import (
    BatchBuilder,
    PendingBatch,
    Recorder,
    RecorderOptions,
    settle,
)
from drawdown.client.rpc_errors import error_of
from drawdown.client.usage_event import ScaleOf, SealedEvent
from drawdown.engine import decode_ack
from drawdown.errors import DrawdownError, InternalError, PreconditionError, UnavailableError


class StreamRecorder(Recorder):
    """See ``Recorder``. One thread keeps the stream; ``record`` may be called from any thread."""

    def __init__(
        self,
        channel: grpc.Channel,
        metadata: tuple[tuple[str, str], ...],
        scale_of: ScaleOf,
        own_clocks: Collection[str],
        *,
        batch: int,
        linger_ms: float,
        options: RecorderOptions,
    ) -> None:
        super().__init__(scale_of, own_clocks)
        self._stream_usage = channel.stream_stream(STREAM_USAGE)
        self._metadata = metadata
        self._options = options
        self._linger_s = max(0.0, linger_ms / 1000)
        self._builder = BatchBuilder(batch, options)
        self._builder_since = 0.0
        self._unacknowledged: deque[PendingBatch] = deque()
        # How many of the un-acknowledged batches the present connection has been given.
        self._sent = 0
        self._connection = 0
        self._acknowledged_id = 0
        self._progress_at = time.monotonic()
        # Whether what is un-acknowledged may have been applied over a connection that broke.
        self._unknown = False
        self._closing = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="drawdown-recorder", daemon=True)
        self._thread.start()

    @property
    def unacknowledged(self) -> int:
        """Events taken and not acknowledged yet; after a failure, those whose outcome is unknown."""
        with self._changed:
            return self._builder.events + sum(batch.events for batch in self._unacknowledged)

    def add(self, event: SealedEvent) -> None:
        """Take one event whose fields are final; waits while the window is full."""
        with self._changed:
            while len(self._unacknowledged) >= self._options.window and self._failure is None:
                self._changed.wait()
            self._raise_if_ended()
            full = self._builder.add(event, self._take)
            self.totals.recorded += 1
            if full:
                self._take()
            elif self._builder.events == 1:
                self._builder_since = time.monotonic()
                self._changed.notify_all()

    def flush(self, timeout_s: float | None = None) -> None:
        """Return when every event taken so far is acknowledged."""
        with self._changed:
            if self._builder.events:
                self._take()
            target = self._builder.last_batch_id
            done = self._changed.wait_for(
                lambda: self._acknowledged_id >= target or self._failure is not None, timeout_s
            )
            if self._acknowledged_id >= target:
                return
            if self._failure is not None:
                raise self._failure
        if not done:
            raise UnavailableError(
                f"not everything was acknowledged within {timeout_s:g} s; it is kept and sent on"
            )

    def close(self) -> None:
        """Flush and end the stream. A second call changes nothing."""
        with self._changed:
            if self._closing:
                return
        try:
            self.flush()
        finally:
            with self._changed:
                self._closing = True
                self._changed.notify_all()
            self._thread.join()

    def _raise_if_ended(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closing:
            raise PreconditionError("the recorder is closed; open another", reason="RECORDER_CLOSED")

    def _take(self) -> None:
        """Close the batch being built; it waits to be sent. The caller holds the lock."""
        if not self._unacknowledged:
            # What comes now has waited for nothing yet, however long the stream was idle.
            self._progress_at = time.monotonic()
            self._unknown = False
        self._unacknowledged.append(self._builder.take())
        self._changed.notify_all()

    def _requests(self, connection: int) -> Iterator[bytes]:
        """What the connection sends: batches in order, each once it is closed. Runs in gRPC's thread."""
        while (batch := self._next_batch(connection)) is not None:
            yield batch.encoded

    def _next_batch(self, connection: int) -> PendingBatch | None:
        with self._changed:
            while True:
                if connection != self._connection or self._failure is not None:
                    return None
                if self._sent < len(self._unacknowledged):
                    self._sent += 1
                    return self._unacknowledged[self._sent - 1]
                wait_s: float | None = None
                if self._builder.events and len(self._unacknowledged) < self._options.window:
                    wait_s = self._builder_since + self._linger_s - time.monotonic()
                    if wait_s <= 0:
                        self._take()
                        continue
                if self._closing and not self._builder.events:
                    return None
                self._changed.wait(wait_s)

    def _run(self) -> None:
        """Keep a stream open while there is something to send, until closed or failed."""
        backoff = Backoff(self._options.backoff_s_max)
        try:
            while self._wait_for_work():
                failure = self._run_connection(backoff)
                with self._changed:
                    if self._closing and not self._unacknowledged:
                        return
                    self.totals.reconnects += 1
                    if failure is not None and self._unacknowledged:
                        self._unknown = self._unknown or not failure.definite
                        failure.definite = not self._unknown
                    if failure is not None and not failure.retryable:
                        raise failure
                    silent_s = time.monotonic() - self._progress_at
                    if self._unacknowledged and silent_s > self._options.retry_s:
                        raise failure or UnavailableError(
                            f"no batch was acknowledged for {silent_s:.0f} s; the server ends every stream"
                        )
                    self._changed.wait(backoff.next_s())
        except BaseException as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _wait_for_work(self) -> bool:
        """False when closed with nothing left to send."""
        with self._changed:
            while not self._unacknowledged and not self._builder.events:
                if self._closing:
                    return False
                self._changed.wait()
            return True

    def _run_connection(self, backoff: Backoff) -> DrawdownError | None:
        """Send everything un-acknowledged and what comes, until the stream ends; None when it ended well."""
        with self._changed:
            self._connection += 1
            self._sent = 0
            connection = self._connection
        try:
            call = self._stream_usage(self._requests(connection), metadata=self._metadata)
        except PreconditionError:
            raise closed_connection(definite=not self._unacknowledged) from None
        try:
            for ack in call:
                self._acknowledge(ack)
                backoff.reset()
            return None
        except grpc.RpcError as failure:
            return error_of(failure)
        finally:
            with self._changed:
                self._connection += 1
                self._sent = 0
                self._changed.notify_all()
            call.cancel()

    def _acknowledge(self, encoded: bytes) -> None:
        ack = decode_ack(encoded)
        with self._changed:
            batch = self._unacknowledged[0] if self._unacknowledged else None
            if batch is None or batch.batch_id != ack[0]:
                raise InternalError(
                    f"the server acknowledged batch {ack[0]}, "
                    f"expected {batch.batch_id if batch else 'none'}: acks come in order"
                )
            settle(batch, ack, self.totals, self._options)
            self._unacknowledged.popleft()
            self._sent -= 1
            self._acknowledged_id = batch.batch_id
            self._progress_at = time.monotonic()
            self._changed.notify_all()
