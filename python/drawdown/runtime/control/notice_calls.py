"""Reading the feed of notices."""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.errors import InvalidRequestError, PreconditionError
from drawdown.notices.notice import KINDS, Notice, check_patterns, matches
from drawdown.notices.requests import FeedNotice, ListNotices, NoticePage
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step
from drawdown.storage.sql.finished import NOTICES_FORGOTTEN


@handles(ListNotices)
def list_notices(step: Step, request: ListNotices) -> NoticePage:
    """A page; the same cursor answers the same page and what came since.

    Behind what is kept there is nothing to go on from: whoever read up to there may have missed something.
    """
    check_asked(request)
    forgotten = step.work.series.cursor(NOTICES_FORGOTTEN)
    if 0 < request.after < forgotten:
        raise PreconditionError(
            f"after: notices up to cursor {forgotten} are not kept any more (setting notice_retention_s), "
            "some may have been missed: read how things stand, then go on from that cursor",
            reason="CURSOR_FORGOTTEN",
            field="after",
        )
    last = step.work.notices.last_row()
    if request.after > last:
        raise InvalidRequestError(
            f"after: the feed ends at cursor {last}; give 0, or the 'next' of a page of this feed",
            field="after",
        )
    patterns = request.kinds
    limit = min(max(request.limit, 1), 1_000)
    # An account of somebody else has nothing to tell, in every field of the page, like one that is not there.
    found = (
        []
        if request.account and not step.sees(request.account)
        else step.work.notices.after(
            request.after,
            limit + 1,
            account=request.account,
            account_prefix=step.account_prefix,
            kinds=[kind for kind in KINDS if matches(kind, patterns)] if patterns else None,
        )
    )
    page = found[:limit]
    more = len(found) > limit
    return NoticePage(
        notices=tuple(_shown(row, notice) for row, notice in page),
        # Those of others are passed over, so that a reader who comes regularly never stands too far back.
        next=page[-1][0] if more else last,
        more=more,
    )


def check_asked(request: ListNotices) -> None:
    """Raises ``InvalidRequestError`` naming the field."""
    if request.after < 0:
        raise InvalidRequestError("after: 0, or the 'next' of a page", field="after")
    check_patterns(request.kinds)


def _shown(row: int, notice: Notice) -> FeedNotice:
    return FeedNotice(
        notice_id=notice.notice_id,
        account=notice.account,
        sequence=notice.sequence,
        kind=notice.kind,
        at=notice.at,
        data={name: _text(value) for name, value in notice.data.items()},
        cursor=row,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
