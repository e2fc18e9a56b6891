"""Notices of an embedded database as they are stored: woken by the commit that stored them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from drawdown.client.watch import NoticeWatch
from drawdown.notices.requests import FeedNotice
from drawdown.storage.sql.wakes import NOTICES

if TYPE_CHECKING:
    from drawdown.runtime.control.control_plane import ControlPlane

LOOK_S_MAX: Final = 60.0


class EmbeddedNoticeWatch(NoticeWatch):
    """Reads on when somebody asks for the next notice."""

    def __init__(
        self,
        plane: ControlPlane,
        account: str,
        kinds: Iterable[str],
        after: int | None,
        watches: set[EmbeddedNoticeWatch],
    ) -> None:
        """``watches``: from which it goes when it is closed. Raises ``InvalidRequestError``."""
        from drawdown.runtime.control.notice_reader import NoticeReader

        self._plane = plane
        self._watches = watches
        self._reader = NoticeReader(plane, account=account, kinds=kinds, after=after)
        self._waiting: deque[FeedNotice] = deque(self._reader.read().notices)
        self._woken = threading.Event()
        self._woken.set()
        self._closed = False
        plane.sql.wakes.add(NOTICES, self._wake)

    def _wake(self, _: int) -> None:
        self._woken.set()

    def __next__(self) -> FeedNotice:
        while not self._waiting:
            if self._closed:
                raise StopIteration
            self._woken.wait(LOOK_S_MAX)
            self._woken.clear()
            if self._closed:
                continue
            page = self._reader.read()
            if page.more:
                self._woken.set()
            self._waiting.extend(page.notices)
        return self._waiting.popleft()

    @property
    def cursor(self) -> int:
        """See ``NoticeWatch``."""
        return self._waiting[0].cursor - 1 if self._waiting else self._reader.cursor

    def close(self) -> None:
        """End the watch. A second call changes nothing."""
        if not self._closed:
            self._closed = True
            self._plane.sql.wakes.discard(NOTICES, self._wake)
            self._watches.discard(self)
            self._woken.set()
