"""When a delivery that failed is tried again, and when it is parked. Pure."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

SECOND: Final = 1_000_000
_HOUR = 3_600


class RetrySchedule(msgspec.Struct, frozen=True):
    """Seconds between one attempt and the next; after the last the delivery is parked."""

    delays_s: tuple[int, ...] = (
        5,
        5 * 60,
        30 * 60,
        2 * _HOUR,
        5 * _HOUR,
        10 * _HOUR,
        14 * _HOUR,
        20 * _HOUR,
        24 * _HOUR,
    )
    retry_after_max_s: int = 24 * _HOUR


def next_attempt(
    schedule: RetrySchedule, delivery_id: str, attempts: int, now_us: int, retry_after_s: int | None = None
) -> int | None:
    """Instant of the next attempt after ``attempts`` failed ones, or ``None``: park it.

    Up to a tenth is added, out of the delivery's id and the attempt, so that deliveries that failed
    together do not all come back together and a test can know when. A receiver's ``Retry-After`` may
    lengthen the wait, never shorten it.
    """
    if attempts > len(schedule.delays_s):
        return None
    delay_us = schedule.delays_s[attempts - 1] * SECOND
    drawn = hashlib.blake2b(f"{delivery_id}/{attempts}".encode(), digest_size=8).digest()
    delay_us += delay_us * (int.from_bytes(drawn, "big") % 1000) // 10_000
    if retry_after_s is not None:
        delay_us = max(delay_us, min(retry_after_s, schedule.retry_after_max_s) * SECOND)
    return now_us + delay_us
