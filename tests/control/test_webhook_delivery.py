"""Notices reach a real receiver, signed, again after trouble, and only where they are wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import drawdown
import pytest
from drawdown.client.interface import Database
from drawdown.errors import ForbiddenAddressError, InvalidRequestError, NotFoundError, UnauthenticatedError
from drawdown.notices import verify

from tests.notices.receiver import Receiver

from .conftest import SMALL, prepare
from .test_purchases import pack
from .waiting import wait_until

ACCOUNT = "acme"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


@pytest.fixture
def own(tmp_path: Path, db_url: str) -> Iterator[Database]:
    """A database of its own that may call loopback, with an account that has a card and a pack to buy."""
    with drawdown.open(tmp_path / "data", db=db_url, **SMALL, webhook_allow_private=True) as opened:
        prepare(opened)
        opened.put_customer(ACCOUNT, payment_method="test_ok")
        opened.create_account(ACCOUNT, customer_id=ACCOUNT)
        opened.set_rate(meter="calls", credits="1")
        pack(opened, "pack")
        yield opened


def read(receiver: Receiver, secret: str) -> list[dict[str, Any]]:
    """What was received, every one of it verified as a receiver does."""
    return [
        verify(body, {name.lower(): value for name, value in headers.items()}, secret)
        for body, headers in list(receiver.got)
    ]


def use(db: Database, credits: str, event_id: str) -> str:
    return db.record(ACCOUNT, credit_type="credits", credits=credits, event_id=event_id).status


@pytest.mark.behaviour("S3-12", "S3-28", "S3-24", "S3-26", "S3-27")
def test_out_of_balance_is_told_within_a_second_and_a_purchase_opens_the_door_again(
    own: Database, receiver: Receiver
) -> None:
    """Dry: the entitlement is false at once and the webhook is there; bought: true again."""
    secret = own.create_webhook_endpoint("hook", receiver.url, kinds=["balance.depleted"]).secret
    own.buy_pack(ACCOUNT, "pack", purchase_id="first")
    assert own.check(ACCOUNT, "calls").allowed

    assert use(own, "20", "all") == "OK"
    began = time.monotonic()
    assert not own.check(ACCOUNT, "calls").allowed
    wait_until(lambda: receiver.got, 1.0)
    took = time.monotonic() - began
    (told,) = read(receiver, secret)
    assert (told["type"], told["account"]) == ("balance.depleted", ACCOUNT)
    assert took < 1.0

    own.buy_pack(ACCOUNT, "pack", purchase_id="second")
    assert own.check(ACCOUNT, "calls").allowed
    wait_until(lambda: own.notices(ACCOUNT, kinds=["balance.recovered"]).notices)
    assert len(receiver.got) == 1


@pytest.mark.behaviour("S3-12")
def test_a_crossing_is_told_in_milliseconds(own: Database) -> None:
    """Not when somebody looks next: of five, most are told within a fifth of a second."""
    took, told = [], partial(own.notices, ACCOUNT, kinds=["balance.depleted"])
    for number in range(1, 6):
        own.buy_pack(ACCOUNT, "pack", purchase_id=f"p{number}")
        began = time.monotonic()
        assert use(own, "20", f"all-{number}") == "OK"
        wait_until(lambda: len(told().notices) == len(took) + 1)
        took.append(time.monotonic() - began)
    assert median(took) < 0.2


@pytest.mark.behaviour("S3-13", "S3-22", "S3-23")
def test_payment_success_and_failure_are_told(own: Database, receiver: Receiver) -> None:
    secret = own.create_webhook_endpoint("hook", receiver.url, kinds=["payment.*"]).secret
    own.buy_pack(ACCOUNT, "pack", purchase_id="yes")
    own.buy_pack(ACCOUNT, "pack", purchase_id="no", payment_method="test_decline")
    wait_until(lambda: len(receiver.got) == 2)
    told = [(each["type"], each["data"]["purchase_id"]) for each in read(receiver, secret)]
    assert told == [("payment.succeeded", "yes"), ("payment.failed", "no")]


@pytest.mark.behaviour("S3-24", "S3-26")
def test_what_was_not_delivered_goes_out_after_a_restart(
    tmp_path: Path, db_url: str, receiver: Receiver
) -> None:
    """The entitlement and the undelivered notice both outlive the process."""
    settings = {**SMALL, "db": db_url, "webhook_allow_private": True}
    receiver.answers.append((503, {}, b""))
    with drawdown.open(tmp_path / "data", **settings) as db:
        prepare(db)
        db.put_customer(ACCOUNT, payment_method="test_ok")
        db.create_account(ACCOUNT, customer_id=ACCOUNT)
        db.set_rate(meter="calls", credits="1")
        secret = db.create_webhook_endpoint("hook", receiver.url, kinds=["payment.*"]).secret
        db.buy_pack(ACCOUNT, pack(db, "pack"), purchase_id="p")
        wait_until(lambda: [each.attempts for each in db.webhook_deliveries("hook").deliveries] == [1])
        (waiting,) = db.webhook_deliveries("hook", state="pending").deliveries
        assert (waiting.status, waiting.next_attempt_at > datetime.now(UTC)) == (503, True)
    with drawdown.open(tmp_path / "data", **settings) as db:
        assert db.check(ACCOUNT, "calls", quantity=20).allowed
        assert db.redeliver("hook", waiting.notice_id).state == "pending"
        wait_until(lambda: len(receiver.got) == 2)
        wait_until(lambda: db.webhook_deliveries("hook", state="delivered").deliveries)
    assert [each["type"] for each in read(receiver, secret)] == ["payment.succeeded"] * 2
    first, second = ({name.lower(): value for name, value in headers.items()} for _, headers in receiver.got)
    assert first["webhook-id"] == second["webhook-id"] == waiting.notice_id


def test_a_receiver_that_is_gone_parks_and_a_disabled_one_hears_nothing(
    own: Database, receiver: Receiver
) -> None:
    own.create_webhook_endpoint("hook", receiver.url, kinds=["payment.succeeded"])
    receiver.answers.append((410, {}, b""))
    own.buy_pack(ACCOUNT, "pack", purchase_id="p1")
    wait_until(lambda: own.webhook_deliveries("hook", state="parked").deliveries)
    assert not own.update_webhook_endpoint("hook", enabled=False).enabled
    own.buy_pack(ACCOUNT, "pack", purchase_id="p2")
    own.create_webhook_endpoint("other", receiver.url, account_prefix="nobody")
    # The engine's own word on the second purchase is the last that is told of it.
    wait_until(lambda: len(own.notices(ACCOUNT, kinds=["grant.created"]).notices) == 2)
    time.sleep(0.3)
    assert len(receiver.got) == 1
    assert own.webhook_deliveries("other").deliveries == ()


def test_what_is_redelivered_during_an_attempt_is_sent_once_more(own: Database, receiver: Receiver) -> None:
    """The attempt that was under way says nothing about the one that was asked for."""
    own.create_webhook_endpoint("hook", receiver.url, kinds=["payment.succeeded"])
    receiver.answers.append((410, {}, b""))
    receiver.answering.clear()
    own.buy_pack(ACCOUNT, "pack", purchase_id="p")
    wait_until(lambda: receiver.got)
    (under_way,) = own.webhook_deliveries("hook").deliveries
    assert own.redeliver("hook", under_way.notice_id).state == "pending"
    receiver.answering.set()
    wait_until(lambda: own.webhook_deliveries("hook", state="delivered").deliveries, 10.0)
    assert len(receiver.got) == 2


def test_an_old_url_that_is_gone_parks_nothing_that_a_new_one_has_not_had(
    own: Database, receiver: Receiver
) -> None:
    own.create_webhook_endpoint("hook", receiver.url, kinds=["payment.succeeded"])
    receiver.answers.append((410, {}, b""))
    receiver.answering.clear()
    own.buy_pack(ACCOUNT, "pack", purchase_id="p")
    wait_until(lambda: receiver.got)
    with Receiver() as moved:
        own.update_webhook_endpoint("hook", url=moved.url)
        receiver.answering.set()
        wait_until(lambda: own.webhook_deliveries("hook", state="delivered").deliveries, 10.0)
        assert (len(receiver.got), len(moved.got)) == (1, 1)


def test_while_a_secret_is_rotated_both_verify(own: Database, receiver: Receiver) -> None:
    """After the overlap only the new one does; no list ever shows a secret."""
    old = own.create_webhook_endpoint("hook", receiver.url, kinds=["payment.succeeded"]).secret
    new = own.rotate_webhook_secret("hook").secret
    assert old != new
    own.buy_pack(ACCOUNT, "pack", purchase_id="p1")
    wait_until(lambda: len(receiver.got) == 1)
    assert len(read(receiver, old)) == len(read(receiver, new)) == 1
    newest = own.rotate_webhook_secret("hook", overlap_s=0).secret
    own.buy_pack(ACCOUNT, "pack", purchase_id="p2")
    wait_until(lambda: len(receiver.got) == 2)
    del receiver.got[0]
    assert len(read(receiver, newest)) == 1
    with pytest.raises(UnauthenticatedError):
        read(receiver, new)
    assert [each.secret for each in own.webhook_endpoints()] == [""]


def test_where_a_webhook_may_go_is_judged_when_it_is_made(db: Database, name: Any) -> None:
    """Through both doors; the databases of this folder do not allow loopback."""
    for url in ("https://127.0.0.1/hook", "http://example.com/", "https://user@example.com/"):
        with pytest.raises((ForbiddenAddressError, InvalidRequestError)) as raised:
            db.create_webhook_endpoint(name("hook"), url)
        assert raised.value.field == "url"
    made = db.create_webhook_endpoint(name("hook"), "https://93.184.215.14/hook", account_prefix="nobody")
    again = db.create_webhook_endpoint(name("hook"), "https://93.184.215.14/hook", account_prefix="nobody")
    assert made == again
    assert made.secret.startswith("whsec_")
    with pytest.raises(NotFoundError):
        db.redeliver(name("hook"), "notice-1")
    with pytest.raises(NotFoundError):
        db.webhook_deliveries(name("none"))
