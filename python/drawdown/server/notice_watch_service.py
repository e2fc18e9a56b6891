"""WatchNotices: notices behind a cursor, then each as it is stored, pushed by the commit that stored it.

One coroutine per stream; the database is read in a few threads of their own. A stream that is slow to
read holds a page at most: what comes meanwhile waits in the feed.
"""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc

from drawdown import errors
from drawdown.messages import fill
from drawdown.model.ids import check_id
from drawdown.notices.requests import NoticePage
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.notice_reader import NoticeReader
from drawdown.server import status
from drawdown.server.access import Access, Principal, Right
from drawdown.server.context import Context, Handler
from drawdown.server.typed import parsed_to_keep
from drawdown.server.usage_service import draining
from drawdown.storage.sql.wakes import NOTICES
from drawdown.v1 import notice_pb2

WATCHES_MAX: Final = 1_000
THREADS: Final = 2
# The first goes out at once; those that follow it within this are sent together.
PAUSE_S: Final = 0.002
# A stream on which nothing happens looks whether its key still holds.
LOOK_S_MAX: Final = 60.0
# Of what does not concern it a stream hears how far the feed is, so seldom or after so many notices: its
# client comes back to where it was told to stand, and was not away.
PLACE_S: Final = 60.0
PLACE_ROWS: Final = 1_000


class NoticeWatchService:
    """The stream of notices, on the event loop."""

    def __init__(self, plane: ControlPlane, access: Access, loop: asyncio.AbstractEventLoop) -> None:
        self._plane = plane
        self._access = access
        self._loop = loop
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="notice-watch")
        self._woken: set[asyncio.Event] = set()
        self._draining = False
        self.sent = 0
        plane.sql.wakes.add(NOTICES, self._stored)

    @property
    def open_watches(self) -> int:
        return len(self._woken)

    def handlers(self) -> tuple[str, dict[str, Handler]]:
        """Handlers of the service."""
        return (
            "drawdown.v1.NoticeService",
            {"WatchNotices": grpc.unary_stream_rpc_method_handler(self.watch_notices)},
        )

    def _stored(self, _: int) -> None:
        if self._woken:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for woken in self._woken:
            woken.set()

    async def watch_notices(self, body: bytes, context: Context) -> None:
        """``WatchNotices``."""
        woken = asyncio.Event()
        try:
            principal = self._access.principal(context, Right.READ, "NoticeService/WatchNotices")
            if self._draining:
                raise draining()
            if len(self._woken) >= WATCHES_MAX:
                raise errors.OverloadedError(f"{WATCHES_MAX} watches of notices are open already")
            request = parsed_to_keep(notice_pb2.WatchNoticesRequest, body)
            reader = NoticeReader(
                self._plane,
                account=check_id(request.account, "account") if request.account else "",
                kinds=request.kinds,
                after=request.after if request.HasField("after") else None,
                account_prefix=principal.account_prefix,
            )
            self._woken.add(woken)
            await self._push(context, principal, reader, woken)
        except errors.DrawdownError as raised:
            await status.abort(context, raised)
        finally:
            self._woken.discard(woken)

    async def _push(
        self, context: Context, principal: Principal, reader: NoticeReader, woken: asyncio.Event
    ) -> None:
        told, told_at, place = -1, 0.0, -1
        while not self._draining:
            # A revoked key sees nothing more, however long its stream has been open.
            self._access.require_live(principal)
            woken.clear()
            page = await self._loop.run_in_executor(self._threads, reader.read)
            place = page.next
            is_long_ago = place > told and self._loop.time() - told_at >= PLACE_S
            if told < 0 or page.notices or place - told >= PLACE_ROWS or is_long_ago:
                await self._send(context, page)
                told, told_at = place, self._loop.time()
            if page.more or self._draining:
                continue
            await asyncio.sleep(PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S_MAX):
                    await woken.wait()
        if place > told:
            await self._send(context, NoticePage(next=place))

    async def _send(self, context: Context, page: NoticePage) -> None:
        await context.write(fill(notice_pb2.NoticePage(), page).SerializeToString())
        self.sent += 1

    def drain(self) -> None:
        """End every stream with OK, its place told; its client asks again elsewhere or later, behind that."""
        self._draining = True
        self._wake()

    def close(self) -> None:
        """After the drain."""
        self._plane.sql.wakes.discard(NOTICES, self._stored)
        self._threads.shutdown(wait=True, cancel_futures=True)
