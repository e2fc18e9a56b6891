"""Notices over gRPC as they are stored: a stream that is opened again behind the last one told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc

from drawdown.client.backoff import Backoff
from drawdown.client.channel import task_is_cancelled
from drawdown.client.rpc_errors import error_of
from drawdown.client.watch import NoticeWatch
from drawdown.errors import InvalidRequestError, UnavailableError
from drawdown.messages import value_from
from drawdown.notices.notice import check_patterns
from drawdown.notices.requests import FeedNotice, NoticePage
from drawdown.v1 import notice_pb2

Open = Callable[[notice_pb2.WatchNoticesRequest], Any]


def notices_request(account: str, kinds: Iterable[str], after: int | None) -> notice_pb2.WatchNoticesRequest:
    """The message for ``WatchNotices``. Raises ``InvalidRequestError``."""
    if after is not None and after < 0:
        raise InvalidRequestError("after: 0, or the 'cursor' of a notice", field="after")
    return notice_pb2.WatchNoticesRequest(account=account, kinds=check_patterns(kinds), after=after)


class NoticeStream(NoticeWatch):
    """Iterate over it, from one thread; close it from any."""

    def __init__(
        self, open_stream: Open, request: notice_pb2.WatchNoticesRequest, *, timeout_s: float
    ) -> None:
        """Without a cursor it begins before this returns. Raises ``UnavailableError`` after ``timeout_s``."""
        self._open_stream = open_stream
        self._request = request
        self._waiting: deque[FeedNotice] = deque()
        self._backoff = Backoff(delay_s_max=2.0)
        self._closed = False
        self._call: Any = None
        # "From now on" is now, and not when somebody first asks.
        if not request.HasField("after"):
            self._begin(timeout_s)

    def _begin(self, timeout_s: float) -> None:
        # Also where a read waits for a server that took the call and says nothing.
        end = threading.Timer(timeout_s, self.close)
        end.daemon = True
        end.start()
        try:
            while not self._closed and not self._request.HasField("after"):
                self._read()
        finally:
            end.cancel()
            # It may be closing just now.
            end.join()
        if self._closed:
            raise UnavailableError(f"the watch did not begin within {timeout_s} s; try again")

    def __next__(self) -> FeedNotice:
        while not self._waiting:
            if self._closed:
                raise StopIteration
            self._read()
        return self._waiting.popleft()

    @property
    def cursor(self) -> int:
        """See ``NoticeWatch``."""
        return self._waiting[0].cursor - 1 if self._waiting else int(self._request.after)

    def _read(self) -> None:
        try:
            if self._call is None:
                self._call = self._open_stream(self._request)
            if self._closed:
                # It came while the call was being opened, and found none to cancel.
                self._call.cancel()
            response = next(self._call, None)
        except grpc.RpcError as failure:
            self._call = None
            error = error_of(failure)
            if self._closed:
                return
            if not error.retryable:
                raise error from failure
            response = None
        if response is None:
            # It ended, or broke: go on behind what was told.
            self._call = None
            if not self._closed:
                time.sleep(self._backoff.next_s())
            return
        self._backoff.reset()
        self._request.after = response.next
        self._waiting.extend(value_from(response, NoticePage).notices)

    def close(self) -> None:
        """End the watch. A second call changes nothing."""
        self._closed = True
        call = self._call
        if call is not None:
            call.cancel()


def notice_stream(open_stream: Open, request: notice_pb2.WatchNoticesRequest) -> AsyncIterator[FeedNotice]:
    """The same for asyncio: end it by leaving the loop over it, or by ``aclose()``."""
    return _notices(open_stream, request, open_stream(request))


async def _notices(
    open_stream: Open, request: notice_pb2.WatchNoticesRequest, call: Any
) -> AsyncIterator[FeedNotice]:
    backoff = Backoff(delay_s_max=2.0)
    while True:
        try:
            async for response in call:
                backoff.reset()
                request.after = response.next
                for notice in value_from(response, NoticePage).notices:
                    yield notice
        except grpc.RpcError as failure:
            error = error_of(failure)
            if not error.retryable:
                raise error from failure
        except asyncio.CancelledError:
            if task_is_cancelled():
                raise
        finally:
            call.cancel()
        await asyncio.sleep(backoff.next_s())
        call = open_stream(request)
