"""A webhook endpoint, its secrets, and what becomes of one notice on its way there. Pure.

::

    pending ──→ delivered
       │  ↺ again later (retry)
       └──→ parked ──→ pending   by Redeliver
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from drawdown.errors import PreconditionError
from drawdown.model.instants import instant_from_us, us_from_instant
from drawdown.model.request import Value
from drawdown.notices.notice import Notice, matches
from drawdown.notices.retry import RetrySchedule, next_attempt
from drawdown.notices.sender import Delivery

STATES: Final = ("pending", "delivered", "parked")
# Each signs every delivery: as many as somebody who repeats a lost rotation may need.
SECRETS_MAX: Final = 8


class WebhookEndpoint(Value, frozen=True):
    """Where notices go."""

    endpoint_id: str
    url: str
    created_at: datetime
    kinds: tuple[str, ...] = ()
    """Kinds and families that it wants; none: all."""
    account_prefix: str = ""
    """Only notices of accounts that begin so."""
    enabled: bool = True
    """While it is not, its notices are not kept for it; the feed has them."""
    secret: str = ""
    """What receivers verify with; shown when it is made or rotated, and never again."""


class EarlierSecret(Value, frozen=True):
    """One that receivers may still verify with."""

    secret: str
    until: datetime


class HeldEndpoint(Value, frozen=True):
    """The endpoint as it is stored, with its secrets."""

    endpoint: WebhookEndpoint
    secret: str
    previous_secret: str = ""
    previous_until: datetime | None = None
    earlier: tuple[EarlierSecret, ...] = ()
    """Those before the previous one, the latest first."""

    def secrets_at(self, at: datetime) -> tuple[str, ...]:
        """Those in force: the present one, then those before it whose overlap is not over."""
        return self.secret, *(each.secret for each in self.ending_at(at))

    def ending_at(self, at: datetime) -> tuple[EarlierSecret, ...]:
        """Those before the present one that are in force, the latest first."""
        known = self.earlier
        if self.previous_until is not None:
            known = (EarlierSecret(self.previous_secret, self.previous_until), *known)
        return tuple(each for each in known if at < each.until)

    def wants(self, notice: Notice) -> bool:
        """Whether the notice goes here."""
        return (
            self.endpoint.enabled
            and notice.account.startswith(self.endpoint.account_prefix)
            and matches(notice.kind, self.endpoint.kinds)
        )


def rotated(held: HeldEndpoint, secret: str, at: datetime, overlap_s: int) -> HeldEndpoint:
    """With a new secret; those in force sign as well, none for longer than ``overlap_s``.

    The present one again changes nothing. Raises ``PreconditionError`` while so many are in force that one
    more would have to cut off another.
    """
    if secret == held.secret:
        return held
    until = at + timedelta(seconds=overlap_s)
    ending = [each for each in held.ending_at(at) if each.secret != secret and overlap_s]
    if len(ending) + 2 > SECRETS_MAX:
        first = min(each.until for each in ending)
        raise PreconditionError(
            f"endpoint {held.endpoint.endpoint_id!r} has {len(ending) + 1} secrets in force already; wait "
            f"until {first.isoformat(timespec='seconds')}, or end all but the new one with overlap_s 0",
            reason="SECRET_ROTATING",
        )
    return msgspec.structs.replace(
        held,
        secret=secret,
        previous_secret=held.secret,
        previous_until=until,
        earlier=tuple(EarlierSecret(each.secret, min(each.until, until)) for each in ending),
    )


class WebhookDelivery(Value, frozen=True):
    """One notice on its way to one endpoint."""

    endpoint_id: str
    notice_id: str
    account: str
    kind: str
    next_attempt_at: datetime
    """Of a pending one."""
    state: str = "pending"
    attempts: int = 0
    """Since it was made or redelivered."""
    status: int = 0
    """HTTP status of the last attempt; 0: there was no answer."""
    error: str = ""
    changed_at: datetime | None = None

    @property
    def delivery_id(self) -> str:
        """One per endpoint and notice."""
        return f"{self.endpoint_id}/{self.notice_id}"


def after_attempt(
    delivery: WebhookDelivery, outcome: Delivery, at: datetime, schedule: RetrySchedule
) -> WebhookDelivery:
    """The delivery after one more attempt: there, to be tried again, or parked."""
    attempts = delivery.attempts + 1
    tried = msgspec.structs.replace(
        delivery, attempts=attempts, status=outcome.status or 0, error=outcome.error, changed_at=at
    )
    if outcome.delivered:
        return msgspec.structs.replace(tried, state="delivered")
    following = None
    if not outcome.is_final:
        following = next_attempt(
            schedule, delivery.delivery_id, attempts, us_from_instant(at), outcome.retry_after_s
        )
    if following is None:
        return msgspec.structs.replace(tried, state="parked")
    return msgspec.structs.replace(tried, next_attempt_at=instant_from_us(following))
