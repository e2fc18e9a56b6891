"""Reading the feed of notices."""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.errors import InvalidRequestError
from drawdown.notices.notice import KINDS, Notice, check_patterns, matches
from drawdown.notices.requests import FeedNotice, ListNotices, NoticePage
from drawdown.runtime.control.registry import handles
from drawdown.runtime.control.step import Step


@handles(ListNotices)
def list_notices(step: Step, request: ListNotices) -> NoticePage:
    """A page; the same cursor answers the same page and what came since."""
    check_asked(request)
    if request.account and not step.sees(request.account):
        return NoticePage(next=request.after)
    patterns = request.kinds
    limit = min(max(request.limit, 1), 1_000)
    found = step.work.notices.after(
        request.after,
        limit + 1,
        account=request.account,
        account_prefix=step.account_prefix,
        kinds=[kind for kind in KINDS if matches(kind, patterns)] if patterns else None,
    )
    page = found[:limit]
    return NoticePage(
        notices=tuple(_shown(row, notice) for row, notice in page),
        next=page[-1][0] if page else request.after,
        more=len(found) > limit,
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
