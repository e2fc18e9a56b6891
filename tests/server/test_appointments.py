"""Those who are refused come back one after the other, as fast as they can be served."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import pytest
from drawdown import errors
from drawdown.server.appointments import LATEST_S, OVERBOOKED, SOONEST_S, STEP_S, Appointments
from drawdown.server.call_queue import QUEUE_S
from drawdown.server.status import RETRY_AFTER_S, details_of
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

WORK_S = 0.006


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_appointments_lie_one_behind_the_other() -> None:
    clock = Clock()
    given = Appointments(clock)
    first = [given.next_s(0.12) for _ in range(5)]
    assert first == pytest.approx([SOONEST_S + 0.12 / OVERBOOKED * (at + 1) for at in range(5)], abs=STEP_S)
    clock.now += 0.3
    assert given.next_s(0.12) == pytest.approx(first[-1] + 0.12 / OVERBOOKED - 0.3, abs=STEP_S)


def test_nobody_waits_for_longer_than_the_latest_or_shorter_than_the_soonest() -> None:
    clock = Clock()
    given = Appointments(clock)
    found = [given.next_s(0.05) for _ in range(200)]
    assert max(found) == pytest.approx(LATEST_S)
    clock.now += 60
    # What was never kept is forgotten.
    assert given.next_s(0.0) == pytest.approx(SOONEST_S, abs=STEP_S)
    # So few different refusals that each is encoded once.
    assert len({round(each, 6) for each in found}) <= LATEST_S / STEP_S


def refusals_per_call(callers: int, pause_of: Callable[[Appointments], float]) -> float:
    """Of so many callers that send again as soon as they are served, and pause where they are refused."""
    clock = Clock()
    given = Appointments(clock)
    events = [(clock.now + number * 1e-4, number) for number in range(callers)]
    ends = clock.now + 30
    free_at, done, refused = clock.now, 0, 0
    while (event := heapq.heappop(events))[0] < ends:
        clock.now, number = event
        if max(0.0, free_at - clock.now) <= QUEUE_S:
            done += 1
            free_at = max(free_at, clock.now) + WORK_S
            heapq.heappush(events, (free_at, number))
        else:
            refused += 1
            heapq.heappush(events, (clock.now + pause_of(given), number))
    # The server is never without work.
    assert done == pytest.approx(30 / WORK_S, rel=0.05)
    return refused / done


@pytest.mark.parametrize("callers", [32, 128, 256])
def test_four_times_the_callers_do_not_bring_four_times_the_refusals(callers: int) -> None:
    fixed = refusals_per_call(callers, lambda given: SOONEST_S)
    appointed = refusals_per_call(callers, lambda given: given.next_s(WORK_S))
    assert appointed <= min(fixed, 1.5)


def test_a_refusal_says_when_to_come_back() -> None:
    def told_s(refused: errors.DrawdownError) -> float | None:
        status = status_pb2.Status.FromString(details_of(refused))
        for each in status.details:
            hint = error_details_pb2.RetryInfo()
            if each.Unpack(hint):
                delay: Duration = hint.retry_delay
                return delay.ToTimedelta().total_seconds()
        return None

    refused = errors.OverloadedError("too much")
    assert told_s(refused) == RETRY_AFTER_S
    refused.retry_after_s = 0.74
    assert told_s(refused) == 0.74
    assert told_s(errors.InvalidRequestError("no")) is None
