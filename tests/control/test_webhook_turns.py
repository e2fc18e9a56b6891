"""Webhook endpoints take turns: who hangs, answers slowly or has much to get holds up nobody else."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.notices import verify
from drawdown.runtime.control.endpoint_standing import REST_FACTOR, SLOW_FOR_S, SLOW_S, EndpointStanding
from drawdown.runtime.control.webhooks import SENDERS

from tests.notices.receiver import Receiver

from .conftest import SMALL, prepare
from .waiting import wait_until

MINE, THEIRS = "a-one", "b-one"
HANGING = SENDERS + 4
# One attempt of 5 s of each that hangs may come first, before anybody knows; all they are due takes minutes.
FIRST_WITHIN_S, THEN_WITHIN_S = 15.0, 8.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a receiver that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(512)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    with drawdown.open(tmp_path / "data", **SMALL, webhook_allow_private=True) as opened:
        prepare(opened)
        opened.create_account(MINE)
        opened.create_account(THEIRS)
        yield opened


def grant(db: Database, account: str, grant_id: str) -> None:
    db.create_grant(account, "credits", amount="1", grant_id=grant_id)


def told_within(db: Database, receiver: Receiver, grant_id: str) -> float:
    """Seconds until the receiver has one more notice, of a grant that is made now."""
    before, began = len(receiver.got), time.monotonic()
    grant(db, MINE, grant_id)
    wait_until(lambda: len(receiver.got) > before)
    return time.monotonic() - began


def test_endpoints_that_hang_hold_up_nobody_else(own: Database, receiver: Receiver, silent: str) -> None:
    """More of them than there are senders, and each has more to get than it takes within the test."""
    for number in range(HANGING):
        own.create_webhook_endpoint(f"dead-{number}", silent, account_prefix="b-")
    own.create_webhook_endpoint("good", receiver.url, kinds=["grant.created"], account_prefix="a-")
    for number in range(12):
        grant(own, THEIRS, f"g{number}")
    wait_until(lambda: own.webhook_deliveries("dead-0").deliveries)
    assert told_within(own, receiver, "first") < FIRST_WITHIN_S
    for number in range(4):
        assert told_within(own, receiver, f"then-{number}") < THEN_WITHIN_S
        time.sleep(1.0)
    # Those that hang are tried all the same.
    wait_until(lambda: all(_attempts(own, f"dead-{number}") for number in range(HANGING)))


def _attempts(db: Database, endpoint_id: str) -> int:
    return sum(each.attempts for each in db.webhook_deliveries(endpoint_id).deliveries)


def test_endpoints_that_answer_slowly_hold_up_nobody_else(own: Database, receiver: Receiver) -> None:
    """Though every answer of theirs is a good one."""
    with Receiver() as slow:
        slow.headers_trickle_s = SLOW_S + 0.5
        slow.answers += [(204, {"x-slow": "1"}, b"")] * 1_000
        for number in range(HANGING):
            own.create_webhook_endpoint(f"slow-{number}", slow.url, account_prefix="b-")
        own.create_webhook_endpoint("good", receiver.url, kinds=["grant.created"], account_prefix="a-")
        for number in range(12):
            grant(own, THEIRS, f"g{number}")
        wait_until(lambda: own.webhook_deliveries("slow-0").deliveries)
        assert told_within(own, receiver, "first") < FIRST_WITHIN_S
        for number in range(4):
            assert told_within(own, receiver, f"then-{number}") < THEN_WITHIN_S
        wait_until(lambda: own.webhook_deliveries("slow-0", state="delivered").deliveries)


def test_what_an_endpoint_gets_over_many_turns_comes_in_order(own: Database, receiver: Receiver) -> None:
    secret = own.create_webhook_endpoint("hook", receiver.url, kinds=["grant.created"]).secret
    receiver.headers_trickle_s = 0.4
    receiver.answers += [(204, {"x-slow": "1"}, b"")] * 8
    for number in range(8):
        grant(own, MINE, f"g{number}")
    wait_until(lambda: len(own.webhook_deliveries("hook", state="delivered").deliveries) == 8)
    told = [
        verify(body, {name.lower(): value for name, value in headers.items()}, secret)["data"]["grant_id"]
        for body, headers in receiver.got
    ]
    assert told == [f"g{number}" for number in range(8)]


def test_an_endpoint_is_slow_for_a_while_and_rests_after_an_attempt_that_came_to_nothing() -> None:
    now = [100.0]
    standing = EndpointStanding(clock=lambda: now[0])
    standing.note("quick", SLOW_S, delivered=False)
    assert not standing.is_slow("quick")
    assert not standing.rests("quick")
    standing.note("slow", 2.0, delivered=True)
    standing.note("hangs", 5.0, delivered=False)
    assert [standing.is_slow(each) for each in ("quick", "slow", "hangs")] == [False, True, True]
    assert [standing.rests(each) for each in ("quick", "slow", "hangs")] == [False, False, True]
    assert standing.next_end_s() == 5.0 * REST_FACTOR
    now[0] += 5.0 * REST_FACTOR
    assert not standing.rests("hangs")
    assert standing.next_end_s() == float("inf")
    # A quick answer in between does not make up for it at once.
    standing.note("hangs", 0.1, delivered=True)
    assert standing.is_slow("hangs")
    now[0] = 100.0 + SLOW_FOR_S
    assert not standing.is_slow("hangs")
