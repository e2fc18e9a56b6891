"""The way of notices to webhook endpoints: spread over those that want them, sent, tried again, parked.

The cursor over the feed moves in the same transaction that puts the deliveries down, so after a crash
none is missing. An endpoint has one sender at a time, for a turn; then it is the others' turn. One that was
slow has senders that are not theirs (``endpoint_standing.py``): who hangs holds up nobody that does not.
A crash between the answer and its note sends the notice again, under the same id: at least once.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from drawdown import errors
from drawdown.model.instants import instant_from_us
from drawdown.notices.endpoint import HeldEndpoint, WebhookDelivery, after_attempt
from drawdown.notices.notice import Notice
from drawdown.notices.retry import RetrySchedule
from drawdown.notices.sender import Delivery, WebhookSender
from drawdown.notices.webhook import signed_request
from drawdown.runtime.background import Background
from drawdown.runtime.control.control_plane import ControlPlane
from drawdown.runtime.control.endpoint_standing import EndpointStanding
from drawdown.storage.sql.wakes import DELIVERIES, NOTICES

_log = logging.getLogger("drawdown.control")

CURSOR: Final = "webhooks"
NOTICES_AT_ONCE: Final = 256
SENDERS: Final = 16
# Of endpoints that were slow lately.
SLOW_SENDERS: Final = 8
# An endpoint is sent to for so long, and the attempt that is under way; then come those that wait.
TURN_S: Final = 1.0
# Commits and due attempts wake it; a look all the same, should a clock have been set.
LOOK_S_MAX: Final = 10.0
FAULT_PAUSE_S: Final = 1.0


class Webhooks:
    """``background`` spreads and starts senders; ``stop`` waits for those that are under way."""

    def __init__(self, plane: ControlPlane, *, schedule: RetrySchedule | None = None) -> None:
        self._plane = plane
        self._schedule = schedule or RetrySchedule()
        self._sender = WebhookSender(plane.webhook_policy)
        self._standing = EndpointStanding()
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="webhook")
        self._slow_senders = ThreadPoolExecutor(SLOW_SENDERS, thread_name_prefix="slow-webhook")
        self._sending: set[str] = set()
        self._guard = threading.Lock()
        self.background = Background("webhooks", self.step, fault_pause_s=FAULT_PAUSE_S, clock=plane.now_us)
        for topic in (NOTICES, DELIVERIES):
            plane.sql.wakes.add(topic, self.background.wake_by)

    def stop(self) -> None:
        """End after the attempts that are under way."""
        for topic in (NOTICES, DELIVERIES):
            self._plane.sql.wakes.discard(topic, self.background.wake_by)
        self.background.stop()
        self._senders.shutdown()
        self._slow_senders.shutdown()

    def step(self) -> float:
        """Spread what is new and see that what is due is sent; answers the pause until the next look."""
        spread = self._spread()
        now_us = self._plane.now_us()
        now = instant_from_us(now_us)
        with self._plane.sql.transaction() as work:
            due = work.webhooks.endpoints_due(now)
            following = work.webhooks.next_attempt_us(now)
        # Before it is looked at who rests: whose rest ends meanwhile is not slept over.
        rest_s = self._standing.next_end_s()
        for endpoint_id in due:
            self._begin(endpoint_id)
        if spread == NOTICES_AT_ONCE:
            return 0.0
        pause = LOOK_S_MAX if following is None else (following - now_us) / 1e6
        return min(pause, rest_s, LOOK_S_MAX)

    def _spread(self) -> int:
        with self._plane.sql.transaction() as work:
            cursor = work.series.cursor(CURSOR)
            found = work.notices.after(cursor, NOTICES_AT_ONCE)
            if not found:
                return 0
            endpoints = work.webhooks.endpoints.find()
            now = _instant(self._plane)
            for _, notice in found:
                for held in endpoints:
                    if held.wants(notice) and notice.at >= held.endpoint.created_at:
                        work.webhooks.send(new_delivery(held, notice, now))
            work.series.move_cursor(CURSOR, found[-1][0])
            return len(found)

    def _begin(self, endpoint_id: str) -> None:
        if self._standing.rests(endpoint_id):
            return
        with self._guard:
            if endpoint_id in self._sending:
                return
            self._sending.add(endpoint_id)
        senders = self._slow_senders if self._standing.is_slow(endpoint_id) else self._senders
        senders.submit(self._take_turn, endpoint_id)

    def _take_turn(self, endpoint_id: str) -> None:
        until = time.monotonic() + TURN_S
        try:
            while not self.background.stopping and time.monotonic() < until and self._send_one(endpoint_id):
                pass
        except errors.UnavailableError:
            # The database is away; the next look begins anew.
            self.background.pause(FAULT_PAUSE_S)
        except Exception:
            # Nobody waits for this thread's answer; rest, so that a fault that stays is no loop.
            _log.exception("a webhook could not be sent", extra={"endpoint": endpoint_id})
            self.background.pause(FAULT_PAUSE_S)
        finally:
            with self._guard:
                self._sending.discard(endpoint_id)
            # What is due still, or fell due after this sender's last look, is for another turn.
            self.background.wake()

    def _send_one(self, endpoint_id: str) -> bool:
        with self._plane.sql.transaction() as work:
            delivery = work.webhooks.first_due(endpoint_id, _instant(self._plane))
            held = work.webhooks.endpoints.get(endpoint_id=endpoint_id)
            found = None if delivery is None else work.notices.get(delivery.notice_id)
        if delivery is None or held is None or found is None:
            return False
        began = time.monotonic()
        outcome = self._attempt(held, found[1])
        self._standing.note(endpoint_id, time.monotonic() - began, delivered=outcome.delivered)
        with self._plane.sql.transaction() as work:
            known = work.webhooks.deliveries.get(endpoint_id=endpoint_id, notice_id=delivery.notice_id)
            held_now = work.webhooks.endpoints.get(endpoint_id=endpoint_id)
            tried = after_attempt(delivery, outcome, _instant(self._plane), self._schedule)
            # Redelivered meanwhile it begins anew, and another URL has not been tried: it stays due.
            if known == delivery and (tried.state != "parked" or _goes_the_same_way(held, held_now)):
                work.webhooks.send(tried)
        return True

    def _attempt(self, held: HeldEndpoint, notice: Notice) -> Delivery:
        if not held.endpoint.enabled:
            return Delivery(delivered=False, error="the endpoint is disabled", is_final=True)
        now = _instant(self._plane)
        body, headers = signed_request(notice, held.secrets_at(now), now)
        return self._sender.post(held.endpoint.url, body, headers)


def new_delivery(held: HeldEndpoint, notice: Notice, now: datetime) -> WebhookDelivery:
    """To be sent at once."""
    return WebhookDelivery(
        endpoint_id=held.endpoint.endpoint_id,
        notice_id=notice.notice_id,
        account=notice.account,
        kind=notice.kind,
        next_attempt_at=now,
        changed_at=now,
    )


def _goes_the_same_way(one: HeldEndpoint, other: HeldEndpoint | None) -> bool:
    if other is None:
        return False
    return (one.endpoint.url, one.endpoint.enabled) == (other.endpoint.url, other.endpoint.enabled)


def _instant(plane: ControlPlane) -> datetime:
    return instant_from_us(plane.now_us())
