"""The recorder for asyncio: one stream, a window of un-acknowledged batches, resend after a break.

The rules are those of ``stream_recorder``: acks come in order, what is un-acknowledged after a break
is sent again with the same bytes, and the server applies each event at most once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Self

import grpc

from drawdown.client.backoff import Backoff
from drawdown.client.channel import STREAM_USAGE, closed_connection, task_is_cancelled
from drawdown.client.recorder import (
    BatchBuilder,
    PendingBatch,
    RecorderOptions,
    RecorderTotals,
    settle,
)
from drawdown.client.rpc_errors import error_of
from drawdown.client.usage_event import SealedEvent, seal_fields
from drawdown.engine import decode_ack
from drawdown.errors import DrawdownError, InternalError, PreconditionError, UnavailableError
from drawdown.model import AmountLike, InstantLike


class AioRecorder:
    """A stream of usage for one event loop. Close it, or use ``async with``: leaving flushes."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        metadata: tuple[tuple[str, str], ...],
        scale_of: Callable[[str], Awaitable[int]],
        own_clocks: Collection[str],
        *,
        batch: int,
        linger_ms: float,
        options: RecorderOptions,
    ) -> None:
        self.totals = RecorderTotals()
        self.on_failure: Callable[[BaseException], None] | None = None
        """Called once, with the reason, when the stream cannot go on."""
        self._stream_usage = channel.stream_stream(STREAM_USAGE)
        self._metadata = metadata
        self._scale_of = scale_of
        self._own_clocks = own_clocks
        self._options = options
        self._linger_s = max(0.0, linger_ms / 1000)
        self._builder = BatchBuilder(batch, options)
        self._unacknowledged: deque[PendingBatch] = deque()
        self._sent = 0
        self._acknowledged_id = 0
        self._progress_at = 0.0
        # Whether what is un-acknowledged may have been applied over a connection that broke.
        self._unknown = False
        self._closing = False
        self._failure: BaseException | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def record(
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
        """Take one event and return its id; it is durable once a later ``flush`` returned."""
        scale = 0 if credit_type is None else await self._scale_of(credit_type)
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
            lambda _: scale,
            stamps=account not in self._own_clocks,
        )
        await self.add(event)
        return event.event_id

    async def add(self, event: SealedEvent) -> None:
        """Take one event whose fields are final; waits while the window is full."""
        while len(self._unacknowledged) >= self._options.window and self._failure is None:
            await self._wait()
        if self._failure is not None:
            raise self._failure
        if self._closing:
            raise PreconditionError("the recorder is closed; open another", reason="RECORDER_CLOSED")
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        full = self._builder.add(event, self._take)
        self.totals.recorded += 1
        if full:
            self._take()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(self._linger_s, self._take)

    async def flush(self, timeout_s: float | None = None) -> None:
        """Return when every event taken so far is acknowledged.

        Raises ``UnavailableError`` after ``timeout_s``: the events stay and are sent on.
        """
        self._take()
        target = self._builder.last_batch_id
        try:
            async with asyncio.timeout(timeout_s):
                while self._acknowledged_id < target:
                    if self._failure is not None:
                        raise self._failure
                    await self._wait()
        except TimeoutError:
            raise UnavailableError(
                f"not everything was acknowledged within {timeout_s} s; it is kept and sent on"
            ) from None

    async def close(self) -> None:
        """Flush and end the stream. A second call changes nothing."""
        if self._closing:
            return
        ended_well = False
        try:
            await self.flush()
            self._end()
            if self._task is not None:
                await asyncio.wait([self._task])
            ended_well = True
        finally:
            self._end()
            if self._task is not None and not ended_well:
                # Whoever closes has waited enough: without this the task would go on for ``retry_s``.
                self._task.cancel()

    def _end(self) -> None:
        self._closing = True
        self._notify()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _take(self) -> None:
        """Close the batch being built, if it has any event; it waits to be sent."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._builder.events:
            if not self._unacknowledged:
                # What comes now has waited for nothing yet, however long the stream was idle.
                self._progress_at = asyncio.get_running_loop().time()
                self._unknown = False
            self._unacknowledged.append(self._builder.take())
            self._notify()

    def _notify(self) -> None:
        """Wake everyone who waits for a change; each looks again at what it waits for."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _wait(self) -> None:
        await self._changed.wait()

    async def _run(self) -> None:
        """Keep a stream open while there is something to send, until closed or failed."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(self._options.backoff_s_max)
        try:
            while True:
                while not self._unacknowledged and not self._closing:
                    await self._wait()
                if not self._unacknowledged:
                    return
                failure = await self._run_connection(backoff)
                if self._closing and not self._unacknowledged:
                    return
                self.totals.reconnects += 1
                if failure is not None and self._unacknowledged:
                    self._unknown = self._unknown or not failure.definite
                    failure.definite = not self._unknown
                if failure is not None and not failure.retryable:
                    raise failure
                if self._unacknowledged and loop.time() - self._progress_at > self._options.retry_s:
                    raise failure or UnavailableError(
                        "no batch was acknowledged; the server ends every stream"
                    )
                await asyncio.sleep(backoff.next_s())
        except Exception as error:
            self._fail(error)
        except asyncio.CancelledError:
            self._fail(UnavailableError("the recorder's task was cancelled; open another and repeat"))
            raise

    def _fail(self, error: BaseException) -> None:
        """Whoever waits, and whoever comes, gets the reason."""
        self._failure = error
        self._notify()
        if self.on_failure is not None:
            self.on_failure(error)

    async def _run_connection(self, backoff: Backoff) -> DrawdownError | None:
        """Send everything un-acknowledged and what comes, until the stream ends; None when it ended well."""
        self._sent = 0
        try:
            call = self._stream_usage(metadata=self._metadata)
        except PreconditionError:
            raise self._closed() from None
        writer = asyncio.create_task(self._write(call))
        try:
            while (ack := await call.read()) is not grpc.aio.EOF:
                self._acknowledge(ack)
                backoff.reset()
            return None
        except grpc.RpcError as failure:
            return error_of(failure)
        except asyncio.CancelledError:
            if task_is_cancelled():
                raise
            # Nobody cancels this task: it was the call, by the end of its connection.
            raise self._closed() from None
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            call.cancel()
            self._sent = 0

    def _closed(self) -> PreconditionError:
        return closed_connection(definite=not self._unacknowledged)

    async def _write(self, call: Any) -> None:
        try:
            while True:
                while self._sent < len(self._unacknowledged):
                    self._sent += 1
                    await call.write(self._unacknowledged[self._sent - 1].encoded)
                if self._closing:
                    await call.done_writing()
                    return
                await self._wait()
        except (grpc.RpcError, asyncio.InvalidStateError):
            return  # the reader sees why the stream ended

    def _acknowledge(self, encoded: bytes) -> None:
        ack = decode_ack(encoded)
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
        self._progress_at = asyncio.get_running_loop().time()
        self._notify()
