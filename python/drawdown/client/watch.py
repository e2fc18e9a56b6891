"""Watches: the present state first, then each change, for as long as one goes on reading.

A watch over gRPC that breaks is opened again by itself; what it then tells anew is compared with what
was told before, so a reader sees each state once.
"""

from __future__ import annotations

import abc
import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc
import msgspec

from drawdown.client.backoff import Backoff
from drawdown.client.channel import task_is_cancelled
from drawdown.client.rpc_errors import error_of
from drawdown.errors import DrawdownError
from drawdown.model import Balance, EntitlementChange
from drawdown.notices.requests import FeedNotice

TellsT = TypeVar("TellsT", bound=Balance | EntitlementChange)
ToldT = TypeVar("ToldT")

Decode = Callable[[Any], Iterable[TellsT]]
"""What a response tells."""


class News(Generic[TellsT]):
    """What was told last, to pass on only what differs from it. Journal positions do not count."""

    def __init__(self) -> None:
        self._told: dict[Any, Any] = {}

    def remember(self, tells: TellsT) -> bool:
        """Afterwards this is what was told last; true where it was not already."""
        key, state = _key_and_state(tells)
        if self._told.get(key) == state:
            return False
        self._told[key] = state
        return True


def _key_and_state(tells: Balance | EntitlementChange) -> tuple[Any, Any]:
    if isinstance(tells, Balance):
        return (tells.account, tells.credit_type), msgspec.structs.replace(tells, seq=0)
    return tells.index, msgspec.structs.replace(tells.check, seq=0)


class Watch(abc.ABC, Iterator[ToldT]):
    """Iterate over it, from one thread; close it from any, which ends the iteration."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the watch. A second call changes nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class NoticeWatch(Watch[FeedNotice]):
    """A watch of notices, that says where it stands."""

    @property
    @abc.abstractmethod
    def cursor(self) -> int:
        """Where to go on after another start: behind what was handed out, past what did not concern it."""


class StreamWatch(Watch[TellsT]):
    """A watch over gRPC."""

    def __init__(self, open_stream: Callable[[], Any], decode: Decode[TellsT]) -> None:
        self._open_stream = open_stream
        self._decode = decode
        self._news: News[TellsT] = News()
        self._waiting: deque[TellsT] = deque()
        self._backoff = Backoff(delay_s_max=2.0)
        self._call: Any = None
        self._closed = False

    def __next__(self) -> TellsT:
        while not self._waiting:
            if self._closed:
                raise StopIteration
            self._read()
        return self._waiting.popleft()

    def _read(self) -> None:
        try:
            if self._call is None:
                self._call = self._open_stream()
            if self._closed:
                # It came while the call was being opened, and found none to cancel.
                self._call.cancel()
            response = next(self._call, None)
            if response is not None:
                self._backoff.reset()
                # It may have to read the catalog for that.
                told = list(self._decode(response))
                self._waiting.extend(tells for tells in told if self._news.remember(tells))
                return
        except grpc.RpcError as failure:
            error = error_of(failure)
            if not self._closed and not error.retryable:
                self._end_call()
                raise error from failure
        except DrawdownError as error:
            if not error.retryable:
                raise
        # It ended, broke or cannot be read now: ask again, so that nothing is missed.
        self._end_call()
        if not self._closed:
            time.sleep(self._backoff.next_s())

    def _end_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def close(self) -> None:
        """End the watch. A second call changes nothing."""
        self._closed = True
        call = self._call
        if call is not None:
            call.cancel()


async def stream_watch(
    open_stream: Callable[[], Any],
    decode: Decode[TellsT],
    before_decode: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[TellsT]:
    """The same for asyncio: end it by leaving the loop over it, or by ``aclose()``."""
    news: News[TellsT] = News()
    backoff = Backoff(delay_s_max=2.0)
    while True:
        call = open_stream()
        try:
            async for response in call:
                backoff.reset()
                if before_decode is not None:
                    await before_decode()
                for tells in decode(response):
                    if news.remember(tells):
                        yield tells
        except grpc.RpcError as failure:
            error = error_of(failure)
            if not error.retryable:
                raise error from failure
        except DrawdownError as error:
            if not error.retryable:
                raise
        except asyncio.CancelledError:
            if task_is_cancelled():
                raise
        finally:
            call.cancel()
        await asyncio.sleep(backoff.next_s())
