"""Concurrent awaits of one asyncio program share their way to the server.

::

    await db.check(…)  ┐                        ┌ answer
    await db.check(…)  ├ one BatchCheck at a    ├ answer
    await db.check(…)  ┘ time, two on the way   └ answer

A check that comes while the allowed calls are under way waits for the next one: so batches grow with the
load by themselves, and a lone check leaves at once. Records go through one recorder stream, whose acks
answer each of them. A malformed question or event is refused before it joins the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from google.protobuf.message import DecodeError

from drawdown.client.asyncio_recorder import AioRecorder
from drawdown.client.recorder import RecorderOptions, UsageException
from drawdown.client.usage_event import SealedEvent
from drawdown.errors import InternalError, UnavailableError
from drawdown.model.check_question import wrong_question
from drawdown.v1 import entitlement_pb2

CHECKS_PER_CALL_MAX = 2000
CALLS_IN_FLIGHT_MAX = 2
WAITING_MAX = 1_000_000
EVENTS_PER_BATCH = 1000
RECORDER_OPTIONS = RecorderOptions(encoding="rows", detail="all")

_Asked = tuple[bytes, "asyncio.Future[entitlement_pb2.CheckResponse]"]


class CoalescingCounts(msgspec.Struct):
    """How much was shared, for figures."""

    asked: int = 0
    calls: int = 0


def check_to_bytes(account: str, meter: str, quantity: int, dimensions: Mapping[str, str] | None) -> bytes:
    """One ``CheckRequest``. Raises ``InvalidRequestError`` naming the field of a value of another type."""
    try:
        encoded: bytes = entitlement_pb2.CheckRequest(
            account_id=account, meter=meter, quantity=quantity, dimensions=dimensions
        ).SerializeToString()
        return encoded
    except (TypeError, ValueError, AttributeError) as raised:
        raise wrong_question(account, meter, quantity, raised) from raised


def _framed(messages: list[bytes]) -> bytes:
    """``BatchCheckRequest`` of messages that are encoded already: field 1, one by one."""
    parts: list[bytes] = []
    for message in messages:
        size = len(message)
        head = bytearray(b"\x0a")
        while size > 0x7F:
            head.append(size & 0x7F | 0x80)
            size >>= 7
        head.append(size)
        parts.append(bytes(head))
        parts.append(message)
    return b"".join(parts)


class CheckCoalescer:
    """Answers checks from shared ``BatchCheck`` calls. For one event loop."""

    def __init__(self, batch_check: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._batch_check = batch_check
        self._waiting: deque[_Asked] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self.counts = CoalescingCounts()

    async def check(self, question: bytes) -> entitlement_pb2.CheckResponse:
        """The answer to one encoded ``CheckRequest``; raises what the shared call raises."""
        if len(self._waiting) >= WAITING_MAX:
            raise UnavailableError(
                f"{WAITING_MAX} checks are already waiting; ask again later", definite=True
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[entitlement_pb2.CheckResponse] = loop.create_future()
        self._waiting.append((question, future))
        if not self._scheduled and len(self._calls) < CALLS_IN_FLIGHT_MAX:
            # Whoever asks in this turn of the loop goes along.
            self._scheduled = True
            loop.call_soon(self._send)
        return await future

    def _send(self) -> None:
        self._scheduled = False
        while self._waiting and len(self._calls) < CALLS_IN_FLIGHT_MAX:
            batch: list[_Asked] = []
            while self._waiting and len(batch) < CHECKS_PER_CALL_MAX:
                asked = self._waiting.popleft()
                if not asked[1].done():
                    batch.append(asked)
            if batch:
                task = asyncio.get_running_loop().create_task(self._ask(batch))
                self._calls.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._send()

    async def _ask(self, batch: list[_Asked]) -> None:
        self.counts.asked += len(batch)
        self.counts.calls += 1
        try:
            answer = await self._batch_check(_framed([question for question, _ in batch]))
            results = entitlement_pb2.BatchCheckResponse.FromString(answer).results
            if len(results) != len(batch):
                raise InternalError(f"the server answered {len(results)} of {len(batch)} checks")
        except DecodeError as raised:
            self._fail(batch, InternalError(f"the server's answer cannot be read: {raised}"))
        except asyncio.CancelledError:
            self._fail(batch, UnavailableError("the connection was closed", definite=True))
            raise
        except Exception as error:
            # Whatever it is: nobody else ends the wait of those who asked.
            self._fail(batch, error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)

    @staticmethod
    def _fail(batch: list[_Asked], error: Exception) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(error)

    def close(self) -> None:
        """Answer those who wait with ``UnavailableError``."""
        self._fail(list(self._waiting), UnavailableError("the connection was closed", definite=True))
        self._waiting.clear()
        for call in tuple(self._calls):
            call.cancel()


class RecordCoalescer:
    """Records events over one shared stream and hands each its own outcome. For one event loop.

    After a break the stream sends again what has no ack, with the same ids and times. Where it cannot
    go on at all, those who wait get the reason, and the next record opens a new stream.
    """

    def __init__(self, open_recorder: Callable[[RecorderOptions], AioRecorder]) -> None:
        self._open_recorder = open_recorder
        self._recorder: AioRecorder | None = None
        self._waiting: dict[tuple[str, str], deque[asyncio.Future[UsageException]]] = {}

    async def record(self, event: SealedEvent) -> UsageException:
        """The event's outcome, durable. Raises as ``AioRecorder.add`` does."""
        future: asyncio.Future[UsageException] = asyncio.get_running_loop().create_future()
        key = (event.account, event.event_id)
        self._waiting.setdefault(key, deque()).append(future)
        try:
            await self._stream().add(event)
        except BaseException:
            self._forget(key, future)
            raise
        return await future

    def _stream(self) -> AioRecorder:
        if self._recorder is None:
            self._recorder = self._open_recorder(
                msgspec.structs.replace(RECORDER_OPTIONS, on_exception=self._settle)
            )
            self._recorder.on_failure = self._fail
        return self._recorder

    def _settle(self, outcome: UsageException) -> None:
        key = (outcome.account, outcome.event_id)
        waiting = self._waiting.get(key)
        if not waiting:
            return
        future = waiting.popleft()
        if not waiting:
            del self._waiting[key]
        if not future.done():
            future.set_result(outcome)

    def _forget(self, key: tuple[str, str], future: asyncio.Future[UsageException]) -> None:
        waiting = self._waiting.get(key)
        if waiting and future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[key]

    def _fail(self, error: BaseException) -> None:
        self._recorder = None
        waiting, self._waiting = self._waiting, {}
        for futures in waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)

    async def close(self) -> None:
        """Flush what was taken and end the stream."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            await recorder.close()
