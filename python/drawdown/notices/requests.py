"""Calls on the feed of notices."""

from datetime import datetime

from drawdown.model.request import Request, Value


class FeedNotice(Value, frozen=True):
    """One notice as the feed lists it."""

    notice_id: str
    """Stable over every delivery: the receiver's idempotency key."""
    account: str
    sequence: int
    """1, 2, 3 … per account, without gaps."""
    kind: str
    at: datetime
    """When it was stored, in real time also where the account has a clock of its own."""
    data: dict[str, str] = {}
    cursor: int = 0
    """Ask for what lies ``after`` this to go on behind it."""


class NoticePage(Value, frozen=True):
    """Notices in the order in which they were stored, and where the next page begins."""

    notices: tuple[FeedNotice, ...] = ()
    next: int = 0
    """Ask for what lies ``after`` this; with no notice, the cursor that was given."""
    more: bool = False


class ListNotices(Request, frozen=True):
    """What changed, oldest first. The feed is the truth; webhooks only carry it."""

    rpc = "NoticeService/ListNotices"
    right = "read"
    answer = NoticePage
    account: str = ""
    """Empty: every account that the caller may see."""
    kinds: tuple[str, ...] = ()
    """Kinds like balance.low, families like balance.*; none: all."""
    after: int = 0
    limit: int = 100
