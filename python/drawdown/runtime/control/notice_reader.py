"""Reading the feed on and on: one reader's place in it, moved past what does not concern the reader."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from drawdown.notices.requests import ListNotices, NoticePage
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.notice_calls import check_asked, list_notices
from drawdown.runtime.control.step import Step

PAGE: int = 200


class NoticeReader:
    """One reader, for one thread at a time. Each read is a transaction of its own."""

    def __init__(
        self,
        plane: ControlPlane,
        *,
        account: str = "",
        kinds: Iterable[str] = (),
        after: int | None = None,
        account_prefix: str = "",
    ) -> None:
        """Behind the cursor ``after``; absent: behind what is stored now, as the first read finds it.

        Raises ``InvalidRequestError`` naming the field.
        """
        self._plane = plane
        self._account_prefix = account_prefix
        self._from_now_on = after is None
        self._asked = ListNotices(account=account, kinds=tuple(kinds), after=after or 0, limit=PAGE)
        check_asked(self._asked)

    @property
    def cursor(self) -> int:
        """Behind what the last read found."""
        return self._asked.after

    def read(self) -> NoticePage:
        """What came since the last read, a page at most; ``next`` is where the reader stands now."""
        with self._plane.sql.transaction() as work:
            if self._from_now_on:
                self._from_now_on = False
                page = NoticePage(next=work.notices.last_row())
            else:
                page = list_notices(Step(self._plane, work, account_prefix=self._account_prefix), self._asked)
        self._asked = msgspec.structs.replace(self._asked, after=page.next)
        return page
