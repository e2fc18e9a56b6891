"""Notices: what changed, told to whoever asked, by signed webhooks and a feed that is the truth.

The kinds and shapes are in ``notice``, where a webhook may go in ``address``, its bytes and signature
in ``webhook``, the way out in ``sender``, and when to try again in ``retry``. Which change makes which
notice is decided where the change is; notices are stored with it in one transaction.
"""

from drawdown.notices.address import AddressPolicy
from drawdown.notices.notice import KINDS, Notice, matches
from drawdown.notices.retry import RetrySchedule, next_attempt
from drawdown.notices.sender import Delivery, WebhookSender
from drawdown.notices.webhook import new_secret, signed_request, verify

__all__ = [
    "KINDS",
    "AddressPolicy",
    "Delivery",
    "Notice",
    "RetrySchedule",
    "WebhookSender",
    "matches",
    "new_secret",
    "next_attempt",
    "signed_request",
    "verify",
]
