"""Clients of the crash loop: streams of raw bytes that keep what was not answered, in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import grpc
import grpc.aio
from drawdown.v1 import usage_pb2

from tests.stress.sent_events import Book, SentBatch, SentEvent

STREAM_USAGE = "/drawdown.v1.UsageService/StreamUsage"
Call: TypeAlias = "grpc.aio.StreamStreamCall[bytes, bytes]"

WINDOW = 6
"""Batches a client lets fly unanswered."""


class UsageStream:
    """One client: sends its unanswered batches again first, then fresh ones, until it is cut off."""

    def __init__(self, number: int, make: Callable[[], SentBatch], book: Book) -> None:
        self.number = number
        self.make = make
        self.book = book
        self.unanswered: deque[SentBatch] = deque()
        self.answered_batches = 0

    async def run(self, target: str, *, fresh: bool = True) -> None:
        """Stream until the server is gone (or, without fresh batches, until all are answered)."""
        window = asyncio.Semaphore(WINDOW)
        async with grpc.aio.insecure_channel(target) as channel:
            call = channel.stream_stream(STREAM_USAGE)()
            writing = asyncio.create_task(self._write(call, window, fresh))
            with contextlib.suppress(grpc.aio.AioRpcError):
                while (ack := await call.read()) is not grpc.aio.EOF:
                    batch = self.unanswered.popleft()
                    self.book.answered(batch, usage_pb2.UsageAck.FromString(ack))
                    self.answered_batches += 1
                    window.release()
            writing.cancel()
            await asyncio.wait([writing])
        if not fresh and self.unanswered:
            left = len(self.unanswered)
            self.book.wrong.append(f"stream {self.number}: ended with {left} unanswered batches")

    async def _write(self, call: Call, window: asyncio.Semaphore, fresh: bool) -> None:
        """What was never answered, in order, then fresh batches; a broken stream ends it."""
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for batch in list(self.unanswered):
                await window.acquire()
                await self._send(call, batch)
            while fresh:
                await window.acquire()
                self.unanswered.append(self.make())
                await self._send(call, self.unanswered[-1])
            await call.done_writing()

    @staticmethod
    async def _send(call: Call, batch: SentBatch) -> None:
        batch.sendings += 1
        await call.write(batch.message())


async def repeat(target: str, batches: list[SentBatch], book: Book) -> None:
    """Send batches of applied events once more and have the book judge every answer."""
    sent: deque[SentBatch] = deque()

    async def write(call: Call) -> None:
        for batch in batches:
            await window.acquire()
            sent.append(batch)
            await call.write(batch.message())
        await call.done_writing()

    window = asyncio.Semaphore(WINDOW)
    async with grpc.aio.insecure_channel(target) as channel:
        call = channel.stream_stream(STREAM_USAGE)()
        writing = asyncio.create_task(write(call))
        while (ack := await call.read()) is not grpc.aio.EOF:
            book.repeated(sent.popleft(), usage_pb2.UsageAck.FromString(ack))
            window.release()
        await writing
    if sent:
        book.wrong.append(f"{len(sent)} repeated batches were never answered")


class EventMaker:
    """Fresh events by seed: few accounts, so that some run dry, and times as a client would stamp."""

    def __init__(self, accounts: list[str], prices: dict[str, int], seed: int, batch_events: int) -> None:
        self.random = random.Random(seed)
        self.accounts = accounts
        self.prices = prices
        self.batch_events = batch_events
        self.seed = seed
        self.events = 0
        self.batches = 0

    def batch(self) -> SentBatch:
        self.batches += 1
        return SentBatch(self.batches, [self._event() for _ in range(self.batch_events)])

    def _event(self) -> SentEvent:
        self.events += 1
        meter = self.random.choice(sorted(self.prices))
        quantity = self.random.choice([0, 1, 1, 2, 7, 40])
        return SentEvent(
            event_id=f"crash-{self.seed}-{self.events}",
            account=self.random.choice(self.accounts),
            meter=meter,
            quantity=quantity,
            time_us=time.time_ns() // 1_000,
            charge=quantity * self.prices[meter],
        )
